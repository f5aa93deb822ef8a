/** The engine as a router, with and without translation, and its neighbours. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Host, type TopologyName, until } from '../../src/laboratory/index.js'
import { writeContents } from '../helpers/contents.js'
import { type FarHost, placeBehind } from '../helpers/far-host.js'
import { decodeFrame } from '../helpers/frame.js'
import { curl, curlSha256, url } from '../helpers/http-clients.js'
import { checksumErrors, kernelCounters } from '../helpers/kernel-counters.js'
import type { CapturedFrame } from '../helpers/pcap.js'
import { NginxServer } from '../helpers/servers.js'
import { endpoint, listen, Site } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { SocketClients } from '../helpers/socket-clients.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'curl', 'ping')

describe.each<TopologyName>(['tap', 'two-arm', 'one-arm'])('%s', (topology) => {
  if (topology === 'tap') requireHost('tun')

  test('ARCH-09 DFS-13 DFS-14 what no virtual server takes is routed, both ways', async () => {
    await using site = await Site.start({ topology, servers: 1 })
    const { lab, servers } = site
    const [host] = lab.servers as [Host]
    const web = await NginxServer.start(lab, lab.client)
    for (const family of lab.families) {
      const answer = await curl(site.client, url(host.address(family)))
      expect(answer).toMatchObject({ status: 200, body: 'srv1\n' })
      const log = await servers[0]?.untilLogged(family === 4 ? 1 : 2)
      expect(log?.at(-1)?.client).toBe(answer.client)
      const back = await curl(host.namespace, url(lab.client.address(family)))
      expect(back).toMatchObject({ status: 200, body: 'client\n' })
      const ping = ['-c', '1', '-W', '10', host.address(family)]
      expect(await site.client.tryExec('ping', ping)).toMatchObject({ code: 0 })
    }
    expect((await web.untilLogged(2)).map(({ client }) => client.replace(/:\d+$/, ''))).toEqual([
      host.address(4),
      `[${host.address(6)}]`,
    ])
    // None of it is a virtual server's.
    const { virtualServers } = await site.end()
    expect(virtualServers.map((server) => server.totalConnections)).toEqual([0, 0])
  })
})

test('ARCH-09 without forwarding, what no virtual server takes is dropped', async () => {
  await using site = await Site.start({ topology: 'two-arm', servers: 1, more: 'forward: false' })
  const clients = await SocketClients.start(site.client)
  for (const family of site.lab.families) {
    const [host] = site.lab.serverAddresses(family) as [string]
    clients.open({ host, port: 80 })
    await until('a packet is dropped', async () => {
      const { drops } = await site.status()
      return (drops.noVirtualServer ?? 0) >= (family === 4 ? 1 : 2)
    })
    expect(await site.fetch(family)).toMatchObject({ status: 200 })
  }
  expect((await site.end()).decisions).toMatchObject({ assigned: 2, routed: 0 })
})

test('DFS-11 HS-06 ARCH-09 translation changes the address, routing the hop limit, nothing else', async () => {
  await using site = await Site.start({ topology: 'two-arm', servers: 1, record: true })
  const { lab } = site
  const [host] = lab.servers as [Host]
  for (const family of lab.families) await site.fetch(family)
  for (const family of lab.families) await curl(site.client, url(host.address(family)))
  await site.end()
  const virtual = lab.families.map((family) => lab.virtualAddress(family))
  const clients = lab.families.map((family) => lab.client.address(family))
  const translated = (address: string) => {
    const index = virtual.indexOf(address)
    return index < 0 ? address : host.address(lab.families[index])
  }
  const [outside, inside] = ['outside', 'inside'].map((port) => essences(site.passed(port)))
  const isRequest = ({ source }: Essence) => clients.includes(source)
  const isAnswer = ({ destination }: Essence) => clients.includes(destination)
  expect(inside?.filter(isRequest)).toEqual(
    outside?.filter(isRequest).map((packet) => ({
      ...packet,
      destination: translated(packet.destination),
      ttl: packet.ttl - 1,
    })),
  )
  const answers = outside?.filter(isAnswer) ?? []
  expect(answers.length).toBeGreaterThan(10)
  expect(inside?.filter(isAnswer)).toEqual(
    answers.map((packet) => ({
      ...packet,
      source: translated(packet.source),
      ttl: packet.ttl + 1,
    })),
  )
})

type Essence = ReturnType<typeof essences>[number]

/** All of the TCP packets but their checksums, which may be partial. */
function essences(frames: CapturedFrame[]) {
  return frames.flatMap(({ bytes }) => {
    const { ip, tcp } = decodeFrame(bytes)
    if (!ip || !tcp) return []
    const { checksum: ofHeader, ...network } = ip
    const { checksum, payload, flags, ...transport } = tcp
    return { ...network, ...transport, flags: [...flags], payload: payload.toString('latin1') }
  })
}

test('ARCH-11 a node behind another router', async () => {
  let server: NginxServer | undefined
  let far: FarHost | undefined
  await using site = await Site.start({
    topology: 'two-arm',
    servers: 2,
    startServers: async (lab) => {
      const [router, host] = [lab.namespace('srv1'), lab.namespace('srv2')]
      far = await placeBehind({ router, host, number: 2 })
      server = await NginxServer.start(lab, far)
      return [server]
    },
    more: `routes: [
      { to: '10.2.0.0/24', via: '10.1.0.11' },
      { to: '2001:db8:20::/64', via: '2001:db8:2::11' },
    ]`,
    pools: (family) => ({ far: `nodes: ['${endpoint(far?.address(family) ?? '', 80)}']` }),
    virtualServers: (family, lab) => ({
      far: `listen: '${listen(lab, family, 80)}', pool: 'far${family}'`,
    }),
  })
  const clients: string[] = []
  for (const family of site.lab.families) {
    const fetched = await site.fetch(family)
    expect(fetched).toMatchObject({ status: 200, body: 'far2\n' })
    clients.push(fetched.client)
  }
  expect((await server?.untilLogged(2))?.map(({ client }) => client)).toEqual(clients)
  await site.end()
})

describe('neighbours', () => {
  test('DFS-24 the first packet waits for its neighbour and is not lost', async () => {
    await using site = await Site.start({ topology: 'two-arm' })
    for (const family of site.lab.families) {
      for (const _ of site.lab.servers) expect((await site.fetch(family)).status).toBe(200)
    }
    for (const { at } of site.devices) {
      expect(await kernelCounters(at)).toMatchObject({ TcpExtTCPSynRetrans: 0 })
    }
    expect((await site.end()).drops).not.toHaveProperty('neighborUnresolved')
  })

  test('DFS-24 hosts that forget their neighbours during a transfer lose nothing', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-neighbours-'))
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    const sha256 = await writeContents(join(folder, 'file'), 200_000_000)
    await using site = await Site.start({ topology: 'two-arm', servers: 1 })
    site.servers[0]?.linkFile(join(folder, 'file'))
    for (const family of site.lab.families) {
      const target = url(site.lab.virtualAddress(family), '/bytes/file')
      let done = false
      const transfer = curlSha256(site.client, target, ['--limit-rate', '100M']).finally(() => {
        done = true
      })
      // A host gives up a connection whose first packet loses its neighbour's entry.
      await until('the transfer has begun', async () => {
        const ofFamily = ({ listen }: { listen: string }) =>
          listen.startsWith('[') === (family === 6)
        return (await site.flows()).some((flow) => ofFamily(flow) && flow.bytes.out > 0)
      })
      let flushes = 0
      while (!done) {
        for (const { at, device } of site.devices) {
          const { code } = await at.tryExec('ip', ['neigh', 'flush', 'dev', device])
          // ip(8) gives up, with 1, where entries come back as fast as it takes them out.
          if (code === 0) flushes += 1
        }
      }
      expect(await transfer).toMatchObject({ status: 200, body: sha256 })
      expect(flushes).toBeGreaterThan(3)
    }
    for (const { at } of site.devices) expect(await checksumErrors(at)).toEqual({})
    await site.end()
  })

  test('DFS-24 a server that comes back with another MAC address is found again', async () => {
    // As a replaced machine does, it announces itself.
    const sysctls = { 'ipv4/conf/eth0/arp_notify': 1, 'ipv6/conf/eth0/ndisc_notify': 1 }
    await using site = await Site.start({ topology: 'two-arm', servers: 1 })
    const [host] = site.lab.servers as [Host]
    await host.namespace.setSysctls(sysctls)
    const clients = await SocketClients.start(site.client)
    const sockets = await Promise.all(
      site.lab.families.map((family) =>
        clients.connect({ host: site.lab.virtualAddress(family), port: 80 }),
      ),
    )
    for (const socket of sockets) expect(await socket.request()).toBe('srv1\n')
    await host.namespace.ip(['link set eth0 address 02:00:00:00:aa:01'])
    for (const socket of sockets) expect(await socket.request()).toBe('srv1\n')
    await site.end()
  })
})
