/**
 * A constant load while everything around it changes: policies, nodes, the room in the flow table, and a
 * configuration that is wrong. Each connection of the load must get its whole answer, but those that
 * a killed server had, and the counters must explain every packet.
 */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { tellEngine } from '../../src/cli/admin-client.js'
import type { DropReason } from '../../src/generated/drop-reasons.js'
import type { EngineStatus, NodeStatus, ReloadResult } from '../../src/index.js'
import { until } from '../../src/laboratory/index.js'
import { Capture } from '../helpers/capture.js'
import { decodeFrame } from '../helpers/frame.js'
import { type FailedConnection, OpenLoad } from '../helpers/open-load.js'
import type { CapturedFrame } from '../helpers/pcap.js'
import { NginxServer } from '../helpers/servers.js'
import { endpoint, listen, Site } from '../helpers/site.js'
import { requireCaptures, requireTools } from '../helpers/skip.js'
import { type ClientSocket, SocketClients } from '../helpers/socket-clients.js'

requireCaptures()
requireTools('ip', 'nsenter', 'nginx')

const RATE = 500
const EDITS = 50
const FAILURES = 20
const EVICTIONS = 5
const FLOWS = 400
/** Sessions that live all the time, with long pauses: half of what fits the flow table. */
const HELD = FLOWS / 2
const HELD_PORT = 81
/** Connections that are opened at once, to fill the table. */
const BURST = 20

/** The policy sends so many of 50 clients to the server that never fails; 50 is all of them. */
const SHARE = /SHARE = \d+/

function startSite(): Promise<Site> {
  return Site.start({
    topology: 'two-arm',
    // Other ports than those that the load takes.
    sysctls: { 'ipv4/ip_local_port_range': '50000 65000' },
    servers: 4,
    amongServers: true,
    prelude: 'const SHARE = 0',
    pools: (family, lab) => {
      const [steady, ...failing] = lab
        .serverAddresses(family)
        .map((address) => endpoint(address, 80))
      const checks = "check: { kind: 'http', intervalMs: 100, fall: 2 }"
      return {
        failing: `nodes: ${JSON.stringify(failing)}, ${checks}, passive: { fall: 3, forMs: 200 }`,
        steady: `nodes: ['${steady}']`,
      }
    },
    virtualServers: (family, lab) => ({
      site: `listen: '${listen(lab, family, 80)}', policy: ({ client }) =>
        client.port % 50 < SHARE ? 'steady${family}' : 'failing${family}'`,
      held: `listen: '${listen(lab, family, HELD_PORT)}', pool: 'steady${family}'`,
    }),
    // The shorter the time-out, the more exact is the order of use.
    more: `limits: { flows: ${FLOWS} }, timeouts: { tcpEstablishedMs: 60_000, lingerMs: 100 },`,
  })
}

/** A server that was killed, and when that was known and it had come back. */
interface Outage {
  addresses: string[]
  killedAt: number
  knownAt: number
}

class Changes {
  readonly outages: Outage[] = []
  private readonly source: string
  private edits = 0

  constructor(
    private readonly site: Site,
    private readonly clients: SocketClients,
    private readonly held: ClientSocket[],
  ) {
    this.source = readFileSync(site.engine.configFile, 'utf8')
  }

  /** Changes the policy. */
  async edit(): Promise<void> {
    this.edits += 1
    const share = this.edits === EDITS ? 50 : this.edits % 25
    const before = (await this.site.status()).policyRevision
    this.site.engine.rewrite(this.source.replace(SHARE, `SHARE = ${share}`))
    const { changed, policyRevision } = await this.reload()
    expect(changed).toBe(true)
    expect(policyRevision).not.toBe(before)
  }

  /** Offers a configuration that does not compile. */
  async breakConfiguration(): Promise<void> {
    const before = (await this.site.status()).policyRevision
    this.site.engine.rewrite(`${this.source} }`)
    await expect(this.reload()).rejects.toMatchObject({ code: 'ERR_SLUICE_CONFIG' })
    expect((await this.site.status()).policyRevision).toBe(before)
  }

  /** Kills a server, all of its processes, and starts it again once that was noticed. */
  async failAndReturn(server: NginxServer): Promise<NginxServer> {
    const { lab } = this.site
    const addresses = lab.families.map((family) => server.host.address(family))
    const killedAt = Date.now()
    server.process.kill()
    await this.untilEach(addresses, 'found dead', isFoundDead)
    this.outages.push({ addresses, killedAt, knownAt: Date.now() })
    const restarted = await NginxServer.start(lab, server.host)
    await this.untilEach(addresses, 'up', ({ state }) => state === 'up')
    return restarted
  }

  /** Fills the flow table, until the held sessions have lost theirs; then each of them goes on. */
  async evictHalf(): Promise<void> {
    const { lab } = this.site
    const evicted = async () => (await this.site.status()).counters.flowsEvicted
    const before = await evicted()
    const others: ClientSocket[] = []
    while ((await evicted()) < before + HELD) {
      const opening = Array.from({ length: BURST }, (_, turn) => {
        const family = lab.families[turn % 2]
        return this.clients.connect({ host: lab.virtualAddress(family), port: HELD_PORT })
      })
      others.push(...(await Promise.all(opening)))
    }
    await Promise.all(others.map((socket) => socket.reset()))
    await this.askHeld()
  }

  async askHeld(): Promise<void> {
    const answers = await Promise.all(this.held.map((socket) => socket.request()))
    expect(new Set(answers)).toEqual(new Set(['srv1\n']))
  }

  private reload(): Promise<ReloadResult> {
    return tellEngine<ReloadResult>(this.site.engine.socket, '/api/v1/reload')
  }

  private async untilEach(
    addresses: string[],
    what: string,
    is: (node: NodeStatus) => boolean,
  ): Promise<void> {
    const isOne = (node: string) => addresses.some((address) => node === endpoint(address, 80))
    await until(`${addresses.join(', ')} ${what}`, async () => {
      const { pools } = await this.site.status()
      const nodes = pools
        .filter(({ name }) => name.startsWith('failing'))
        .flatMap(({ nodes }) => nodes)
      return nodes.every((node) => !isOne(node.address) || is(node))
    })
  }
}

/** By its checks: for what connections tell of it a node is out for a moment only. */
const isFoundDead = ({ state, reason }: NodeStatus) =>
  state === 'down' && !/connections in a row/.test(reason)

/** Which server had each connection of the load, by the client's endpoint: the last to get its SYN. */
function serversOf(frames: CapturedFrame[]): Map<string, string> {
  const servers = new Map<string, string>()
  for (const { bytes } of frames) {
    const { ip, tcp } = decodeFrame(bytes)
    if (ip && tcp) servers.set(endpoint(ip.source, tcp.sourcePort), ip.destination)
  }
  return servers
}

const SYNS =
  '( tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn or ( ip6[6] == 6 and ip6[53] & 0x12 == 2 ) )'

/** Failed connections that no outage explains: of a server that lived, or one known to be dead. */
function unexplained(
  failures: FailedConnection[],
  servers: Map<string, string>,
  outages: Outage[],
): object[] {
  return failures
    .map((failure) => ({ ...failure, server: servers.get(endpoint(failure.client, failure.port)) }))
    .filter(({ server, openedAt, endedAt }) => {
      const explains = ({ addresses, killedAt, knownAt }: Outage) =>
        addresses.includes(server ?? '') && endedAt >= killedAt && openedAt <= knownAt
      return !outages.some(explains)
    })
}

/** What the counters say of every packet, received or made by the engine itself. */
function expectExplained(
  { packets, counters, drops, ports }: EngineStatus,
  expected: DropReason[],
) {
  const { received, forwarded, delivered, dropped, waiting } = packets
  expect(received).toBe(forwarded + delivered + dropped + waiting)
  const sum = (of: (port: EngineStatus['ports'][number]['counters']) => number) =>
    ports.reduce((total, port) => total + of(port.counters), 0)
  expect(sum(({ rxFrames, rxTruncated }) => rxFrames + rxTruncated)).toBe(received)
  expect(sum(({ txFrames }) => txFrames)).toBe(
    forwarded + counters.originated - counters.originatedLost,
  )
  expect(sum(({ rxMissed, txRefused }) => rxMissed + txRefused)).toBe(0)
  expect(Object.keys(drops).filter((reason) => !expected.includes(reason as DropReason))).toEqual(
    [],
  )
}

test('LB-10 LB-12 VS-24 FLOWLIFE-16 500 connections a second feel none of 76 changes', async () => {
  await using site = await startSite()
  const { lab } = site
  const syns = await Capture.start(lab, lab.namespace('lan'), 'up0', {
    filter: `${SYNS} and dst port 80`,
    snapLength: 96,
  })
  const clients = await SocketClients.start(site.client)
  const held = await Promise.all(
    Array.from({ length: HELD }, (_, turn) =>
      clients.connect({ host: lab.virtualAddress(lab.families[turn % 2]), port: HELD_PORT }),
    ),
  )
  const changes = new Changes(site, clients, held)
  await changes.askHeld()
  const load = await OpenLoad.start(lab, RATE)
  const edits = async (count: number) => {
    for (let turn = 0; turn < count; turn += 1) await changes.edit()
  }

  const [, ...failing] = site.servers
  for (let round = 0; round < FAILURES; round += 1) {
    const place = round % failing.length
    const [server] = await Promise.all([
      changes.failAndReturn(failing[place] as NginxServer),
      edits(round % 2 === 0 ? 2 : 3).then(async () => {
        if (round === FAILURES / 2) await changes.breakConfiguration()
      }),
      round % (FAILURES / EVICTIONS) === 0 && changes.evictHalf(),
    ])
    failing[place] = server
  }
  // The last policy has all clients go to the server that never failed.
  const then = await load.counts()
  const underWay = then.opened - then.failed - total(then.answered)
  await until('more connections', async () => {
    return (await load.counts()).opened > then.opened + RATE / 2
  })
  const { opened, answered, failed } = await load.end()
  expect(total(answered) - (answered.srv1 ?? 0)).toBeLessThanOrEqual(
    total(then.answered) - (then.answered.srv1 ?? 0) + underWay,
  )
  await changes.askHeld()

  expect(load.failures).toHaveLength(failed)
  expect(opened).toBe(total(answered) + failed)
  const servers = serversOf(await syns.stop())
  expect(unexplained(load.failures, servers, changes.outages)).toEqual([])
  await Promise.all(held.map((socket) => socket.end()))
  const status = await site.end()
  expect(status.decisions).toMatchObject({ unavailable: 0, policyErrors: 0, rejected: 0 })
  // Checks speak to servers beside the engine; killed servers and reset clients have last words; where
  // decisions are late, more SYNs wait than a full table has places for, or for too long, and come again.
  // A last ACK may come when its flow has ceased to linger, and is answered by a RST.
  const beside: DropReason[] = ['arpNotOurs', 'ndNotOurs', 'multicast']
  const late: DropReason[] = ['waitingDuplicate', 'waitingExpired', 'flowTableFull']
  expectExplained(status, [...beside, 'noFlow', 'refused', ...late])
})

const total = (counts: Record<string, number>) =>
  Object.values(counts).reduce((sum, count) => sum + count, 0)
