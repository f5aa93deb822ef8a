/** Pairs whose bytes the engine moves by itself: all of them, in order, and nothing of it in JavaScript. */
import { expect, test } from 'vitest'
import type { Boundary, ServiceFunction, Socket, SocketPair } from '../../src/index.js'
import { type Family, type Host, type Namespace, until } from '../../src/laboratory/index.js'
import { AcceptedSockets, EngineSite } from '../helpers/engine-site.js'
import { NginxServer, startEcho } from '../helpers/servers.js'
import { associated, identity, SERVER } from '../helpers/services.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { transferSize } from '../helpers/transfer-size.js'
import { startUploads } from '../helpers/uploads.js'
import { BothWays } from '../helpers/whole-transfer.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'curl', 'python3', 'bash', 'sha256sum', 'ss')

const [HTTP, UPLOADS, ECHO] = [80, 81, 7]
/** More than four buffers of a connection, and a gigabyte where somebody asks for it. */
const SIZE = transferSize(64_000_000)
const RELAY = { depth: 'relay' } as const

/** What JavaScript was told of sockets since they were relayed. */
const told: string[] = []

interface Relayed {
  pair: SocketPair
  /** What JavaScript had had by then. */
  boundary: Boundary
}

/** Relays at once; what JavaScript sees of it from then on is noted. */
async function relay(inbound: Socket, outbound: Socket): Promise<Relayed> {
  const pair = outbound.pair as SocketPair
  const { mode, boundary } = await pair.unproxy(RELAY)
  expect(mode).toBe('relay')
  for (const socket of [inbound, outbound]) {
    // Not by `on`: that would make the stream flow.
    const emit = socket.emit.bind(socket)
    socket.emit = (event: string | symbol, ...args: unknown[]) => {
      if (['data', 'readable', 'drain'].includes(String(event))) told.push(String(event))
      return emit(event, ...args)
    }
  }
  return { pair, boundary }
}

async function startSite() {
  const pairs: Relayed[] = []
  const accepted = new AcceptedSockets()
  const relaying =
    (port: number): ServiceFunction =>
    async (inbound, { stack }) => {
      inbound.on('error', () => {})
      const outbound = await associated(stack, inbound, SERVER, port)
      outbound.on('error', () => {})
      pairs.push(await relay(inbound, outbound))
    }
  const site = await EngineSite.start({
    services: { [HTTP]: relaying(HTTP), [UPLOADS]: relaying(UPLOADS), [ECHO]: accepted.service },
    startServers: async (lab) => {
      const [host] = lab.servers as [Host]
      await startEcho(lab, [host], ECHO)
      await startUploads(host, UPLOADS)
      return NginxServer.start(lab, host)
    },
  })
  told.length = 0
  return { site, pairs, accepted, nginx: site.started }
}

test('SOCK-06 SOCK-12 BUF-01 BUF-02 equal sha256 each way, and no event in JavaScript meanwhile', async () => {
  const { site, pairs, nginx } = await startSite()
  await using _ = site
  const contents = await BothWays.prepare(site, nginx, SIZE)
  await contents.transfer(UPLOADS)
  await site.untilIdle()
  expect(told).toEqual([])
  for (const { pair, boundary } of pairs) {
    const { bytes, jsBytes } = pair.stats()
    expect(jsBytes).toEqual(boundary)
    expect(bytes.c2s + bytes.s2c).toBeGreaterThan(BigInt(SIZE))
  }
  expect(pairs).toHaveLength(4)
  await site.end()
})

/** A client's connection to the echo server by way of a pair, all of whose bytes JavaScript sees. */
async function startProcessed(site: EngineSite, accepted: AcceptedSockets, family: Family) {
  const client = await site.connect(family, ECHO)
  const inbound = await accepted.next()
  const outbound = await associated(site.stack, inbound, SERVER, ECHO)
  const pair = outbound.pair as SocketPair
  return { client, pair: pair.process(identity()) }
}

test('what the service had read and written goes before what the engine moves', async () => {
  const { site, accepted } = await startSite()
  await using _ = site
  for (const family of site.lab.families) {
    const { client, pair } = await startProcessed(site, accepted, family)
    for (let line = 1; line <= 50; line++) client.write(`early ${line}\n`)
    await client.untilReceived(/ 1 early 1\n/)
    const { boundary } = await pair.unproxy(RELAY)
    expect(pair.mode).toBe('relay')
    for (let line = 51; line <= 100; line++) client.write(`late ${line}\n`)
    await client.untilReceived(/ 100 late 100\n$/)
    const numbers = client.received
      .join('')
      .match(/\d+(?= (early|late))/g)
      ?.map(Number)
    expect(numbers).toEqual(Array.from({ length: 100 }, (_, index) => index + 1))
    expect(pair.stats().jsBytes).toEqual(boundary)
    await client.end()
  }
  await site.end()
})

test('SOCK-20 relayed and processed in turns on one connection, at exact bytes', async () => {
  const { site, accepted } = await startSite()
  await using _ = site
  for (const family of site.lab.families) {
    const { client, pair } = await startProcessed(site, accepted, family)
    let line = 0
    for (let turn = 0; turn < 20; turn++) {
      await pair.unproxy(RELAY)
      for (const mode of ['relay', 'proxied']) {
        expect(pair.mode).toBe(mode)
        client.write(`line ${++line}\n`)
        await client.untilReceived(new RegExp(` ${line} line ${line}\n$`))
        if (mode === 'relay') await pair.proxy()
      }
    }
    expect(client.received.join('').split('\n')).toHaveLength(line + 1)
    await client.end()
  }
  await site.end()
})

test('SOCK-27 the end of either side closes both, and a RST resets both', async () => {
  const { site } = await startSite()
  await using _ = site
  const server = site.server.namespace
  for (const family of site.lab.families) {
    const open = () => site.connect(family, HTTP)
    const ended = await open()
    await ended.request()
    await ended.end()
    await untilNothingIsLeft(site, server)
    const given = await open()
    await given.request()
    await given.reset()
    await untilNothingIsLeft(site, server)
    const taken = await open()
    await taken.request()
    await server.exec('ss', ['-K', 'state', 'established', 'sport = :80'])
    await until('the client is told', () => taken.error)
    expect(taken.error?.code).toBe('ECONNRESET')
    await untilNothingIsLeft(site, server)
  }
  await site.end()
})

test("SOCK-28 with 'hold' the end of the server ends the relay, and not the client", async () => {
  const { site, accepted } = await startSite()
  await using _ = site
  const server = site.server.namespace
  for (const family of site.lab.families) {
    for (const how of ['end', 'reset']) {
      const client = await site.connect(family, ECHO)
      const inbound = await accepted.next()
      const outbound = await associated(site.stack, inbound, SERVER, HTTP)
      outbound.on('error', () => {})
      const pair = outbound.pair as SocketPair
      const told: unknown[] = []
      pair.on('sideclose', (...event) => told.push([...event, pair.mode]))
      await pair.unproxy({ ...RELAY, onPeerClose: 'hold' })
      const last = how === 'end' ? 'Connection: close\r\n' : ''
      client.write(`GET / HTTP/1.1\r\nHost: test\r\n${last}\r\n`)
      await client.untilReceived(/\r\n\r\nsrv1\n$/)
      if (how === 'reset') await server.exec('ss', ['-K', 'state', 'established', 'sport = :80'])
      await until('the service is told', () => told.length > 0)
      expect(told).toEqual([['outbound', how, 'proxied']])
      expect(await stateAtClient(site, client.local)).toEqual(['ESTAB'])
      inbound.write('the server is gone\n')
      await client.untilReceived(/the server is gone\n$/)
      inbound.resume().end()
      outbound.resume().end()
      await until('the client is told', () => client.state === 'closed')
      await site.untilIdle()
    }
  }
  await site.end()
})

/** How the client's kernel has its connection. */
async function stateAtClient(site: EngineSite, local: string): Promise<string[]> {
  const { stdout } = await site.client.exec('ss', ['-Htan', `src ${local}`])
  return stdout.split('\n').flatMap((line) => line.split(/\s+/)[0] || [])
}

/** The server's kernel has no connection any more, in whatever state, and the engine no socket. */
async function untilNothingIsLeft(site: EngineSite, server: Namespace): Promise<void> {
  await until('the server has no connection', async () => {
    const { stdout } = await server.exec('ss', ['-Htn', 'state', 'connected', 'sport = :80'])
    return stdout.trim() === ''
  })
  await site.untilIdle()
}
