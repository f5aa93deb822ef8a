/** How much each server gets: weights, bytes, limits. */
import { expect, test } from 'vitest'
import { until } from '../../src/laboratory/index.js'
import { listen, Site } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { SocketClients } from '../helpers/socket-clients.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'curl')

const weighted = (balance: string) => ({
  topology: 'two-arm' as const,
  servers: 2,
  pools: (family: 4 | 6, lab: Site['lab']) => {
    const [weak, strong] = lab
      .serverAddresses(family)
      .map((address) => (family === 4 ? `${address}:80` : `[${address}]:80`))
    const nodes = `['${weak}', { address: '${strong}', weight: 4 }]`
    return { shared: `nodes: ${nodes}, balance: '${balance}'` }
  },
  virtualServers: (family: 4 | 6, lab: Site['lab']) => ({
    site: `listen: '${listen(lab, family, 80)}', pool: 'shared${family}'`,
  }),
})

test.each(['round-robin', 'least-connections'])(
  'LB-09 weights of 1 and 4, %s: 1 000 connections are shared 200 to 800',
  async (balance) => {
    await using site = await Site.start(weighted(balance))
    const clients = await SocketClients.start(site.client)
    for (const family of site.lab.families) {
      const host = site.lab.virtualAddress(family)
      const sockets = await Promise.all(
        Array.from({ length: 500 }, () => clients.connect({ host, port: 80 })),
      )
      const bodies = await Promise.all(sockets.map((socket) => socket.request()))
      expect(bodies.filter((body) => body === 'srv1\n')).toHaveLength(100)
    }
    const { pools } = await site.end()
    for (const { name, nodes } of pools.filter(({ name }) => name.startsWith('shared'))) {
      expect([name, ...nodes.map((node) => node.totalConnections)]).toEqual([name, 100, 400])
    }
  },
)

test('LB-14 CS-06 a server that sent much gets no flows until others have sent as much', async () => {
  await using site = await Site.start({
    topology: 'two-arm',
    balance: `'least-bytes'`,
    more: 'timeouts: { statsIntervalMs: 100 },',
  })
  await Promise.all(site.servers.map((server) => server.addFile(5_000_000)))
  for (const family of site.lab.families) {
    const sentBy = async (place: number) => {
      const pool = (await site.status()).pools.find(({ name }) => name === `web${family}`)
      return pool?.nodes[place]?.bytes.out ?? 0
    }
    // Nothing is known at first, so they come in turn.
    for (const place of [0, 1]) {
      expect((await site.fetch(family, '/bytes/5000000', 80, { output: '/dev/null' })).bytes).toBe(
        5e6,
      )
      await until('its bytes are told', async () => (await sentBy(place)) > 5e6)
    }
    for (let turn = 0; turn < 5; turn += 1) {
      expect((await site.fetch(family)).body).toBe('srv3\n')
    }
  }
  await site.end()
})

test('LB-20 LB-08 SSMB-34 limits of a virtual server and of a node: refused at once, served again', async () => {
  await using site = await Site.start({
    topology: 'two-arm',
    servers: 1,
    pools: (family, lab) => {
      const [address] = lab.serverAddresses(family)
      const node = family === 4 ? `${address}:80` : `[${address}]:80`
      return { few: `nodes: [{ address: '${node}', connectionLimit: 3 }]` }
    },
    virtualServers: (family, lab) => ({
      site: `listen: '${listen(lab, family, 80)}', pool: 'web${family}', connectionLimit: 10`,
      few: `listen: '${listen(lab, family, 81)}', pool: 'few${family}'`,
    }),
  })
  const clients = await SocketClients.start(site.client)
  for (const family of site.lab.families) {
    for (const [port, limit] of [
      [80, 10],
      [81, 3],
    ] as const) {
      const open = () => clients.connect({ host: site.lab.virtualAddress(family), port })
      const held = await Promise.all(Array.from({ length: limit }, open))
      await expect(open()).rejects.toThrow('ECONNREFUSED')
      for (const socket of held) expect(await socket.request()).toBe('srv1\n')
      await held[0]?.end()
      const next = await until('one more is served', () => open().catch(() => undefined))
      expect(await next.request()).toBe('srv1\n')
    }
  }
  const { decisions } = await site.end()
  expect(decisions.assigned).toBe(2 * (11 + 4))
  expect(decisions.limited).toBeGreaterThanOrEqual(2)
  expect(decisions.unavailable).toBeGreaterThanOrEqual(2)
})
