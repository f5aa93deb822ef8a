/**
 * What the kernels at the ends make of a pair that is let go and taken back: their round trip times, and
 * what they send again. Links are slow by a program, so that a round trip is longer than any pause of a
 * busy machine, and a window of segments is under way at each transition.
 */
import { expect, test } from 'vitest'
import type { SocketPair } from '../../src/index.js'
import { type Family, type Laboratory, type Namespace, until } from '../../src/laboratory/index.js'
import { slowDown } from '../helpers/impairment.js'
import { endWithoutComplaints, kernelCounters, repetitions } from '../helpers/kernel-counters.js'
import { identity } from '../helpers/services.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { socketFigures } from '../helpers/socket-figures.js'
import { HTTP, spliceAtOnce, startSpliceSite, UPLOADS } from '../helpers/splice-site.js'
import { BothWays } from '../helpers/whole-transfer.js'

requireHost('netns', 'afPacket', 'tun')
requireTools('ip', 'nsenter', 'nginx', 'curl', 'python3', 'bash', 'sha256sum', 'ss')

/** No queue of the laboratory is as short as a window of a kernel or of the engine. */
const WINDOW = 262_144
const KERNELS = {
  'ipv4/tcp_rmem': `4096 131072 ${WINDOW}`,
  'ipv4/tcp_wmem': `4096 131072 ${WINDOW}`,
  // So that the least round trip time is that of the last moment.
  'ipv4/tcp_min_rtt_wlen': 0,
  // No probes of the tail: they come when two round trips have passed in silence (RFC 8985 7.2), and the
  // first one of a splice is as long as those of both sides before it, which no sender can know.
  'ipv4/tcp_early_retrans': 0,
}
const engine = (lab: Laboratory) => ({
  ports: Object.fromEntries(
    Object.entries(lab.ports()).map(([name, port]) => [name, { ...port, offloads: false }]),
  ),
  limits: { bufferMemory: '64MiB', windowsFor: (7 * (64 << 20)) / 16 / WINDOW },
})

interface Link {
  oneWayMs: number
  loss?: number
}

/** A splice site both of whose hosts are behind slow links. */
async function startSlowSite(
  letGo: (pair: SocketPair) => Promise<unknown>,
  { client, server }: { client: Link; server: Link },
  size: number,
) {
  const { site, pairs, nginx } = await startSpliceSite(letGo, engine)
  const hosts = [site.client, site.server.namespace] as const
  for (const host of hosts) await host.setSysctls(KERNELS)
  await slowDown(site.client, { ...client, mbit: 1000, seed: 1 })
  await slowDown(site.server.namespace, { ...server, mbit: 1000, seed: 2 })
  const contents = await BothWays.prepare(site, nginx, size)
  return { site, pairs, hosts, contents }
}

const passed = (pair: SocketPair) => {
  const { c2s, s2c } = pair.stats().bytes
  return Number(c2s + s2c)
}

/** So many bytes more have passed, or all of them. */
async function untilPassed(pair: SocketPair, bytes: number): Promise<void> {
  const from = passed(pair)
  const enough = () => pair.mode === 'closed' || passed(pair) >= from + bytes
  await until(`${bytes} bytes more`, enough, 60_000)
}

test('TCPX-21 TCPX-17 SOCK-18 at no transition anything is sent again, by either kernel or to it', async () => {
  const SIZE = 10_000_000
  const takeTurns = async (pair: SocketPair) => {
    pair.process(identity())
    while (pair.mode !== 'closed') {
      await untilPassed(pair, 500_000)
      await pair.unproxy({ depth: 'splice' })
      await untilPassed(pair, 1_000_000)
      await pair.proxy()
    }
  }
  // The last turn of each ends with its pair.
  const letGo = (pair: SocketPair) => takeTurns(pair).catch(() => {})
  const links = { client: { oneWayMs: 20 }, server: { oneWayMs: 30 } }
  const { site, pairs, hosts, contents } = await startSlowSite(letGo, links, SIZE)
  await using _ = site
  await contents.transfer(UPLOADS)
  await site.untilIdle()
  for (const { modes } of pairs) {
    expect(modes.filter((mode) => mode === 'splice').length).toBeGreaterThanOrEqual(3)
  }
  for (const host of hosts) expect(await repetitions(host)).toEqual({})
  await endWithoutComplaints(site)
})

test('TCPX-18 each kernel measures the way to its peer: the engine at first, then the other kernel', async () => {
  const SIZE = 12_000_000
  const [outside, inside] = [30, 50]
  const processed = async (pair: SocketPair) => void pair.process(identity())
  const links = { client: { oneWayMs: outside / 2 }, server: { oneWayMs: inside / 2 } }
  const { site, pairs, hosts, contents } = await startSlowSite(processed, links, SIZE)
  await using _ = site
  const measure = async (family: Family, port: number, [sender, receiver]: Ends) => {
    const count = pairs.length
    const pass = port === HTTP ? contents.download(family) : contents.upload(family, port)
    const { pair } = await until('a pair', () => pairs[count])
    await untilPassed(pair, 1_000_000)
    await expectRoundTrips(port, [sender, receiver])
    await pair.unproxy({ depth: 'splice' })
    expect(pair.mode).toBe('splice')
    await untilPassed(pair, 5_000_000)
    const whole = outside + inside
    await expectRoundTrips(port, [
      { ...sender, ms: whole },
      { ...receiver, ms: whole },
    ])
    await pass
  }
  const [client, server] = [
    { host: hosts[0], ms: outside },
    { host: hosts[1], ms: inside },
  ]
  for (const family of site.lab.families) {
    await measure(family, HTTP, [server, client])
    await measure(family, UPLOADS, [client, server])
  }
  await site.untilIdle()
  await endWithoutComplaints(site)
})

type Ends = [sender: End, receiver: End]
interface End {
  host: Namespace
  /** What the links on its way delay, there and back. */
  ms: number
}

/**
 * The sender has measured by what was acknowledged, the receiver by its own timestamps that came back to
 * it. Nothing is faster than the links; how much slower it is on a busy machine is nobody's business, but
 * what a timestamp says that is mapped wrongly is off by hours.
 */
async function expectRoundTrips(port: number, [sender, receiver]: Ends): Promise<void> {
  const sent = await socketFigures(sender.host, port)
  const received = await socketFigures(receiver.host, port)
  for (const rtt of [sent.rtt, sent.minRtt]) {
    expect(rtt).toBeGreaterThanOrEqual(sender.ms)
    expect(rtt).toBeLessThan(1000)
  }
  // Timestamps are of whole milliseconds.
  expect(received.receiverRtt).toBeGreaterThanOrEqual(receiver.ms - 1)
  expect(received.receiverRtt).toBeLessThan(1000)
  for (const { retransmitted, duplicates } of [sent, received]) {
    expect({ retransmitted, duplicates }).toEqual({ retransmitted: 0, duplicates: 0 })
  }
}

test('TCPX-17 TCPX-18 TCPX-21 of a hundred segments one is lost each way, and SACK mends it', async () => {
  const SIZE = 4_000_000
  const links = { client: { oneWayMs: 5 }, server: { oneWayMs: 5, loss: 1 } }
  const { site, pairs, hosts, contents } = await startSlowSite(spliceAtOnce, links, SIZE)
  await using _ = site
  await contents.transfer(UPLOADS)
  await site.untilIdle()
  for (const { modes } of pairs) expect(modes).toContain('splice')
  for (const host of hosts) {
    const { TcpExtTCPSackRecovery = 0, TcpExtTCPTimeouts = 0 } = await kernelCounters(host)
    expect(TcpExtTCPSackRecovery).toBeGreaterThan(0)
    expect(TcpExtTCPTimeouts).toBeLessThan(TcpExtTCPSackRecovery / 2)
  }
  await endWithoutComplaints(site)
})
