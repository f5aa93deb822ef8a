/** What a service does with a pair: processing, joining, parting, and closing one side or both. */
import { Transform } from 'node:stream'
import { describe, expect, test } from 'vitest'
import type { Socket, SocketPair } from '../../src/index.js'
import { type Family, type Host, until } from '../../src/laboratory/index.js'
import { writeContents } from '../helpers/contents.js'
import { AcceptedSockets, EngineSite } from '../helpers/engine-site.js'
import { url } from '../helpers/http-clients.js'
import type { CapturedFrame } from '../helpers/pcap.js'
import { NginxServer, startEcho, startServers } from '../helpers/servers.js'
import { associated, join, SERVER, transformTo } from '../helpers/services.js'
import { endpoint } from '../helpers/site.js'
import { requireCaptures, requireHost, requireTools } from '../helpers/skip.js'
import { Reading } from '../helpers/socket-reading.js'
import { conversations, type TcpStream } from '../helpers/tcp-streams.js'
import { startUploads, upload } from '../helpers/uploads.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'ss', 'nginx', 'curl')

const [ECHO, HTTP] = [7, 80]
const GET = 'GET / HTTP/1.1\r\nHost: test\r\n'

async function startSite(servers = 1) {
  const accepted = new AcceptedSockets()
  const site = await EngineSite.start({
    servers,
    services: { [ECHO]: accepted.service, [HTTP]: accepted.service },
    startServers: async (lab) => {
      for (const host of lab.servers) await startEcho(lab, [host], ECHO)
      await startServers(lab)
    },
  })
  return { site, accepted }
}

/** A client, its socket, and the associated one to the same port of the server. */
async function openPair(site: EngineSite, accepted: AcceptedSockets, family: Family, port: number) {
  const client = await site.connect(family, port)
  const inbound = await accepted.next()
  const outbound = await associated(site.stack, inbound, SERVER, port)
  return { client, inbound, outbound, pair: outbound.pair as SocketPair }
}

/** How a server's kernel has its connection to a port of its own. */
async function stateAtServer(site: EngineSite, port: number): Promise<string[]> {
  const args = ['-Htan', `sport = :${port}`]
  const { stdout } = await site.server.namespace.exec('ss', args)
  const states = stdout.split('\n').map((line) => line.split(/\s+/)[0] ?? '')
  return states.filter((state) => state && state !== 'LISTEN')
}

test('SOCK-06 an upload of 100 MB passes a service in order', async () => {
  const SIZE = 100_000_000
  await using site = await EngineSite.start({
    services: { [HTTP]: transformTo(SERVER, HTTP) },
    startServers: (lab) => startUploads(lab.servers[0] as Host, HTTP),
  })
  const path = `${site.lab.folder}/upload`
  const sha256 = await writeContents(path, SIZE)
  for (const family of site.lab.families) {
    expect(await upload(site.client, url(site.lab.virtualAddress(family)), path)).toBe(sha256)
  }
  await site.end()
})

const upperCase = () =>
  new Transform({
    transform: (chunk: Buffer, _encoding, done) => done(null, chunk.toString().toUpperCase()),
  })

test('SOCK-21 two sockets that know nothing of each other become one connection', async () => {
  const { site, accepted } = await startSite()
  await using _ = site
  const { stack } = site
  for (const family of site.lab.families) {
    const outbound = await stack.connect({ address: SERVER[family], port: HTTP })
    const client = await site.connect(family, HTTP)
    const inbound = await accepted.next()
    const identity = stack.associate(inbound, outbound, { preserveClient: true })
    await expect(identity).rejects.toMatchObject({ code: 'ERR_SLUICE_IDENTITY' })
    expect([inbound.use, outbound.use]).toEqual(['free', 'free'])
    const pair = await stack.associate(inbound, outbound)
    expect([inbound.pair, outbound.pair, pair.mode]).toEqual([pair, pair, 'proxied'])
    const again = stack.associate(inbound, outbound)
    await expect(again).rejects.toMatchObject({ code: 'ERR_SLUICE_IN_USE' })
    const joined = join(inbound, outbound)
    expect(await client.request()).toBe('srv1\n')
    await client.end()
    await joined
  }
  await site.end()
})

test('SOCK-24 one side is closed, the other one is kept and used', async () => {
  const { site, accepted } = await startSite()
  await using _ = site
  for (const family of site.lab.families) {
    const { client, inbound, outbound, pair } = await openPair(site, accepted, family, ECHO)
    inbound.resume()
    expect(await pair.closeSide('inbound')).toBe(outbound)
    await until('the client is told', () => client.state === 'closed')
    expect(client.error).toBeUndefined()
    expect(await stateAtServer(site, ECHO)).toEqual(['ESTAB'])
    expect([outbound.use, outbound.pair]).toEqual(['free', undefined])
    const reading = new Reading(outbound)
    outbound.write('still here\n')
    await until('the server answers', () => reading.text.endsWith(' 1 still here\n'))
    outbound.end()
    await reading.untilEvent('close')
  }
  await site.end()
})

test('MED-08 a live stream goes to another server at a border of messages, and the client is unaware', async () => {
  const { site, accepted } = await startSite(2)
  await using _ = site
  for (const family of site.lab.families) {
    const { client, pair } = await openPair(site, accepted, family, ECHO)
    const [first, second] = site.lab.serverAddresses(family) as [string, string]
    let current = pair.process()
    for (let turn = 0; turn < 10; turn++) {
      // Each server counts the lines of its connection.
      client.write(`a ${turn}\n`)
      await client.untilReceived(new RegExp(` 1 a ${turn}\n$`))
      client.write(`b ${turn}\n`)
      await client.untilReceived(new RegExp(` 2 b ${turn}\n$`))
      const address = turn % 2 === 0 ? second : first
      const fresh = await current.redirect('outbound', { address, port: ECHO }, { at: 'drained' })
      current = (fresh.pair as SocketPair).process()
    }
    expect([client.state, client.received.join('').split('\n')]).toEqual([
      'open',
      expect.toSatisfy((lines: string[]) => lines.length === 21),
    ])
    await client.end()
    await site.untilIdle()
  }
  await site.end()
})

test('SOCK-29 an order of events, and one pair for a hundred requests', async () => {
  const trace: string[] = []
  const follow = (inbound: Socket) => {
    trace.push('accepted')
    inbound.once('paired', () => trace.push('associated'))
    inbound.once('close', () => trace.push('closed'))
  }
  await using site = await EngineSite.start({
    services: {
      [HTTP]: async (inbound, { stack }) => {
        follow(inbound)
        const outbound = await associated(stack, inbound, SERVER, HTTP)
        trace.push('opened')
        inbound.once('data', () => trace.push('received'))
        outbound.once('data', () => trace.push('answered'))
        await join(inbound, outbound)
      },
    },
    startServers: (lab) => NginxServer.start(lab, lab.servers[0] as Host),
  })
  const order = ['accepted', 'associated', 'opened', 'received', 'answered', 'closed']
  for (const [turn, family] of site.lab.families.entries()) {
    trace.length = 0
    const client = await site.connect(family, HTTP)
    const pairs = new Set<number>()
    for (let request = 0; request < 100; request++) {
      expect(await client.request()).toBe('srv1\n')
      for await (const { id } of site.stack.pairs()) pairs.add(id)
    }
    expect(pairs.size).toBe(1)
    await client.end()
    await site.untilIdle()
    expect(trace).toEqual(order)
    const log = await site.started.untilLogged(100 * (turn + 1))
    expect(new Set(log.slice(-100).map(({ client }) => client))).toEqual(new Set([client.local]))
  }
  await site.end()
})

test('SOCK-31 a service asks somebody else meanwhile, by a connection that has no pair', async () => {
  const { site, accepted } = await startSite(2)
  await using _ = site
  for (const family of site.lab.families) {
    const { client, inbound, outbound, pair } = await openPair(site, accepted, family, ECHO)
    const joined = join(inbound, outbound)
    const address = site.lab.serverAddresses(family)[1] as string
    for (let lookUp = 1; lookUp <= 5; lookUp++) {
      const side = await site.stack.connect({ address, port: HTTP })
      expect([side.pair, side.use]).toEqual([undefined, 'free'])
      const reading = new Reading(side)
      side.write(`${GET}Connection: close\r\n\r\n`)
      await reading.untilEvent('close')
      expect(reading.text).toMatch(/\r\n\r\nsrv2\n$/)
      client.write('line\n')
      await client.untilReceived(new RegExp(` ${lookUp} line\n$`))
      expect(inbound.pair).toBe(pair)
    }
    await client.end()
    await joined
  }
  await site.end()
})

describe('on the wire', () => {
  requireCaptures()

  const streamTo = (frames: CapturedFrame[], port: number) =>
    conversations(frames, port)[0] as { request: TcpStream; reply: TcpStream }

  test('SOCK-11 what a service changes arrives changed, and nothing else does', async () => {
    const { site, accepted } = await startSite()
    await using _ = site
    for (const family of site.lab.families) {
      const inside = await site.captureInside()
      const { client, pair } = await openPair(site, accepted, family, ECHO)
      pair.process({ c2s: upperCase() })
      const lines = Array.from({ length: 500 }, (_, index) => `this is line ${index}\n`).join('')
      client.write(lines)
      await client.untilReceived(/ 500 THIS IS LINE 499\n$/)
      await client.end()
      await site.untilIdle()
      const { request } = streamTo(await inside.stop(), ECHO)
      expect(request.bytes.toString()).toBe(lines.toUpperCase())
    }
    await site.end()
  })

  test('SOCK-22 nothing crosses any more between sockets that were parted', async () => {
    const { site, accepted } = await startSite()
    await using _ = site
    for (const family of site.lab.families) {
      const inside = await site.captureInside()
      const { client, inbound, outbound, pair } = await openPair(site, accepted, family, ECHO)
      pair.process({})
      client.write('together\n')
      await client.untilReceived(/ 1 together\n$/)
      expect(await pair.disassociate()).toEqual({ inbound, outbound })
      expect([inbound.use, inbound.pair, outbound.pair]).toEqual(['free', undefined, undefined])
      const [fromClient, fromServer] = [new Reading(inbound), new Reading(outbound)]
      client.write('apart\n')
      await fromClient.untilText('apart\n')
      outbound.write('on its own\n')
      await until('the server answers', () => fromServer.text.endsWith(' 2 on its own\n'))
      outbound.end()
      await fromServer.untilEvent('close')
      expect(client.state).toBe('open')
      inbound.end('bye')
      await client.untilReceived(/bye$/)
      await site.untilIdle()
      const { request } = streamTo(await inside.stop(), ECHO)
      expect(request.bytes.toString()).toBe('together\non its own\n')
    }
    await site.end()
  })

  test('SOCK-23 the end of one side is told, and passed on by nobody but the service', async () => {
    const { site, accepted } = await startSite()
    await using _ = site
    for (const family of site.lab.families) {
      const outside = await site.captureOutside(`tcp port ${HTTP}`)
      const { client, inbound, outbound } = await openPair(site, accepted, family, HTTP)
      inbound.pipe(outbound)
      outbound.pipe(inbound, { end: false })
      const reading = new Reading(outbound)
      client.write(`${GET}Connection: close\r\n\r\n`)
      await client.untilReceived(/\r\n\r\nsrv1\n$/)
      await reading.untilEvent('end')
      expect([client.state, inbound.writable, inbound.readyState]).toEqual(['open', true, 'open'])
      const from = endpoint(site.lab.virtualAddress(family), HTTP)
      const before = conversations(await outside.read(), HTTP)[0]?.reply
      expect([before?.from, before?.finished]).toEqual([from, false])
      inbound.end()
      await until('the client is told', () => client.state === 'closed')
      expect(streamTo(await outside.stop(), HTTP).reply.finished).toBe(true)
      await site.untilIdle()
    }
    await site.end()
  })

  test('SOCK-24 the FIN of a closed side goes out on that side alone', async () => {
    const { site, accepted } = await startSite()
    await using _ = site
    for (const family of site.lab.families) {
      const [outside, inside] = [await site.captureOutside(), await site.captureInside()]
      const { client, inbound, outbound, pair } = await openPair(site, accepted, family, ECHO)
      inbound.resume()
      await pair.closeSide('inbound')
      await until('the client is told', () => client.state === 'closed')
      expect(streamTo(await outside.stop(), ECHO).reply.finished).toBe(true)
      const { request } = streamTo(await inside.stop(), ECHO)
      expect([request.finished, request.reset]).toEqual([false, false])
      outbound.destroy()
      await site.untilIdle()
    }
    await site.end()
  })
})
