/** Services of UDP, between real kernels: pairs of sockets, processed, translated, and at their end. */
import { describe, expect, test } from 'vitest'
import type { DatagramPair, DatagramServiceFunction, DatagramSocket } from '../../src/index.js'
import { type Family, type Host, until } from '../../src/laboratory/index.js'
import { startDnsServer } from '../helpers/dns-server.js'
import { EngineSite } from '../helpers/engine-site.js'
import { decodeFrame } from '../helpers/frame.js'
import { startEcho } from '../helpers/servers.js'
import { SERVER } from '../helpers/services.js'
import { listen } from '../helpers/site.js'
import { requireCaptures, requireHost, requireTools } from '../helpers/skip.js'
import type { ClientSocket } from '../helpers/socket-clients.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nsd', 'dig')

const [ECHO, DNS, NOBODY] = [7, 53, 9]

/** The sockets of a service, and where it goes on: the server sees the client. */
class Service {
  readonly inbound: DatagramSocket[] = []
  readonly pairs: DatagramPair[] = []
  /** What the sides of its pairs told. */
  told: string[] = []

  constructor(private readonly port: number) {}

  readonly run: DatagramServiceFunction = async (inbound, { stack }) => {
    this.inbound.push(inbound)
    const to = { address: SERVER[inbound.identity.family], port: this.port }
    const outbound = await stack.connect({ protocol: 'udp', ...to, associateWith: inbound })
    const pair = outbound.pair as DatagramPair
    pair.on('sideclose', (side, how) => this.told.push(`${side} ${how}`))
    outbound.on('error', (error: NodeJS.ErrnoException) => this.told.push(String(error.code)))
    for (const side of ['inbound', 'outbound'] as const) {
      pair[side].on('timeout', () => this.told.push(`${side} silent`))
    }
    this.pairs.push(pair.process())
  }
}

interface Wanted {
  port?: number
  settings?: object
  more?: object
  servers?: 'echo' | 'dns'
}

function startSite(service: DatagramServiceFunction, wanted: Wanted = {}): Promise<EngineSite> {
  const { port = ECHO, settings = {}, more = {}, servers = 'echo' } = wanted
  return EngineSite.start({
    services: {},
    virtualServers: (family, lab) => ({
      [`udp${family}`]: { listen: listen(lab, family, port, 'udp'), service, ...settings },
    }),
    startServers: (lab) =>
      servers === 'echo'
        ? startEcho(lab, lab.servers, ECHO)
        : startDnsServer(lab, lab.servers[0] as Host),
    more: () => more,
  })
}

const connect = (site: EngineSite, family: Family, port = ECHO) =>
  site.connect(family, port, { protocol: 'udp' })

/** The text goes there, and comes back as the number of that client's that it is. */
async function echo(socket: ClientSocket, family: Family, number: number, text: string) {
  const before = socket.received.length
  socket.write(text)
  await until(`${text} is answered`, () => socket.received.length > before)
  expect(socket.received.at(-1)).toBe(`${SERVER[family]} ${socket.local} ${number} ${text}\n`)
}

describe('nsd and dig', () => {
  requireCaptures()

  test('SOCK-08 SOCK-32 a pair of UDP sockets, and the server sees the client', async () => {
    const service = new Service(DNS)
    await using site = await startSite(service.run, { port: DNS, servers: 'dns' })
    for (const family of site.lab.families) {
      const capture = await site.captureInside('udp port 53')
      const dig = ['+short', '+tries=1', '+time=10', `@${site.lab.virtualAddress(family)}`]
      const { stdout } = await site.client.exec('dig', [...dig, 'who.test', 'TXT'])
      expect(stdout.trim()).toBe('"srv1"')
      const [pair] = service.pairs.splice(0) as [DatagramPair]
      const { address, port } = pair.inbound.identity
      expect(address).toBe(site.lab.client.address(family))
      const [question, answer] = (await capture.stop()).map(({ bytes }) => decodeFrame(bytes))
      expect(question?.ip).toMatchObject({ source: address, destination: SERVER[family] })
      expect(question?.udp).toMatchObject({ sourcePort: port, destinationPort: DNS })
      expect(answer?.ip?.destination).toBe(address)
      await pair.disassociate({ close: 'both' })
    }
    await site.end()
  })
})

test('SOCK-32 SOCK-12 SOCK-18 SOCK-20 unproxied the engine translates, and JavaScript sees nothing', async () => {
  const service = new Service(ECHO)
  await using site = await startSite(service.run)
  for (const family of site.lab.families) {
    const socket = await connect(site, family)
    await echo(socket, family, 1, 'through JavaScript')
    const [pair] = service.pairs.splice(0) as [DatagramPair]
    const { inbound, outbound } = pair
    for (const round of [0, 1, 2]) {
      expect(await pair.unproxy()).toMatchObject({ mode: 'splice' })
      const seen = inbound.datagramsRead + outbound.datagramsRead
      for (const turn of [2, 3, 4, 5]) await echo(socket, family, 5 * round + turn, 'past it')
      expect(inbound.datagramsRead + outbound.datagramsRead).toBe(seen)
      const query = { protocol: 'udp', client: inbound.identity } as const
      expect(await site.stack.get(query, { proxy: false })).toBe(pair)
      expect(pair.mode).toBe('splice')
      expect(await site.stack.get({ client: inbound.identity })).toBeNull()
      expect(await site.stack.get(query)).toBe(pair)
      expect(pair.mode).toBe('proxied')
      expect(pair.stats().datagrams.c2s).toBe(BigInt(5 * round + 5))
      await echo(socket, family, 5 * round + 6, 'through it again')
      // Four went past it each way, which count when that is over.
      expect(inbound.datagramsRead + outbound.datagramsRead).toBe(seen + 8 + 2)
    }
    const { bytes, datagrams } = pair.stats()
    expect(datagrams).toEqual({ c2s: 16n, s2c: 16n })
    expect(bytes.c2s).toBe(BigInt('through JavaScript'.length + 12 * 7 + 3 * 16))
    expect(bytes.s2c).toBe(BigInt(socket.received.join('').length))
    await pair.disassociate({ close: 'both' })
  }
  const { datagramsRead, datagramsUnread } = site.engine.status().counters
  expect([datagramsRead, datagramsUnread]).toEqual([2 * 8, 0])
  await site.end()
})

test('SOCK-11 SOCK-32 functions change datagrams, drop them, or answer themselves', async () => {
  const service: DatagramServiceFunction = async (inbound, { stack }) => {
    const to = { address: SERVER[inbound.identity.family], port: ECHO }
    const outbound = await stack.connect({ protocol: 'udp', ...to, associateWith: inbound })
    outbound.pair?.process({
      c2s: (datagram) => {
        const text = datagram.toString()
        if (text === 'who?') inbound.send('me')
        return text === 'who?' || text === 'nothing' ? undefined : Buffer.from(text.toUpperCase())
      },
    })
  }
  await using site = await startSite(service, { settings: { idleTimeoutMs: 1000 } })
  for (const family of site.lab.families) {
    const socket = await connect(site, family)
    for (const text of ['nothing', 'loud', 'who?']) socket.write(text)
    await until('two are answered', () => socket.received.length === 2)
    expect(socket.received.sort()).toEqual([`${SERVER[family]} ${socket.local} 1 LOUD\n`, 'me'])
  }
  await site.end()
})

test('SOCK-32 a port where nobody listens is an error of the socket, and the flow may begin anew', async () => {
  const service = new Service(NOBODY)
  await using site = await startSite(service.run)
  for (const family of site.lab.families) {
    const socket = await connect(site, family)
    for (const text of ['is anybody there?', 'nobody?']) {
      socket.write(text)
      const pair = await until('a pair is made', () => service.pairs.shift())
      await until('both sides are closed', () => pair.mode === 'closed')
      await until('the error is told', () => service.told.length === 2)
      expect(service.told.splice(0)).toEqual(['outbound reset', 'ECONNREFUSED'])
      expect(pair.inbound.use).toBe('closed')
      expect(service.inbound.splice(0)).toHaveLength(1)
    }
  }
  await site.end()
})

test.each([false, true])(
  'SOCK-32 FLOWLIFE-07 a silent flow ends, unproxied: %s',
  async (unproxied) => {
    const service = new Service(ECHO)
    await using site = await startSite(service.run, { settings: { idleTimeoutMs: 1000 } })
    for (const family of site.lab.families) {
      const socket = await connect(site, family)
      for (const turn of [1, 2]) {
        await echo(socket, family, turn, 'hello')
        const [pair] = service.pairs.splice(0) as [DatagramPair]
        if (unproxied) await pair.unproxy()
        await until('the pair is over', () => pair.mode === 'closed')
        const ends = ['inbound', 'outbound'].flatMap((side) => [
          `${side} timeout`,
          `${side} silent`,
        ])
        expect(service.told.splice(0)).toEqual(ends)
        expect(pair.inbound.use).toBe('closed')
      }
    }
    await site.end()
  },
)

test('SOCK-09 SOCK-31 SOCK-32 listen, and a socket of the own address, which has no pair', async () => {
  await using site = await startSite(() => {})
  const { stack } = site
  for (const family of site.lab.families) {
    const address = site.lab.virtualAddress(family)
    await using server = await stack.listen({ protocol: 'udp', address, port: 99 })
    const socket = await connect(site, family, 99)
    socket.write('question')
    for await (const inbound of server) {
      for await (const datagram of inbound) {
        expect(datagram.toString()).toBe('question')
        break
      }
      const to = { address: SERVER[family], port: ECHO }
      const outbound = await stack.connect({ protocol: 'udp', ...to })
      expect(outbound.pair).toBeUndefined()
      expect(outbound.localAddress).not.toBe(inbound.remoteAddress)
      outbound.send('aside')
      for await (const answer of outbound) {
        const local = family === 4 ? outbound.localAddress : `[${outbound.localAddress}]`
        const from = `${local}:${outbound.localPort}`
        expect(answer.toString()).toBe(`${SERVER[family]} ${from} 1 aside\n`)
        inbound.send(answer)
        break
      }
      await until('it is answered', () => socket.received.length === 1)
      outbound.close()
      inbound.close()
      break
    }
  }
  await site.end()
})

test('SOCK-32 datagrams larger than the link: fragments over IPv4, an error over IPv6', async () => {
  const sizes: number[] = []
  const service: DatagramServiceFunction = (inbound) => {
    inbound.once('message', () => {
      const most = inbound.identity.family === 4 ? 8000 : 1452
      expect(inbound.send('x'.repeat(most))).toBe(true)
      sizes.push(most)
      const tooMany = inbound.identity.family === 4 ? 65_508 : 1453
      expect(() => inbound.send(Buffer.alloc(tooMany))).toThrow(
        expect.objectContaining({ code: 'ERR_SLUICE_DATAGRAM_SIZE' }),
      )
      inbound.close()
    })
  }
  await using site = await startSite(service)
  for (const family of site.lab.families) {
    const socket = await connect(site, family)
    socket.write('how much?')
    await until('it is answered', () => socket.received.length === 1)
    expect(socket.received[0]).toBe('x'.repeat(sizes.pop() as number))
  }
  await site.end()
})

test('SOCK-08 SOCK-32 three workers have the flows of a service', async () => {
  const service = new Service(ECHO)
  await using site = await startSite(service.run, { more: { workers: 3 } })
  for (const family of site.lab.families) {
    const sockets = await Promise.all(Array.from({ length: 24 }, () => connect(site, family)))
    await Promise.all(sockets.map((socket) => echo(socket, family, 1, 'proxied')))
    const workers = new Set(service.inbound.splice(0).map(({ id }) => id >>> 24))
    expect(workers.size).toBe(3)
    const pairs = service.pairs.splice(0)
    await Promise.all(pairs.map((pair) => pair.unproxy()))
    await Promise.all(sockets.map((socket) => echo(socket, family, 2, 'translated')))
    await Promise.all(pairs.map((pair) => pair.disassociate({ close: 'both' })))
  }
  const { datagramSocketsAccepted, datagramSocketsOpened } = site.engine.status().counters
  expect([datagramSocketsAccepted, datagramSocketsOpened]).toEqual([48, 48])
  await site.end()
})
