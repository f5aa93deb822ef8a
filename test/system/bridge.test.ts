/** The engine as a switch: hosts of one network behind its ports, and any frame between them. */
import { describe, expect, test } from 'vitest'
import { type Host, until } from '../../src/laboratory/index.js'
import { macOf, neighbour, ping, serveFile, startBridge } from '../helpers/bridge.js'
import { curl, curlSha256, url } from '../helpers/http-clients.js'
import { checksumErrors } from '../helpers/kernel-counters.js'
import { RawPeer } from '../helpers/raw-peer.js'
import { startServers } from '../helpers/servers.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { SocketClients } from '../helpers/socket-clients.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'curl', 'ping')

const BYTES = 200_000_000

describe('hosts of one network', () => {
  test('ARCH-09 ARCH-08 DFS-13 speak with each other through the engine, and each connection is a flow', async () => {
    await using site = await startBridge()
    const { lab } = site
    const [first, second] = lab.servers as [Host, Host]
    const clients = await SocketClients.start(site.client)
    for (const family of lab.families) {
      const socket = await clients.connect({ host: first.address(family), port: 80 })
      expect(await socket.request()).toBe('srv1\n')
      const flow = (await site.flows()).find(
        ({ listen }) => listen.startsWith('[') === (family === 6),
      )
      expect(flow).toMatchObject({ virtualServer: null, mode: 'bridge', protocol: 'tcp' })
      expect(flow?.packets.in).toBeGreaterThan(2)
      expect(flow?.bytes.out).toBeGreaterThan(100)
      await socket.end()
      // Servers speak with each other, too.
      const answer = await curl(first.namespace, url(second.address(family)))
      expect(answer).toMatchObject({ status: 200, body: 'srv2\n' })
      expect(await ping(site.client, second.address(family))).toMatchObject({ code: 0 })
      // Nobody sees the engine: not its MAC address, nor its hop.
      const mac = await macOf(first.namespace, 'eth0')
      expect(await neighbour(site.client, first.address(family))).toBe(mac)
      expect(await ping(site.client, first.address(family), '-t', '1')).toMatchObject({ code: 0 })
    }
    // Those of pings last a minute.
    const connections = async () =>
      (await site.flows()).filter(({ protocol }) => protocol === 'tcp')
    await until('the connections end', async () => (await connections()).length === 0)
    const status = await site.end()
    expect(status.decisions).toMatchObject({ routed: 8, assigned: 0 })
    expect(status.counters).toMatchObject({ stations: 3, stationMoves: 0, flowsClosedFin: 4 })
    expect(status.drops).not.toHaveProperty('ttlExpired')
  })

  test('DFS-25 TCPX-70 DFS-13 what leaves is what came in, byte for byte', async () => {
    await using site = await startBridge({ record: true })
    const [host] = site.lab.servers as [Host]
    await site.servers[0]?.addFile(1_000_000)
    for (const family of site.lab.families) {
      const answer = await curl(site.client, url(host.address(family), '/bytes/1000000'), {
        output: '/dev/null',
      })
      expect(answer).toMatchObject({ status: 200, bytes: 1_000_000 })
      expect(await ping(site.client, host.address(family), '-t', '7')).toMatchObject({ code: 0 })
    }
    await site.end()
    const mac = await macOf(host.namespace, 'eth0')
    const withHost = (port: string) =>
      site
        .passed(port)
        .map(({ bytes }) => bytes.toString('hex'))
        .filter((frame) => frame.slice(0, 24).includes(mac.replaceAll(':', '')))
    const [outside, inside] = [withHost('outside'), withHost('inside1')]
    expect(outside.length).toBeGreaterThan(40)
    expect(inside).toEqual(outside)
  })

  test.each([1, 2])('TCPX-32 TCPX-79 transfers are whole with %i workers', async (workers) => {
    await using site = await startBridge({ more: `workers: ${workers},` })
    const { lab } = site
    const sha256 = await serveFile(site, BYTES)
    const [host] = lab.servers as [Host]
    for (const family of lab.families) {
      const target = url(host.address(family), '/bytes/file')
      expect(await curlSha256(site.client, target)).toMatchObject({ status: 200, body: sha256 })
    }
    for (const { at } of site.devices) expect(await checksumErrors(at)).toEqual({})
    const status = await site.end()
    const steered = status.ports.every(({ mode }) => mode.includes('steered by program'))
    if (steered || workers === 1) expect(status.counters.handedOver).toBe(0)
    expect(status.counters.flowsOpened).toBe(2)
  })

  test('TCPX-32 TCPX-34 between hosts with and without offloads', async () => {
    await using site = await startBridge({
      ports: ({ outside, ...inside }) => ({
        ...inside,
        outside: { ...outside, offloads: false } as never,
      }),
    })
    const sha256 = await serveFile(site, 20_000_000)
    const [host] = site.lab.servers as [Host]
    for (const family of site.lab.families) {
      const target = url(host.address(family), '/bytes/file')
      expect(await curlSha256(site.client, target)).toMatchObject({ status: 200, body: sha256 })
    }
    for (const { at } of site.devices) expect(await checksumErrors(at)).toEqual({})
    expect((await site.end()).counters.softwareSegmented).toBeGreaterThan(0)
  })

  test('TCPX-67 what does not fit the next link is dropped and counted', async () => {
    await using site = await startBridge({
      servers: 1,
      startServers: async (lab) => {
        await lab.client.namespace.ip(['link set eth0 mtu 9000'])
        await lab.namespace('ctl').ip(['link set ext0 mtu 9000'])
        return startServers(lab)
      },
    })
    const [host] = site.lab.servers as [Host]
    for (const family of site.lab.families) {
      const echo = (size: string) =>
        ping(site.client, host.address(family), '-W', '1', '-M', 'do', '-s', size)
      expect(await echo('1400')).toMatchObject({ code: 0 })
      expect(await echo('2000')).toMatchObject({ code: 1 })
    }
    expect((await site.end()).drops.mtuExceeded).toBe(2)
  })
})

describe('frames', () => {
  const STATION = '020000000901'
  const OTHER = '020000000902'

  test('TCPX-75 with VLAN tags pass unchanged, whatever is in them', async () => {
    await using site = await startBridge({ servers: 1 })
    const [host] = site.lab.servers as [Host]
    const near = await RawPeer.start(site.client, 'eth0')
    const far = await RawPeer.start(host.namespace, 'eth0')
    const ip = `4500002800004000010600000a0000010a000002${'9c40005000000001000000005002ffff'}00000000`
    const tags = ['8100e005', '88a80064' + '81000007', '88a80064' + '81000007' + '81000008']
    for (const tag of tags) {
      for (const payload of [`0800${ip}`, `8847${'5a'.repeat(46)}`]) {
        const frame = (to: string, from: string) =>
          Buffer.from(`${to}${from}${tag}${payload}`, 'hex')
        near.send(frame(OTHER, STATION))
        far.send(frame(STATION, OTHER))
        const sent = (bytes: Buffer) => (one: { bytes: Buffer }) => one.bytes.equals(bytes)
        await until(`the frame with ${tag}`, () => {
          const there = far.received.some(sent(frame(OTHER, STATION)))
          return there && near.received.some(sent(frame(STATION, OTHER)))
        })
      }
    }
    const status = await site.end()
    expect(status.decisions.routed).toBe(0)
    // In no VLAN, in 5 and in 100, each with two stations.
    expect(status.counters.stations).toBeGreaterThanOrEqual(4)
  })

  test('TCPX-78 multicast and broadcast reach everybody else, those for the next bridge nobody', async () => {
    await using site = await startBridge()
    const peers = [
      await RawPeer.start(site.client, 'eth0'),
      ...(await Promise.all(site.lab.servers.map((host) => RawPeer.start(host.namespace, 'eth0')))),
    ] as [RawPeer, RawPeer, RawPeer]
    const frame = (to: string) => Buffer.from(`${to}${STATION}88b5${'42'.repeat(46)}`, 'hex')
    const many = ['ffffffffffff', '01005e0000fb', '3333000000fb'].map(frame)
    // The last one comes after all of them.
    peers[0].send(frame('0180c2000000'), frame('0180c200000e'), ...many)
    for (const peer of peers.slice(1)) {
      await until('all have come', () =>
        many.every((one) => peer.received.some(({ bytes }) => bytes.equals(one))),
      )
      expect(
        peer.received.filter(({ bytes }) => bytes.subarray(0, 5).toString('hex') === '0180c20000'),
      ).toEqual([])
    }
    const status = await site.end()
    expect(status.drops.bridgeReserved).toBe(2)
    expect(status.counters.queries).toBe(0)
  })
})
