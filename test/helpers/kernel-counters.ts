/** What a namespace's kernel counted (as nstat shows it): the witness that our packets were good. */
import { expect } from 'vitest'
import type { Laboratory, Namespace } from '../../src/laboratory/index.js'
import { decodeFrame } from './frame.js'
import type { CapturedFrame } from './pcap.js'

/** Counters by nstat's names: `TcpExtTCPAbortOnData`, `UdpInErrors`, `Udp6RcvbufErrors`. */
export async function kernelCounters(namespace: Namespace): Promise<Record<string, number>> {
  return { ...(await countersOfPairs(namespace)), ...(await countersOfIpv6(namespace)) }
}

async function countersOfIpv6(namespace: Namespace): Promise<Record<string, number>> {
  const { stdout } = await namespace.tryExec('cat', ['/proc/net/snmp6'])
  const lines = stdout.split('\n').filter(Boolean)
  return Object.fromEntries(
    lines.map((line) => {
      const [name = '', value] = line.split(/\s+/)
      return [name, Number(value)]
    }),
  )
}

async function countersOfPairs(namespace: Namespace): Promise<Record<string, number>> {
  const { stdout } = await namespace.exec('cat', ['/proc/net/snmp', '/proc/net/netstat'])
  const lines = stdout.split('\n').filter(Boolean)
  const counters: Record<string, number> = {}
  // Each group is a line of names and a line of values, both headed by the group's name.
  for (let at = 0; at + 1 < lines.length; at += 2) {
    const [group = '', ...names] = (lines[at] as string).split(' ')
    const [, ...values] = (lines[at + 1] as string).split(' ')
    for (const [index, name] of names.entries()) {
      counters[group.replace(':', '') + name] = Number(values[index])
    }
  }
  return counters
}

/** The counters of every checksum that a kernel found wrong, TCP, UDP, ICMP and IP of both versions. */
export async function checksumErrors(namespace: Namespace): Promise<Record<string, number>> {
  const counters = await kernelCounters(namespace)
  return Object.fromEntries(
    Object.entries(counters).filter(([name, count]) => name.includes('Csum') && count > 0),
  )
}

/** What a kernel's TCP counts of segments that no correct peer sends it. */
const COMPLAINTS = [
  'TcpInErrs',
  'TcpInCsumErrors',
  'TcpExtPAWSActive',
  'TcpExtPAWSEstab',
  'TcpExtTCPSACKDiscard',
  'TcpExtTCPSACKReneging',
  'TcpExtTCPChallengeACK',
  'TcpExtTCPSYNChallenge',
  'TcpExtTCPACKSkippedPAWS',
  'TcpExtTCPACKSkippedSeq',
  'TcpExtTCPOFODrop',
  'TcpExtTCPZeroWindowDrop',
]

/** Which of them a SYN raises that comes again when its connection is established. */
const OF_REPEATED_SYNS = ['TcpInErrs', 'TcpExtTCPChallengeACK', 'TcpExtTCPSYNChallenge']

/**
 * What a namespace's kernel has against its TCP peers.
 * @param repeatedSyns so many came to it once more: what answered them was lost, or late by a second
 */
export async function tcpComplaints(
  namespace: Namespace,
  repeatedSyns = 0,
): Promise<Record<string, number>> {
  const counters = await kernelCounters(namespace)
  // Whoever sent a SYN once more, for the answer was late, gets one more SYN-ACK.
  const repeated = repeatedSyns + (counters.TcpExtTCPSynRetrans ?? 0)
  const challenged = Math.min(repeated, counters.TcpExtTCPSYNChallenge ?? 0)
  const complaints = COMPLAINTS.map((name) => {
    const explained = OF_REPEATED_SYNS.includes(name) ? challenged : 0
    return [name, (counters[name] ?? 0) - explained] as const
  })
  return Object.fromEntries(complaints.filter(([, count]) => count > 0))
}

/** No kernel has anything against what the engine sent it, and the engine leaves in order. */
export async function endWithoutComplaints(site: {
  lab: Laboratory
  end(): Promise<unknown>
}): Promise<void> {
  for (const { namespace } of [site.lab.client, ...site.lab.servers]) {
    expect(await tcpComplaints(namespace)).toEqual({})
    expect(await checksumErrors(namespace)).toEqual({})
  }
  await site.end()
}

/** What a kernel's TCP counts of segments sent again, by itself or by a peer, without need. */
const SPURIOUS = [
  'TcpExtTCPDSACKRecv',
  'TcpExtTCPDSACKOfoRecv',
  'TcpExtTCPDSACKOldSent',
  'TcpExtTCPDSACKOfoSent',
  'TcpExtTCPDSACKUndo',
  'TcpExtTCPFullUndo',
  'TcpExtTCPPartialUndo',
  'TcpExtTCPLossUndo',
  'TcpExtTCPSpuriousRTOs',
  'TcpExtTCPSpuriousRtxHostQueues',
]

/** And of all that are sent again, and of what makes it do so. */
const REPEATED = [
  'TcpRetransSegs',
  'TcpExtTCPTimeouts',
  'TcpExtTCPLossProbes',
  'TcpExtTCPFastRetrans',
  'TcpExtTCPSlowStartRetrans',
  'TcpExtTCPSackRecovery',
  'TcpExtTCPRenoRecovery',
  'TcpExtTCPSACKReorder',
  'TcpExtTCPTSReorder',
]

/** What a namespace's kernel sent again, or got twice: nothing, where no link loses anything. */
export async function repetitions(namespace: Namespace): Promise<Record<string, number>> {
  const counters = await kernelCounters(namespace)
  const counts = [...SPURIOUS, ...REPEATED].map((name) => [name, counters[name] ?? 0] as const)
  return Object.fromEntries(counts.filter(([, count]) => count > 0))
}

/** How many SYNs and SYN-ACKs to `address` in a capture are such as came before. */
export function repeatedSyns(frames: readonly CapturedFrame[], address: string): number {
  const syns = frames.flatMap(({ bytes }) => {
    const { ip, tcp } = decodeFrame(bytes)
    if (ip?.destination !== address || !tcp?.flags.has('SYN')) return []
    return `${tcp.sourcePort} ${tcp.destinationPort} ${tcp.sequence}`
  })
  return syns.length - new Set(syns).size
}
