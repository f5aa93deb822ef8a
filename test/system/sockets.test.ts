/** What sockets and pairs are to a service: who the client is, what is associated, who sees which address. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { heapBytes } from '../../bench/memory.js'
import type { Socket } from '../../src/index.js'
import type { Family, Host } from '../../src/laboratory/index.js'
import { AcceptedSockets, EngineSite } from '../helpers/engine-site.js'
import { curl, url } from '../helpers/http-clients.js'
import { NginxServer, startEcho } from '../helpers/servers.js'
import { join, pipeTo, SERVER } from '../helpers/services.js'
import { endpoint } from '../helpers/site.js'
import { requireCaptures, requireHost, requireTools } from '../helpers/skip.js'
import { conversations } from '../helpers/tcp-streams.js'
import { startUploads } from '../helpers/uploads.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'ss')

const [ECHO, OTHER, HTTP] = [7, 77, 80]

/** A site with echo servers whose connections the test has in its own hands. */
async function startEchoSite(servers = 1) {
  const accepted = new AcceptedSockets()
  const site = await EngineSite.start({
    servers,
    services: { [ECHO]: accepted.service, [OTHER]: accepted.service },
    startServers: (lab) => Promise.all(lab.servers.map((host) => startEcho(lab, [host], ECHO))),
  })
  return { site, accepted }
}

/** The associated connection to a server. */
function associated(site: EngineSite, family: Family, inbound: Socket, server = 0) {
  const address = site.lab.serverAddresses(family)[server] as string
  return site.stack.connect({ address, port: ECHO, associateWith: inbound })
}

const textOf = ({ address, port }: { address: string; port: number }) => endpoint(address, port)

test('SOCK-05 the identity of a client is what its kernel says', async () => {
  const { site, accepted } = await startEchoSite()
  await using _ = site
  for (const family of site.lab.families) {
    const identities = new Set<string>()
    for (let count = 0; count < 50; count++) {
      await site.connect(family, ECHO)
      const inbound = await accepted.next()
      const { address, port } = inbound.identity
      expect(inbound.identity).toMatchObject({ family, socketId: inbound.id })
      expect([address, port]).toEqual([inbound.remoteAddress, inbound.remotePort])
      identities.add(textOf(inbound.identity))
    }
    const filter = ['state', 'established', `dport = :${ECHO}`]
    const { stdout } = await site.client.exec('ss', [`-${family}Htn`, ...filter])
    const lines = stdout.split('\n').filter(Boolean)
    expect(identities).toEqual(new Set(lines.map((line) => line.split(/\s+/)[2])))
    expect(identities.size).toBe(50)
    site.engine.reset()
    await site.untilIdle()
  }
})

test('SOCK-04 naming the inbound socket makes the pair, before any byte', async () => {
  const { site, accepted } = await startEchoSite()
  await using _ = site
  for (const family of site.lab.families) {
    const client = await site.connect(family, ECHO)
    const inbound = await accepted.next()
    expect([inbound.use, inbound.pair]).toEqual(['free', undefined])
    const outbound = await associated(site, family, inbound)
    const { pair } = outbound
    expect(pair).toBeDefined()
    expect(inbound.pair).toBe(pair)
    expect(pair?.inbound).toBe(inbound)
    expect(pair?.outbound).toBe(outbound)
    expect([inbound.use, outbound.use, pair?.mode]).toEqual(['paired', 'paired', 'proxied'])
    expect(pair?.stats().bytes).toEqual({ c2s: 0n, s2c: 0n })
    const joined = join(inbound, outbound)
    client.write('line\n')
    await client.untilReceived(/ 1 line\n$/)
    await client.end()
    await joined
  }
  await site.end()
})

test('SOCK-07 either socket and either endpoint finds the pair, which nothing in JavaScript holds', async () => {
  const { site, accepted } = await startEchoSite()
  await using _ = site
  const { stack } = site
  for (const family of site.lab.families) {
    const client = await site.connect(family, ECHO)
    const inbound = await accepted.next()
    const outbound = await associated(site, family, inbound)
    outbound.pair?.process({})
    const { identity, pair } = inbound
    const dst = { address: site.server.address(family), port: ECHO, family }
    for (const query of [
      { socketId: inbound.id },
      { socketId: outbound.id },
      { pairId: pair?.id as number },
      { client: identity },
      { protocol: 'tcp' as const, src: identity, dst },
    ]) {
      expect(await stack.get(query), JSON.stringify(query)).toBe(pair)
    }
    const nobody = { client: { ...identity, port: 1 } }
    expect(await stack.get(nobody)).toBe(null)
    const required = stack.get(nobody, { required: true })
    await expect(required).rejects.toMatchObject({ code: 'ERR_SLUICE_NO_SUCH_FLOW' })
    client.write('line\n')
    const [answer] = await client.untilReceived(/.* 1 line\n$/)
    expect(pair?.stats().bytes).toEqual({ c2s: 5n, s2c: BigInt(answer.length) })
    await client.end()
  }
  await site.end()
})

test('SOCK-07 bytes go on when the service has forgotten its pair', async () => {
  await using site = await EngineSite.start({
    services: {
      [ECHO]: async (inbound, { stack }) => {
        const address = SERVER[inbound.identity.family]
        const outbound = await stack.connect({ address, port: ECHO, associateWith: inbound })
        outbound.pair?.process({})
      },
    },
    startServers: (lab) => startEcho(lab, lab.servers, ECHO),
  })
  for (const family of site.lab.families) {
    const client = await site.connect(family, ECHO)
    for (let line = 1; line <= 5; line++) {
      client.write('line\n')
      await client.untilReceived(new RegExp(` ${line} line\n$`))
      heapBytes() // collects what nothing refers to
    }
    await client.end()
  }
  await site.end()
})

test('SOCK-08 the server sees the client itself', async () => {
  await using site = await EngineSite.start({
    services: { [HTTP]: pipeTo(SERVER, HTTP) },
    startServers: (lab) => NginxServer.start(lab, lab.servers[0] as Host),
  })
  const clients: string[] = []
  for (const family of site.lab.families) {
    for (let request = 0; request < 100; request++) {
      const fetched = await curl(site.client, url(site.lab.virtualAddress(family)))
      expect(fetched).toMatchObject({ status: 200, body: 'srv1\n' })
      clients.push(fetched.client)
    }
  }
  const log = await site.started.untilLogged(clients.length)
  expect(log.map(({ client }) => client)).toEqual(clients)
  await site.end()
})
test('SOCK-09 without association the server sees the engine, and there is no pair', async () => {
  const { site, accepted } = await startEchoSite()
  await using _ = site
  for (const family of site.lab.families) {
    const client = await site.connect(family, ECHO)
    const inbound = await accepted.next()
    const address = site.server.address(family)
    const outbound = await site.stack.connect({ address, port: ECHO })
    expect([outbound.pair, inbound.pair]).toEqual([undefined, undefined])
    expect([outbound.use, inbound.use]).toEqual(['free', 'free'])
    const joined = join(inbound, outbound)
    client.write('line\n')
    const [, seen] = await client.untilReceived(/^\S+ (\S+) 1 line\n$/)
    const own = family === 4 ? '10.1.0.1' : '2001:db8:2::1'
    expect(seen).toBe(endpoint(own, outbound.localPort as number))
    expect(outbound.localAddress).toBe(own)
    await client.end()
    await joined
  }
  await site.end()
})

test('SOCK-10 a server is never given the same client endpoint twice', async () => {
  const { site, accepted } = await startEchoSite(2)
  await using _ = site
  for (const family of site.lab.families) {
    const localPort = 40_000
    const first = await site.connect(family, ECHO, { localPort })
    const firstInbound = await accepted.next()
    const joined = [join(firstInbound, await associated(site, family, firstInbound))]
    const second = await site.connect(family, OTHER, { localPort })
    const inbound = await accepted.next()
    expect(inbound.identity.port).toBe(localPort)
    const same = associated(site, family, inbound)
    await expect(same).rejects.toMatchObject({ code: 'ERR_SLUICE_TUPLE_IN_USE' })
    expect([inbound.use, inbound.pair]).toEqual(['free', undefined])
    joined.push(join(inbound, await associated(site, family, inbound, 1)))
    first.write('first\n')
    second.write('second\n')
    const [one, other] = site.lab.serverAddresses(family)
    const [, seenByFirst] = await first.untilReceived(/^(\S+) \S+ 1 first\n$/)
    const [, seenBySecond] = await second.untilReceived(/^(\S+) \S+ 1 second\n$/)
    expect([seenByFirst, seenBySecond]).toEqual([one, other])
    await Promise.all([first.end(), second.end(), ...joined])
  }
  await site.end()
})

test('SOCK-03 a second connection opens while the first one receives', async () => {
  const accepted = new AcceptedSockets()
  await using site = await EngineSite.start({
    services: { [HTTP]: accepted.service },
    startServers: (lab) => startUploads(lab.servers[0] as Host, HTTP),
  })
  // Each byte's place shows in it.
  const body = Array.from({ length: 125_000 }, (_, index) => String(index).padStart(8, '0')).join(
    '',
  )
  const pieces = body.match(/.{1,20000}/gs) as string[]
  for (const family of site.lab.families) {
    const client = await site.connect(family, HTTP)
    const inbound = await accepted.next()
    client.write(`PUT / HTTP/1.1\r\nHost: test\r\nContent-Length: ${body.length}\r\n\r\n`)
    await once(inbound, 'readable')
    const address = site.server.address(family)
    const opening = site.stack.connect({ address, port: HTTP, associateWith: inbound })
    for (const piece of pieces) client.write(piece)
    const outbound = await opening
    expect([inbound.readyState, outbound.readyState]).toEqual(['open', 'open'])
    const joined = join(inbound, outbound)
    const [, sha256] = await client.untilReceived(/\r\n\r\n([0-9a-f]{64})$/)
    expect(sha256).toBe(createHash('sha256').update(body).digest('hex'))
    await client.end()
    await joined
  }
  await site.end()
})

describe('on the wire', () => {
  requireCaptures()

  test('SOCK-01 PROXY-01 PROXY-02 PROXY-03 TCP ends at the engine; the server hears of it when the service wants', async () => {
    const { site, accepted } = await startEchoSite()
    await using _ = site
    for (const family of site.lab.families) {
      const outside = await site.captureOutside(`tcp port ${ECHO}`)
      const inside = await site.captureInside()
      const client = await site.connect(family, ECHO)
      const inbound = await accepted.next()
      client.write('line\n')
      await once(inbound, 'readable')
      expect(await inside.read()).toEqual([])
      const joined = join(inbound, await associated(site, family, inbound))
      await client.untilReceived(/ 1 line\n$/)
      await client.end()
      await joined
      const [{ reply } = { reply: undefined }] = conversations(await outside.stop(), ECHO)
      const [synAck] = reply?.segments ?? []
      expect(synAck?.frame.ip?.source).toBe(site.lab.virtualAddress(family))
      expect(synAck?.tcp.flags).toEqual(new Set(['SYN', 'ACK']))
      const [{ request } = { request: undefined }] = conversations(await inside.stop(), ECHO)
      const [syn] = request?.segments ?? []
      expect(syn?.tcp.flags).toEqual(new Set(['SYN']))
      expect(syn?.tcp.options.mss).toBeGreaterThan(500)
      expect(syn?.frame.ip?.source).toBe(site.lab.client.address(family))
    }
    await site.end()
  })
})
