/** A server's connection that outlives its client, and serves the next one. */
import { expect, test } from 'vitest'
import type { Socket, SocketPair } from '../../src/index.js'
import { type Family, type Host, until } from '../../src/laboratory/index.js'
import { AcceptedSockets, EngineSite } from '../helpers/engine-site.js'
import { NginxServer } from '../helpers/servers.js'
import { associated, SERVER } from '../helpers/services.js'
import { requireCaptures, requireHost, requireTools } from '../helpers/skip.js'
import { Reading } from '../helpers/socket-reading.js'
import { conversations } from '../helpers/tcp-streams.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'ss', 'nginx')

const HTTP = 80
const GET = 'GET / HTTP/1.1\r\nHost: test\r\n\r\n'

async function startSite() {
  const accepted = new AcceptedSockets()
  const site = await EngineSite.start({
    services: { [HTTP]: accepted.service },
    startServers: (lab) => NginxServer.start(lab, lab.servers[0] as Host),
  })
  return { site, accepted, nginx: site.started }
}

/** One request and its answer on a pair, whose other side is parked then. */
async function serveAndPark(pair: SocketPair): Promise<void> {
  const { inbound, outbound } = pair
  const answer = new Reading(outbound)
  inbound.once('data', (request) => outbound.write(request))
  await until('the server answers', () => answer.text.endsWith('\r\n\r\nsrv1\n'))
  inbound.write(answer.text)
  await pair.disassociate()
  await outbound.park()
}

/** How the server's kernel has its connections. */
async function statesAtServer(site: EngineSite): Promise<string[]> {
  const { stdout } = await site.server.namespace.exec('ss', ['-Htan', `sport = :${HTTP}`])
  const states = stdout.split('\n').map((line) => line.split(/\s+/)[0] ?? '')
  return states.filter((state) => state && state !== 'LISTEN')
}

/** The engine's connection to the server, parked behind one request. */
async function parkOne(site: EngineSite, family: Family): Promise<Socket> {
  const socket = await site.stack.connect({ address: SERVER[family], port: HTTP })
  const answer = new Reading(socket)
  socket.write(GET)
  await until('the server answers', () => answer.text.endsWith('\r\n\r\nsrv1\n'))
  await socket.park()
  return socket
}

test('SOCK-25 a connection is taken by one client after another, and the server sees one', async () => {
  requireCaptures()
  const { site, accepted } = await startSite()
  await using _ = site
  for (const family of site.lab.families) {
    const inside = await site.captureInside()
    const ids = new Set<number>()
    for (let turn = 0; turn < 5; turn++) {
      const client = await site.connect(family, HTTP)
      const inbound = await accepted.next()
      const to = { address: SERVER[family], port: HTTP, associateWith: inbound }
      const outbound = await site.stack.connect({ ...to, reuseParked: true })
      ids.add(outbound.id)
      const [served, answered] = [serveAndPark(outbound.pair as SocketPair), client.request()]
      expect(await answered).toBe('srv1\n')
      await served
      inbound.destroySoon()
      await until('the client is told', () => client.state === 'closed')
    }
    expect([ids.size, site.stack.parking.size]).toEqual([1, 1])
    const [parked] = [...site.stack.parking.entries()]
    expect(parked?.uses).toBe(5)
    await site.stack.parking.drain()
    await site.untilIdle()
    const all = conversations(await inside.stop(), HTTP)
    expect(all).toHaveLength(1)
  }
  await site.end()
})

test('SOCK-25 SOCK-26 associate() joins a client and a parked connection, and bytes are relayed', async () => {
  const { site, accepted } = await startSite()
  await using _ = site
  for (const family of site.lab.families) {
    const { id } = await parkOne(site, family)
    const [handle] = [...site.stack.parking.entries()]
    const client = await site.connect(family, HTTP)
    const inbound = await accepted.next()
    const busy = await associated(site.stack, inbound, SERVER, HTTP)
    const used = site.stack.associate(inbound, handle as NonNullable<typeof handle>)
    await expect(used).rejects.toMatchObject({ code: 'ERR_SLUICE_IN_USE' })
    expect(site.stack.parking.size).toBe(1)
    await (busy.pair as SocketPair).disassociate({ close: 'outbound' })
    const pair = await site.stack.associate(inbound, handle as NonNullable<typeof handle>)
    expect(pair.outbound.id).toBe(id)
    await pair.unproxy({ depth: 'relay' })
    for (let request = 0; request < 3; request++) expect(await client.request()).toBe('srv1\n')
    await client.end()
    await site.untilIdle()
  }
  await site.end()
})

test('a parked connection whose server ends it, or is gone, leaves the lot by itself', async () => {
  const { site, nginx } = await startSite()
  await using _ = site
  const { parking } = site.stack
  const reasons: string[] = []
  parking.on('evict', (_parked, why) => reasons.push(why))
  for (const family of site.lab.families) {
    const socket = await parkOne(site, family)
    expect(socket.use).toBe('parked')
    expect(await statesAtServer(site)).toEqual(['ESTAB'])
    await site.server.namespace.exec('ss', ['-K', 'state', 'established', `sport = :${HTTP}`])
    await until('it has left', () => parking.size === 0)
    expect(parking.take({ address: SERVER[family], port: HTTP })).toBeNull()
    await site.untilIdle()
  }
  expect(reasons).toEqual(['reset', 'reset'])
  // nginx has done with all that it has: a FIN comes for it.
  await parkOne(site, 4)
  nginx.process.signal('SIGQUIT')
  await until('it has left', () => parking.size === 0)
  expect(reasons).toEqual(['reset', 'reset', 'end'])
  await site.end()
})
