/** Hosts inside that connect to servers outside, which see an address of the engine. */
import { createHash, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Family, Host, Laboratory } from '../../src/laboratory/index.js'
import { type FarHost, placeBehind } from '../helpers/far-host.js'
import { curl, url } from '../helpers/http-clients.js'
import { checksumErrors } from '../helpers/kernel-counters.js'
import { NginxServer, startEcho } from '../helpers/servers.js'
import { Site, type SiteOptions } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { SocketClients } from '../helpers/socket-clients.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'curl', 'ss', 'python3')

const FILE = 2_000_000
const CONNECTIONS = 12
const PORT = 40404

/** An address that only the engine has. */
const source: Record<Family, string> = { 4: '192.0.2.200', 6: '2001:db8:1::200' }
const seenFrom: Record<Family, string> = { 4: `${source[4]}:`, 6: `[${source[6]}]:` }

/** nginx and echo servers outside, on the laboratory's client, which has no way to the hosts inside. */
async function startSite(keys: string, options: Partial<SiteOptions> = {}): Promise<Site> {
  return Site.start({
    topology: 'two-arm',
    servers: 1,
    startServers: async (lab) => {
      for (const port of [53, 54]) await startEcho(lab, [lab.client], port)
      for (const family of lab.families) {
        await lab.client.namespace.exec('ip', [`-${family}`, 'route', 'del', 'default'])
      }
      return [await NginxServer.start(lab, lab.client)]
    },
    more: keys,
    ...options,
  })
}

const snat = (ports = '') => `snat: { addresses: ['${source[4]}', '${source[6]}'], ${ports} },`

const inside = (lab: Laboratory) => (lab.servers[0] as Host).namespace

describe.each([1, 2])('workers: %i', (workers) => {
  test('ARCH-09 RFC 4787 REQ-1 an endpoint inside is one outside, whatever it sends', async () => {
    await using site = await startSite(`workers: ${workers}, ${snat()}`)
    const { lab } = site
    const [web] = site.servers as [NginxServer]
    await web.addFile(FILE)
    const clients = await SocketClients.start(inside(lab))
    for (const family of lab.families) {
      const host = lab.client.address(family)
      const before = web.log().length
      const fetched = Array.from({ length: CONNECTIONS }, () =>
        curl(inside(lab), url(host, `/bytes/${FILE}`), { output: '/dev/null' }),
      )
      for (const { status, bytes } of await Promise.all(fetched)) {
        expect([status, bytes]).toEqual([200, FILE])
      }
      const seen = (await web.untilLogged(before + CONNECTIONS)).slice(before)
      const endpoints = new Set(seen.map(({ client }) => client))
      expect(endpoints.size).toBe(CONNECTIONS)
      for (const client of endpoints) expect(client).toMatch(seenFrom[family])

      const mapped = new Set<string>()
      for (const port of [53, 54]) {
        const socket = await clients.connect({ protocol: 'udp', host, port, localPort: PORT })
        // In fragments, both ways.
        socket.write('x'.repeat(4000))
        const [, endpoint = ''] = await socket.untilReceived(/^\S+ (\S+) \d+ x{4000}\n$/)
        mapped.add(endpoint)
        await socket.end()
      }
      const [endpoint] = mapped
      expect(mapped.size).toBe(1)
      expect(endpoint).toMatch(seenFrom[family])

      // Of a port that nobody listens on an ICMP error tells.
      const refused = await clients.connect({ protocol: 'udp', host, port: 55 })
      refused.write('hello')
      await expect(refused.untilReceived(/never/)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    }
    for (const { at } of site.devices) expect(await checksumErrors(at)).toEqual({})
    const { decisions, counters, drops, ports } = await site.end()
    const families = lab.families.length
    expect(decisions).toMatchObject({
      routed: families * (CONNECTIONS + 3),
      exhausted: 0,
      collided: 0,
      unknown: 0,
    })
    expect(counters.icmpRelayed).toBe(families)
    expect(drops.noFlow).toBeUndefined()
    const steered = ports.every(({ mode }) => mode.includes('steered by program'))
    if (steered && workers === 1) expect(counters.handedOver).toBe(0)
  })
})

test('RFC 4787 REQ-3 where every port is in use a host learns it, and one that ends makes room', async () => {
  await using site = await startSite(snat('ports: [5000, 5003],'))
  const clients = await SocketClients.start(inside(site.lab))
  for (const family of site.lab.families) {
    const host = site.lab.client.address(family)
    const sockets = await Promise.all(
      Array.from({ length: 4 }, () => clients.connect({ host, port: 80 })),
    )
    for (const socket of sockets) expect(await socket.request()).toBe('client\n')
    const refused = clients.connect({ host, port: 80 })
    await expect(refused).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await sockets[0]?.end()
    const again = await clients.connect({ host, port: 80 })
    expect(await again.request()).toBe('client\n')
    await Promise.all([again, ...sockets.slice(1)].map((socket) => socket.end()))
  }
  expect((await site.end()).decisions.exhausted).toBe(site.lab.families.length)
})

test('FLOWLIFE-16 a connection that was evicted goes on from the same endpoint', async () => {
  // Of so many flows most are evicted between two requests of theirs.
  await using site = await startSite(`limits: { flows: 16 }, ${snat()}`)
  const clients = await SocketClients.start(inside(site.lab))
  const host = site.lab.client.address(4)
  const sockets = await Promise.all(
    Array.from({ length: 2 * CONNECTIONS }, () => clients.connect({ host, port: 80 })),
  )
  for (let turn = 0; turn < 3; turn += 1) {
    for (const socket of sockets) expect(await socket.request()).toBe('client\n')
  }
  const log = (await site.servers[0]?.untilLogged(3 * sockets.length)) ?? []
  expect(new Set(log.map(({ client }) => client)).size).toBe(sockets.length)
  const { decisions, counters } = await site.end()
  expect(decisions.resumed).toBeGreaterThan(0)
  expect(counters.flowsEvicted).toBeGreaterThan(0)
})

test('TCPX-65 RFC 5508 an upload from inside finds a small link outside', async () => {
  const [UPLOADS, SMALL] = [8080, 1400]
  let far: FarHost | undefined
  await using site = await startSite(
    `routes: [
      { to: '10.3.0.0/24', via: '192.0.2.10' },
      { to: '2001:db8:30::/64', via: '2001:db8:1::10' },
    ], ${snat()}`,
    {
      servers: 2,
      startServers: async (lab) => {
        const [router, host] = [lab.client.namespace, lab.namespace('srv2')]
        far = await placeBehind({ router, host, number: 3, mtu: SMALL })
        const uploads = await host.spawn('python3', ['test/helpers/upload_server.py', `${UPLOADS}`])
        await uploads.waitForOutput(/^ready$/m)
        return []
      },
    },
  )
  const bytes = randomBytes(FILE)
  const path = join(site.lab.folder, 'upload')
  writeFileSync(path, bytes)
  for (const family of site.lab.families) {
    const target = url(far?.address(family) ?? '', '/', UPLOADS)
    const { stdout } = await inside(site.lab).exec('curl', ['-sSg', '-T', path, target])
    expect(stdout).toContain(createHash('sha256').update(bytes).digest('hex'))
    const { stdout: routes } = await inside(site.lab).exec('ip', [
      ...[`-${family}`, 'route', 'get', far?.address(family) ?? ''],
    ])
    expect(routes).toContain(`mtu ${SMALL}`)
  }
  expect((await site.end()).counters.icmpRelayed).toBeGreaterThan(0)
})
