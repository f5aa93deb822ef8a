/** One client port, two virtual servers, one node: connections that it could not tell apart. */
import { describe, expect, test } from 'vitest'
import { until } from '../../src/laboratory/index.js'
import { checksumErrors, kernelCounters } from '../helpers/kernel-counters.js'
import { startEcho, startServers } from '../helpers/servers.js'
import { listen, nodes, Site, type SiteOptions } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { type ClientSocket, SocketClients } from '../helpers/socket-clients.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'curl', 'ss')

const PORT = 50505
const FILE = 1_000_000

/** Two virtual servers of TCP, and two of UDP, with the same servers. */
function startSite(servers: number, keys = '', more: Partial<SiteOptions> = {}): Promise<Site> {
  return Site.start({
    topology: 'two-arm',
    servers,
    startServers: async (lab) => {
      for (const host of lab.servers) await startEcho(lab, [host], 53)
      return startServers(lab)
    },
    pools: (family, lab) => ({ echo: `nodes: ${nodes(lab, family, 53)}` }),
    virtualServers: (family, lab) => ({
      site: `listen: '${listen(lab, family, 80)}', pool: 'web${family}', ${keys}`,
      also: `listen: '${listen(lab, family, 81)}', pool: 'web${family}', ${keys}`,
      echo: `listen: '${listen(lab, family, 53, 'udp')}', pool: 'echo${family}', ${keys}`,
      repeat: `listen: '${listen(lab, family, 54, 'udp')}', pool: 'echo${family}', ${keys}`,
    }),
    ...more,
  })
}

const split = (endpoint: string) => {
  const [, address, port] = /^(.+):(\d+)$/.exec(endpoint) ?? []
  return { address, port: Number(port) }
}

/** The endpoint that the server saw. */
async function seenBy(socket: ClientSocket): Promise<string> {
  socket.write('hello')
  const [, seen] = await socket.untilReceived(/^\S+ (\S+) \d+ hello\n$/)
  return seen as string
}

describe.each([1, 2])('workers: %i', (workers) => {
  test('trap 4 SOCK-10 both connections work, and the server sees two ports of the client', async () => {
    await using site = await startSite(1, '', { more: `workers: ${workers},` })
    const clients = await SocketClients.start(site.client)
    for (const server of site.servers) await server.addFile(FILE)
    let logged = 0
    for (const family of site.lab.families) {
      const host = site.lab.virtualAddress(family)
      const pair = await Promise.all(
        [80, 81].map((port) => clients.connect({ host, port, localPort: PORT })),
      )
      for (const socket of pair) expect(await socket.request()).toBe('srv1\n')
      const bodies = await Promise.all(pair.map((socket) => socket.request(`/bytes/${FILE}`)))
      expect(bodies.map(({ length }) => length)).toEqual([FILE, FILE])
      logged += 4
      const log = (await site.servers[0]?.untilLogged(logged))?.slice(-4) ?? []
      const seen = [...new Set(log.map(({ client }) => client))].map(split)
      const { address } = split(pair[0]?.local ?? '')
      expect(seen.map((client) => client.address)).toEqual([address, address])
      expect(new Set(seen.map(({ port }) => port)).size).toBe(2)
      expect(seen.map(({ port }) => port)).toContain(PORT)
      await Promise.all(pair.map((socket) => socket.end()))

      // A flow of UDP stays when its socket has gone.
      const seenFrom: ReturnType<typeof split>[] = []
      for (const port of [53, 54]) {
        const socket = await clients.connect({ protocol: 'udp', host, port, localPort: PORT })
        seenFrom.push(split(await seenBy(socket)))
        await socket.end()
      }
      expect(seenFrom.map((client) => client.address)).toEqual([address, address])
      expect(seenFrom[0]?.port).toBe(PORT)
      expect(seenFrom[1]?.port).not.toBe(PORT)
    }
    for (const { at } of site.devices) expect(await checksumErrors(at)).toEqual({})
    const { decisions, drops, counters } = await site.end()
    const families = site.lab.families.length
    expect(decisions).toMatchObject({ moved: 2 * families, collided: 0, assigned: 4 * families })
    expect(drops).not.toHaveProperty('tupleInUse')
    expect(counters.flowsAskedAgain).toBe(0)
  })
})

test('trap 4 another server of the pool takes the second connection from its own port', async () => {
  await using site = await startSite(2)
  const clients = await SocketClients.start(site.client)
  for (const family of site.lab.families) {
    const host = site.lab.virtualAddress(family)
    const first = await clients.connect({ host, port: 80, localPort: PORT })
    const between = await clients.connect({ host, port: 80 })
    const second = await clients.connect({ host, port: 81, localPort: PORT })
    const bodies = await Promise.all([first, between, second].map((socket) => socket.request()))
    expect(bodies[2]).toBe(bodies[1])
    expect(bodies[2]).not.toBe(bodies[0])
    for (const socket of [first, between, second]) await socket.end()
  }
  for (const server of site.servers) {
    const log = await server.untilLogged(2)
    expect(log.some(({ client }) => split(client).port === PORT)).toBe(true)
  }
  expect((await site.end()).decisions).toMatchObject({ moved: 0, collided: 0 })
})

test('trap 4 SSMB-37 with preservePort the client learns it at once, and later its turn comes', async () => {
  await using site = await startSite(1, 'preservePort: true')
  const clients = await SocketClients.start(site.client)
  for (const family of site.lab.families) {
    const host = site.lab.virtualAddress(family)
    const first = await clients.connect({ host, port: 80, localPort: PORT })
    expect(await first.request()).toBe('srv1\n')
    const refused = clients.connect({ host, port: 81, localPort: PORT })
    await expect(refused).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    expect(await first.request()).toBe('srv1\n')
    await first.end()
    await until('the flow has ended', async () => (await site.flows()).length === 0)
    await until('the refusal is forgotten', async () => {
      return (await site.status()).counters.flowEntries <= 2
    })
    const second = await clients.connect({ host, port: 81, localPort: PORT })
    expect(await second.request()).toBe('srv1\n')
    await second.end()
  }
  const { decisions, drops } = await site.end()
  const families = site.lab.families.length
  expect(decisions).toMatchObject({ collided: families, moved: 0 })
  expect(drops.tupleInUse).toBe(families)
})

test('trap 3 trap 4 a connection that its server remembers is in no way of the next one', async () => {
  await using site = await startSite(1)
  const clients = await SocketClients.start(site.client)
  const turns = 6
  for (const family of site.lab.families) {
    const host = site.lab.virtualAddress(family)
    for (let turn = 0; turn < turns; turn += 1) {
      const port = turn % 2 === 0 ? 80 : 81
      const socket = await clients.connect({ host, port, localPort: PORT })
      // The server closes first: TIME-WAIT is its own, and the client is free to use its port.
      expect(await socket.request('/', 'Connection: close\r\n')).toBe('srv1\n')
      await until('the port is free', async () => {
        const { stdout } = await site.client.exec('ss', ['-Htan', `sport = :${PORT}`])
        return stdout === ''
      })
    }
  }
  // At once: no SYN was sent again.
  expect(await kernelCounters(site.client)).toMatchObject({ TcpExtTCPSynRetrans: 0 })
  const { decisions } = await site.end()
  expect(decisions).toMatchObject({ assigned: turns * site.lab.families.length, collided: 0 })
})
