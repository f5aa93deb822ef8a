/** Servers that see the engine instead of the client, and need no way back to the client. */
import { describe, expect, test } from 'vitest'
import {
  type Family,
  type Laboratory,
  type TopologyName,
  until,
} from '../../src/laboratory/index.js'
import { checksumErrors } from '../helpers/kernel-counters.js'
import { startEcho, startServers } from '../helpers/servers.js'
import { listen, nodes, Site } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { type ClientSocket, SocketClients } from '../helpers/socket-clients.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'curl')

const FILE = 2_000_000
const CONNECTIONS = 12

/** Of the servers' network; on a bridge that is the clients', too. */
const extraOf = (topology: TopologyName): Record<Family, string> =>
  topology === 'bridged'
    ? { 4: '192.0.2.200', 6: '2001:db8:1::200' }
    : { 4: '10.1.0.200', 6: '2001:db8:2::200' }

/** The engine's own towards the servers. */
const engineOf = (topology: TopologyName): Record<Family, string> =>
  topology === 'bridged'
    ? { 4: '192.0.2.1', 6: '2001:db8:1::1' }
    : { 4: '10.1.0.1', 6: '2001:db8:2::1' }

/** TCP leaves from an address that only the engine has, UDP from its own. */
async function startSite(topology: TopologyName, workers: number, more = ''): Promise<Site> {
  const extra = extraOf(topology)
  const forward = topology === 'bridged' ? `forward: 'bridge',` : ''
  const site = await Site.start({
    topology,
    more: `${forward} workers: ${workers}, ${more}`,
    startServers: async (lab) => {
      if (topology === 'tap') await startEcho(lab, lab.servers, 53)
      else for (const host of lab.servers) await startEcho(lab, [host], 53)
      return startServers(lab)
    },
    pools: (family, lab) => ({ echo: `nodes: ${nodes(lab, family, 53)}` }),
    virtualServers: (family, lab) => ({
      web: `listen: '${listen(lab, family, 80)}', pool: 'web${family}', snat: '${extra[family]}'`,
      echo: `listen: '${listen(lab, family, 53, 'udp')}', pool: 'echo${family}', preserveClient: false`,
    }),
  })
  if (topology !== 'bridged') await forgetEngine(site.lab)
  return site
}

/** No server has a route to the client. */
async function forgetEngine(lab: Laboratory): Promise<void> {
  for (const namespace of new Set(lab.servers.map((host) => host.namespace))) {
    for (const family of lab.families)
      await namespace.exec('ip', [`-${family}`, 'route', 'del', 'default'])
  }
}

/** The endpoints that web servers saw. */
const clientsOf = (site: Site) =>
  new Set(site.servers.flatMap((server) => server.log().map(({ client }) => client)))

const bracketed = (address: string) => (address.includes(':') ? `[${address}]` : address)

describe.each<[TopologyName, number]>([
  ['two-arm', 1],
  ['two-arm', 2],
  ['one-arm', 1],
  ['one-arm', 2],
  ['tap', 1],
  ['tap', 2],
  ['bridged', 1],
  ['bridged', 2],
])('%s, workers: %i', (topology, workers) => {
  if (topology === 'tap') requireHost('tun')

  test('trap 6 ARCH-08 servers answer the engine, and each answer reaches its flow', async () => {
    await using site = await startSite(topology, workers)
    const clients = await SocketClients.start(site.client)
    for (const server of site.servers) await server.addFile(FILE)
    for (const family of site.lab.families) {
      const host = site.lab.virtualAddress(family)
      const sockets = await Promise.all(
        Array.from({ length: CONNECTIONS }, () => clients.connect({ host, port: 80 })),
      )
      for (const socket of sockets) expect(await socket.request()).toMatch(/^srv\d\n$/)
      for (const socket of sockets.slice(0, 4)) {
        expect(await socket.request(`/bytes/${FILE}`)).toHaveLength(FILE)
      }
      await Promise.all(sockets.map((socket) => socket.end()))

      const own = engineOf(topology)[family]
      for (let count = 0; count < CONNECTIONS; count += 1) {
        const socket = await clients.connect({ protocol: 'udp', host, port: 53 })
        socket.write('hello')
        const [, seen] = await socket.untilReceived(/^\S+ (\S+) \d+ hello\n$/)
        expect(seen).toMatch(`${bracketed(own)}:`)
        expect(seen).not.toBe(socket.local)
      }
    }
    const seen = [...clientsOf(site)]
    for (const family of site.lab.families) {
      const ofFamily = seen.filter((client) =>
        client.startsWith(`${bracketed(extraOf(topology)[family])}:`),
      )
      expect(ofFamily).toHaveLength(CONNECTIONS)
    }
    expect(seen).toHaveLength(site.lab.families.length * CONNECTIONS)
    for (const { at } of site.devices) expect(await checksumErrors(at)).toEqual({})
    await until('connections have ended', async () =>
      (await site.flows()).every(({ protocol }) => protocol === 'udp'),
    )
    const { counters, drops, ports, decisions } = await site.end()
    expect(decisions).toMatchObject({ exhausted: 0, unknown: 0, resumed: 0, routed: 0 })
    expect(drops.noFlow).toBeUndefined()
    const steered = ports.every(({ mode }) => mode.includes('steered by program'))
    if (steered) expect(counters.handedOver).toBe(0)
  })
})

test('FLOWLIFE-16 a connection that was evicted leaves from the same endpoint again', async () => {
  // Of so many flows most are evicted between two requests of theirs.
  await using site = await startSite('one-arm', 1, 'limits: { flows: 16 },')
  const clients = await SocketClients.start(site.client)
  const host = site.lab.virtualAddress(4)
  const sockets: ClientSocket[] = []
  for (let count = 0; count < 2 * CONNECTIONS; count += 1) {
    const socket = await clients.connect({ host, port: 80 })
    sockets.push(socket)
    await socket.request()
  }
  for (let turn = 0; turn < 3; turn += 1) {
    for (const socket of sockets) expect(await socket.request()).toMatch(/^srv\d\n$/)
  }
  expect(clientsOf(site).size).toBe(sockets.length)
  const { decisions, counters } = await site.end()
  expect(decisions.resumed).toBeGreaterThan(0)
  expect(counters.flowsEvicted).toBeGreaterThan(0)
})

test('ARCH-08 where every port is in use a client learns it, and one that ends makes room', async () => {
  await using site = await Site.start({
    topology: 'two-arm',
    servers: 1,
    virtualServers: (family, lab) => ({
      web: `listen: '${listen(lab, family, 80)}', pool: 'web${family}',
        snat: { addresses: '${extraOf('two-arm')[family]}', ports: [5000, 5003] }`,
    }),
  })
  const clients = await SocketClients.start(site.client)
  for (const family of site.lab.families) {
    const host = site.lab.virtualAddress(family)
    const sockets = await Promise.all(
      Array.from({ length: 4 }, () => clients.connect({ host, port: 80 })),
    )
    for (const socket of sockets) await socket.request()
    await expect(clients.connect({ host, port: 80 })).rejects.toMatchObject({
      code: 'ECONNREFUSED',
    })
    await sockets[0]?.end()
    await until('a flow has ended', async () => {
      const { pools } = await site.status()
      return pools.some(({ name, connections }) => name === `web${family}` && connections === 3)
    })
    // At once: the client closed, and the server remembers nothing.
    const again = await clients.connect({ host, port: 80 })
    expect(await again.request()).toBe('srv1\n')
    await Promise.all([again, ...sockets.slice(1)].map((socket) => socket.end()))
  }
  const { decisions } = await site.end()
  expect(decisions.exhausted).toBe(site.lab.families.length)
})
