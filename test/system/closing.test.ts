/** How flows end: by FIN, by RST, by nobody's word but the host's own, and with the engine. */
import { expect, test } from 'vitest'
import { type Host, type Namespace, until } from '../../src/laboratory/index.js'
import { deviceSettings } from '../helpers/device-settings.js'
import { url } from '../helpers/http-clients.js'
import { icmpFrame } from '../helpers/icmp-frame.js'
import { kernelCounters } from '../helpers/kernel-counters.js'
import { RawPeer } from '../helpers/raw-peer.js'
import { startServers } from '../helpers/servers.js'
import { Site } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { SocketClients } from '../helpers/socket-clients.js'
import { ACK, RST, SYN, tcpFrame } from '../helpers/tcp-frame.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'curl', 'nft', 'ss', 'python3')

/** Waits until the engine has no live flow, and what the control segment says of its connections. */
async function untilNoFlow(site: Site): Promise<void> {
  await until('no flow is left', async () => {
    const { flows, pools } = await site.status()
    return flows === 0 && pools.every(({ connections }) => connections === 0)
  })
}

/** The states of a server's connections. */
async function states(at: Namespace): Promise<string[]> {
  const { stdout } = await at.exec('ss', ['-Htn', 'state', 'connected', 'sport = :80'])
  const lines = stdout.split('\n').filter(Boolean)
  return lines.map((line) => line.split(/\s+/)[0] ?? '')
}

test('HS-22 HS-24 HS-27 a FIN that comes again after the close is translated, and asks nobody', async () => {
  await using site = await Site.start({ topology: 'two-arm', servers: 1 })
  const [host] = site.lab.servers as [Host]
  const clients = await SocketClients.start(site.client)
  for (const family of site.lab.families) {
    const { queries } = (await site.status()).counters
    const socket = await clients.connect({ host: site.lab.virtualAddress(family), port: 80 })
    await socket.request()
    // Behind the engine, the last ACK of the close is lost, as often as it comes.
    const chain = 'add chain inet loss in { type filter hook input priority 0; }'
    const rule = 'add rule inet loss in tcp dport 80 tcp flags & (fin|syn|rst|psh|ack) == ack drop'
    await host.namespace.exec('nft', [`add table inet loss; ${chain}; ${rule}`])
    await socket.end()
    await untilNoFlow(site)
    expect(await states(host.namespace)).toEqual(['LAST-ACK'])
    const { TcpRetransSegs: before = 0 } = await kernelCounters(host.namespace)
    await host.namespace.exec('nft', ['delete table inet loss'])
    await until('the server has its ACK', async () => {
      return (await states(host.namespace)).length === 0
    })
    expect((await kernelCounters(host.namespace)).TcpRetransSegs).toBeGreaterThan(before)
    expect((await site.status()).counters.queries).toBe(queries + 1)
  }
  await site.end()
})

test('HS-24 FLOWLIFE-02 CS-12 a RST of either side ends the flow at once', async () => {
  await using site = await Site.start({ topology: 'two-arm', servers: 1 })
  const [host] = site.lab.servers as [Host]
  const clients = await SocketClients.start(site.client)
  for (const family of site.lab.families) {
    const open = () => clients.connect({ host: site.lab.virtualAddress(family), port: 80 })
    const given = await open()
    await given.request()
    await given.reset()
    await untilNoFlow(site)
    const taken = await open()
    await taken.request()
    // As a server does that has lost its state.
    await host.namespace.exec('ss', ['-K', 'state', 'established', 'sport = :80'])
    await until('the client is told', () => taken.error)
    expect(taken.error?.code).toBe('ECONNRESET')
    await untilNoFlow(site)
  }
  expect((await site.end()).counters).toMatchObject({ queries: 4, flowsClosedRst: 4 })
})

test('HS-28 blind RST and SYN from somebody else end nothing', async () => {
  await using site = await Site.start({ topology: 'two-arm', servers: 1 })
  const clients = await SocketClients.start(site.client)
  const attacker = await RawPeer.start(site.client, 'eth0')
  const ctl = await site.lab.namespace('ctl').exec('ip', ['-j', 'link', 'show', 'dev', 'ext0'])
  const mac: string = JSON.parse(ctl.stdout)[0].address
  for (const family of site.lab.families) {
    const host = site.lab.virtualAddress(family)
    const socket = await clients.connect({ host, port: 80 })
    await socket.request()
    const port = Number(socket.local.slice(socket.local.lastIndexOf(':') + 1))
    const from = { mac: attacker.mac, address: site.lab.client.address(family), port }
    const to = { mac, address: host, port: 80 }
    const before = (await site.status()).counters.received
    // All over the sequence space: with 64 of them, none has the one number that counts.
    const guesses = Array.from({ length: 64 }, (_, index) => index * 0x0400_0000)
    for (const flags of [RST, RST | ACK, SYN]) {
      attacker.send(...guesses.map((seq) => tcpFrame({ from, to, flags, seq })))
    }
    await until('all have come', async () => {
      return (await site.status()).counters.received >= before + 3 * guesses.length
    })
    expect((await site.flows()).map(({ client }) => client)).toContain(socket.local)
    expect(await socket.request()).toBe('srv1\n')
  }
  expect((await site.end()).counters).toMatchObject({ queries: 2, flowsClosedRst: 0 })
})

test('TCPX-41 HS-28 blind ICMP errors end nothing and slow nothing down', async () => {
  await using site = await Site.start({ topology: 'two-arm', servers: 1 })
  const [node] = site.lab.servers as [Host]
  const clients = await SocketClients.start(site.client)
  const attacker = await RawPeer.start(site.client, 'eth0')
  const ctl = await site.lab.namespace('ctl').exec('ip', ['-j', 'link', 'show', 'dev', 'ext0'])
  const mac: string = JSON.parse(ctl.stdout)[0].address
  for (const family of site.lab.families) {
    const virtual = { mac, address: site.lab.virtualAddress(family), port: 80 }
    const socket = await clients.connect({ host: virtual.address, port: 80 })
    await socket.request()
    const port = Number(socket.local.slice(socket.local.lastIndexOf(':') + 1))
    const from = { mac: attacker.mac, address: site.lab.client.address(family) }
    const before = (await site.status()).drops
    // What the server would have sent; of the numbers none is in flight.
    const guesses = Array.from({ length: 64 }, (_, index) => index * 0x0400_0000)
    const quotes = guesses
      .map((seq) =>
        tcpFrame({
          from: virtual,
          to: { ...from, port },
          flags: ACK,
          seq,
          payload: 'x'.repeat(1000),
        }),
      )
      .map((frame) => frame.subarray(14))
    const errors =
      family === 4
        ? [
            [3, 2, 0],
            [3, 3, 0],
            [3, 4, 600],
            [11, 0, 0],
          ]
        : [
            [1, 4, 0],
            [2, 0, 1280],
            [3, 0, 0],
          ]
    for (const [type = 0, code = 0, rest = 0] of errors) {
      attacker.send(
        ...quotes.map((body) => icmpFrame({ from, to: virtual, type, code, rest, body })),
      )
    }
    const orders =
      family === 4
        ? [
            [4, 0],
            [5, 1],
          ]
        : [[137, 0]]
    for (const [type = 0, code = 0] of orders) {
      attacker.send(...quotes.map((body) => icmpFrame({ from, to: virtual, type, code, body })))
    }
    await until('all are refused', async () => {
      const { drops } = await site.status()
      const implausible = (drops.icmpImplausible ?? 0) - (before.icmpImplausible ?? 0)
      const obsolete = (drops.icmpObsolete ?? 0) - (before.icmpObsolete ?? 0)
      return implausible === errors.length * 64 && obsolete === orders.length * 64
    })
    expect(await socket.request()).toBe('srv1\n')
    const route = await node.namespace.exec('ip', ['route', 'get', from.address])
    expect(route.stdout).not.toContain('mtu')
  }
  expect((await site.end()).counters).toMatchObject({
    queries: 2,
    flowsClosedRst: 0,
    icmpRelayed: 0,
  })
})

test('SIGTERM in the middle of transfers: exit code 0, and the devices are as they were', async () => {
  const SIZE = 100_000_000
  let before = ''
  await using site = await Site.start({
    topology: 'two-arm',
    servers: 1,
    startServers: async (lab) => {
      before = await deviceSettings(lab)
      return startServers(lab)
    },
  })
  const { lab, servers } = site
  await servers[0]?.addFile(SIZE)
  for (const family of lab.families) {
    const target = url(lab.virtualAddress(family), `/bytes/${SIZE}`)
    await site.client.spawn('curl', ['-sg', '--limit-rate', '10M', '-o', '/dev/null', target])
  }
  await until('both are under way', async () => {
    const flows = await site.flows()
    return flows.length === 2 && flows.every(({ bytes }) => bytes.out > 0)
  })
  expect(await deviceSettings(lab)).not.toBe(before)
  await site.engine.stop()
  expect(before).toContain('arp_ignore')
  expect(await deviceSettings(lab)).toBe(before)
})
