/** What the engine tells of its flows, beside what tcpdump saw of them. */
import { describe, expect, test } from 'vitest'
import type { FlowRecord } from '../../src/index.js'
import { type Family, type Host, type TopologyName, until } from '../../src/laboratory/index.js'
import { expectAgreement } from '../helpers/agreement.js'
import { Capture } from '../helpers/capture.js'
import { countFlows, type FlowCounts } from '../helpers/flow-counts.js'
import { startEcho, startServers } from '../helpers/servers.js'
import { listen, nodes, Site } from '../helpers/site.js'
import { requireCaptures, requireHost, requireTools } from '../helpers/skip.js'
import { type ClientSocket, SocketClients } from '../helpers/socket-clients.js'

requireCaptures()
requireTools('ip', 'nsenter', 'nginx', 'ethtool')

const FILE = 300_000
const ECHO = 7

function startSite(topology: TopologyName): Promise<Site> {
  return Site.start({
    topology,
    startServers: async (lab) => {
      const servers = await startServers(lab)
      for (const server of servers) await server.addFile(FILE)
      if (topology === 'tap') await startEcho(lab, lab.servers, ECHO)
      else for (const host of lab.servers) await startEcho(lab, [host], ECHO)
      return servers
    },
    pools: (family, lab) => ({ echo: `nodes: ${nodes(lab, family, ECHO)}` }),
    virtualServers: (family, lab) => ({
      web: `listen: '${listen(lab, family, 80)}', pool: 'web${family}'`,
      echo: `listen: '${listen(lab, family, ECHO, 'udp')}', pool: 'echo${family}'`,
    }),
  })
}

/** Opens connections that stay, each with another amount of traffic, and UDP sockets. */
async function openFlows(site: Site, clients: SocketClients, family: Family) {
  const host = site.lab.virtualAddress(family)
  const sockets = await Promise.all(
    Array.from({ length: 8 }, () => clients.connect({ host, port: 80 })),
  )
  for (const [index, socket] of sockets.entries()) {
    for (let turn = 0; turn < index; turn += 1) await socket.request()
    if (index % 3 === 0) expect(await socket.request(`/bytes/${FILE}`)).toHaveLength(FILE)
  }
  for (let count = 1; count <= 3; count += 1) {
    const socket = await clients.connect({ protocol: 'udp', host, port: ECHO })
    for (let turn = 0; turn < count; turn += 1) socket.write(`${turn}`.padEnd(turn * 100, '-'))
    await until('each datagram is answered', () => socket.received.length === count)
  }
  return sockets
}

const flowsTo = (records: FlowRecord[], name: string) =>
  new Map(
    records
      .filter(({ virtualServer }) => virtualServer === name)
      .map(({ client, packets, bytes }) => [client, { packets, bytes }]),
  )

const countsOf = (flows: Map<string, FlowCounts>) =>
  new Map([...flows].map(([client, { packets, bytes }]) => [client, { packets, bytes }]))

describe.each<[TopologyName, string]>([
  ['tap', 'on'],
  ['tap', 'off'],
  ['two-arm', 'on'],
  ['two-arm', 'off'],
])('flows over %s, offloads of the hosts %s', (topology, offloads) => {
  if (topology === 'tap') requireHost('tun')

  test('STAT-01 STAT-03 STAT-07 DFS-16 packets and bytes are those of the capture', async () => {
    await using site = await startSite(topology)
    const { lab } = site
    if (offloads === 'off') await site.withoutOffloads()
    const capture = await site.capture()
    const clients = await SocketClients.start(site.client)
    const seen = async (family: Family, port: number) =>
      countFlows(await capture.read(), { address: lab.virtualAddress(family), port })
    for (const family of lab.families) {
      const sockets = await openFlows(site, clients, family)
      for (const [name, port, count] of [
        ['web', 80, 8],
        ['echo', ECHO, 3],
      ] as const) {
        await expectAgreement(
          async () => flowsTo(await site.flows(), `${name}${family}`),
          async () => countsOf(await seen(family, port)),
        )
        expect((await seen(family, port)).size).toBe(count)
      }
      for (const socket of sockets) await socket.end()
    }
    const { counters } = await site.status()
    if (offloads === 'on') expect(counters.receivedSegments).toBeGreaterThan(counters.received)
    else expect(counters.receivedSegments).toBe(counters.received)
    await site.end()
  })
})

test('STAT-02 STAT-04 totals of ended flows are those of the capture', async () => {
  await using site = await startSite('two-arm')
  const { lab } = site
  const capture = await site.capture()
  const clients = await SocketClients.start(site.client)
  for (const family of lab.families) {
    for (const socket of await openFlows(site, clients, family)) await socket.end()
    await expectAgreement(
      async () => {
        const { virtualServers } = await site.status()
        const { packets, bytes, connections } =
          virtualServers.find(({ name }) => name === `web${family}`) ?? {}
        return { packets, bytes, connections }
      },
      async () => {
        const address = lab.virtualAddress(family)
        const flows = [...countFlows(await capture.read(), { address, port: 80 }).values()]
        const sum = (what: 'packets' | 'bytes', way: 'in' | 'out') =>
          flows.reduce((total, flow) => total + flow[what][way], 0)
        const both = (what: 'packets' | 'bytes') => ({ in: sum(what, 'in'), out: sum(what, 'out') })
        return { packets: both('packets'), bytes: both('bytes'), connections: 0 }
      },
    )
  }
  await site.end()
})

/**
 * The engine's time of a packet is the millisecond of the poll that received it. A poll may have begun
 * long before the packet, where the machine was busy, but not before the exchange before the packet's;
 * and none is later than the packet's leaving.
 */
test('DFS-04 STAT-05 a flow was opened and last active when the capture says', async () => {
  await using site = await Site.start({ topology: 'two-arm', servers: 1 })
  const { lab } = site
  const capture = await Capture.start(lab, (lab.servers[0] as Host).namespace, 'eth0')
  const clients = await SocketClients.start(site.client)
  for (const family of lab.families) {
    const [address] = lab.serverAddresses(family)
    let [began, next] = [0, Date.now()]
    /** Returns when the exchange before it began. */
    const exchange = async (socket: ClientSocket) => {
      const before = began
      await socket.request()
      ;[began, next] = [next, Date.now()]
      return before
    }
    const connect = () => clients.connect({ host: lab.virtualAddress(family), port: 80 })
    await exchange(await connect())
    const flows: { socket: ClientSocket; opened: number; active: number }[] = []
    for (let count = 1; count <= 8; count += 1) {
      const socket = await connect()
      flows.push({ socket, opened: await exchange(socket), active: 0 })
    }
    for (const flow of flows) flow.active = await exchange(flow.socket)
    const records = new Map((await site.flows()).map((record) => [record.client, record]))
    const left = countFlows(await capture.read(), { address: address as string, port: 80 })
    for (const { socket, opened, active } of flows) {
      const { openedAt, lastActiveAt } = records.get(socket.local) as FlowRecord
      const { first, last } = left.get(socket.local) as FlowCounts
      expectBetween(opened, Date.parse(openedAt), first)
      expectBetween(active, Date.parse(lastActiveAt), last)
    }
  }
  await site.end()
})

function expectBetween(earliest: number, time: number, latest: number): void {
  expect(time).toBeGreaterThan(earliest - 1)
  expect(time).toBeLessThanOrEqual(latest)
}
