/** Who is on a bridge: hosts that move, the host behind a TAP, virtual servers, and the engine or not. */
import { describe, expect, test } from 'vitest'
import type { EngineStatus } from '../../src/index.js'
import { type Family, type Host, Laboratory, until } from '../../src/laboratory/index.js'
import { macOf, neighbour, ping, serveFile, startBridge } from '../helpers/bridge.js'
import { curl, curlSha256, url } from '../helpers/http-clients.js'
import { startServers } from '../helpers/servers.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { SluiceProcess } from '../helpers/sluice-process.js'
import { SocketClients } from '../helpers/socket-clients.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'curl', 'ping')

test('ARCH-09 a host that moves behind another port is found there as soon as it speaks', async () => {
  await using site = await startBridge()
  const { lab, client } = site
  const [from, to] = lab.servers as [Host, Host]
  const mac = await macOf(from.namespace, 'eth0')
  for (const family of lab.families)
    expect(await ping(client, from.address(family))).toMatchObject({ code: 0 })
  const prefix = (family: Family) => (family === 4 ? 24 : 64)
  await from.namespace.ip(['link set eth0 down'])
  await to.namespace.ip([
    'link set eth0 down',
    `link set eth0 address ${mac}`,
    ...lab.families.map(
      (family) =>
        `address add ${from.address(family)}/${prefix(family)} dev eth0${family === 6 ? ' nodad' : ''}`,
    ),
    'link set eth0 up',
  ])
  for (const family of lab.families) {
    // As a machine that has come up does, it says where it is.
    await until(
      'the host is up',
      async () => (await ping(to.namespace, lab.client.address(family))).code === 0,
    )
    expect(await ping(client, from.address(family))).toMatchObject({ code: 0 })
    expect(await neighbour(client, from.address(family))).toBe(mac)
  }
  const { counters } = await site.end()
  expect(counters.stationMoves).toBeGreaterThan(0)
})

describe('virtual servers between the hosts', () => {
  test('ARCH-09 VS-10 VS-17 DFS-11 the engine answers for the address, and translates', async () => {
    await using site = await startBridge()
    const { lab } = site
    const [, second] = lab.servers as [Host, Host]
    for (const family of lab.families) {
      const bodies = [await site.fetch(family), await site.fetch(family)].map(({ body }) => body)
      expect(bodies.sort()).toEqual(['srv1\n', 'srv2\n'])
      // The servers' own addresses are theirs still.
      expect(await curl(site.client, url(second.address(family)))).toMatchObject({ body: 'srv2\n' })
      const virtual = lab.virtualAddress(family)
      expect(await ping(site.client, virtual)).toMatchObject({ code: 0 })
      expect(await neighbour(site.client, virtual)).toBe(await macOf(lab.namespace('ctl'), 'ext0'))
    }
    const log = await site.servers[1]?.untilLogged(4)
    expect(
      log?.every(({ client }) => client.includes(':10') || client.startsWith('192.0.2.10:')),
    ).toBe(true)
    const status = await site.end()
    expect(status.decisions).toMatchObject({ assigned: 4, routed: 2 })
    expect(status.virtualServers.map(({ totalConnections }) => totalConnections)).toEqual([2, 2])
  })

  test('VS-16 VS-10 with arp: false it takes its port of an address that a host has', async () => {
    await using site = await startBridge({
      pools: (family, lab) => ({
        second: `nodes: ['${family === 4 ? lab.serverAddresses(4)[1] : `[${lab.serverAddresses(6)[1]}]`}:80']`,
      }),
      virtualServers: (family) => ({
        taken: `listen: '${family === 4 ? 'tcp://192.0.2.11:80' : 'tcp://[2001:db8:1::11]:80'}', pool: 'second${family}', arp: false`,
      }),
    })
    const [first] = site.lab.servers as [Host]
    for (const family of site.lab.families) {
      // srv1 answers for its address, and to everything but port 80.
      expect(await ping(site.client, first.address(family))).toMatchObject({ code: 0 })
      expect(await neighbour(site.client, first.address(family))).toBe(
        await macOf(first.namespace, 'eth0'),
      )
      expect(await curl(site.client, url(first.address(family)))).toMatchObject({
        status: 200,
        body: 'srv2\n',
      })
    }
    expect((await site.end()).decisions).toMatchObject({ assigned: 2 })
  })

  test('ARCH-09 TCPX-79 with two workers, too', async () => {
    await using site = await startBridge({ more: 'workers: 2,' })
    const { lab } = site
    const clients = await SocketClients.start(site.client)
    const [host] = lab.servers as [Host]
    for (const family of lab.families) {
      for (const target of [lab.virtualAddress(family), host.address(family)]) {
        const sockets = await Promise.all(
          Array.from({ length: 30 }, () => clients.connect({ host: target, port: 80 })),
        )
        for (const socket of sockets) expect(await socket.request()).toMatch(/^srv[12]\n$/)
        await Promise.all(sockets.map((socket) => socket.end()))
      }
    }
    await until('all flows have ended', async () => (await site.flows()).length === 0)
    const status = await site.end()
    expect(status.counters.queries).toBe(120)
    expect(status.decisions).toMatchObject({ assigned: 60, routed: 60 })
    expect(status.drops).not.toHaveProperty('noFlow')
  })
})

test('ARCH-08 ARCH-09 a TAP is a port like any other: the host behind it is a station', async () => {
  requireHost('tun')
  await using site = await startBridge({
    servers: 1,
    ports: (ports) => ({
      ...ports,
      host: {
        kind: 'tap',
        device: 'tap0',
        netns: ports.outside?.netns ?? '',
        hostAddress: ['192.0.2.50/24'],
      } as never,
    }),
  })
  const sha256 = await serveFile(site, 20_000_000)
  const [host] = site.lab.servers as [Host]
  const at = site.lab.namespace('ctl')
  expect(await curlSha256(at, url(host.address(4), '/bytes/file'))).toMatchObject({
    status: 200,
    body: sha256,
  })
  expect(await ping(site.client, '192.0.2.50')).toMatchObject({ code: 0 })
  await site.end()
})

test('ARCH-09 without an address of its own the engine is a switch and no more', async () => {
  await using lab = await Laboratory.create({ topology: 'bridged', servers: 1 })
  await startServers(lab)
  const ports = Object.entries(lab.ports()).map(([name, { address: _, ...port }]) => [name, port])
  const engine = await SluiceProcess.start(
    lab,
    `export default { ports: ${JSON.stringify(Object.fromEntries(ports))}, forward: 'bridge' }`,
  )
  const [host] = lab.servers as [Host]
  for (const family of lab.families) {
    const answer = await curl(lab.client.namespace, url(host.address(family)))
    expect(answer).toMatchObject({ status: 200, body: 'srv1\n' })
  }
  const status = await engine.ask<EngineStatus>('status')
  expect(status.counters).toMatchObject({ originated: 0, delivered: 0, flowsOpened: 2 })
  await engine.stop()
})
