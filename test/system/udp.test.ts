/** UDP flows: decided like those of TCP, ended by silence. */
import { describe, expect, test } from 'vitest'
import { type TopologyName, until } from '../../src/laboratory/index.js'
import { decodeFrame } from '../helpers/frame.js'
import { checksumErrors } from '../helpers/kernel-counters.js'
import type { CapturedFrame } from '../helpers/pcap.js'
import { startEcho, startServers } from '../helpers/servers.js'
import { listen, nodes, Site } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { SocketClients } from '../helpers/socket-clients.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx')

/** A virtual server of either protocol on one address and port. */
function startSite(topology: TopologyName, idleTimeoutMs: number): Promise<Site> {
  return Site.start({
    topology,
    startServers: async (lab) => {
      if (topology === 'tap') await startEcho(lab, lab.servers, 53)
      else for (const host of lab.servers) await startEcho(lab, [host], 53)
      return startServers(lab)
    },
    record: true,
    pools: (family, lab) => ({ echo: `nodes: ${nodes(lab, family, 53)}` }),
    virtualServers: (family, lab) => ({
      web: `listen: '${listen(lab, family, 80)}', pool: 'web${family}'`,
      echo: `listen: '${listen(lab, family, 80, 'udp')}', idleTimeoutMs: ${idleTimeoutMs},
        policy: () => new Promise((resolve) => setTimeout(resolve, 100, 'echo${family}'))`,
    }),
  })
}

describe.each<TopologyName>(['tap', 'two-arm', 'one-arm'])('UDP over %s', (topology) => {
  if (topology === 'tap') requireHost('tun')

  test('VS-01 HS-03 DFS-06 DFS-18 a burst waits for its decision and arrives in order', async () => {
    await using site = await startSite(topology, 60_000)
    const clients = await SocketClients.start(site.client)
    for (const family of site.lab.families) {
      const host = site.lab.virtualAddress(family)
      const servers = site.lab.serverAddresses(family)
      for (const server of servers) {
        const socket = await clients.connect({ protocol: 'udp', host, port: 80 })
        const burst = Array.from({ length: 20 }, (_, turn) => `${server} ${turn}`)
        for (const datagram of burst) socket.write(datagram)
        await until('all are answered', () => socket.received.length >= burst.length)
        const answer = new RegExp(`^${server} ${escaped(socket.local)} \\d+ (.*)\n$`)
        const answered = socket.received.map((text) => answer.exec(text)?.[1])
        expect(new Set(answered)).toEqual(new Set(burst))
      }
      // TCP on the same address and port is another virtual server.
      expect(await site.fetch(family)).toMatchObject({ status: 200, body: 'srv1\n' })
    }
    for (const { at } of site.devices) expect(await checksumErrors(at)).toEqual({})
    const { counters, decisions } = await site.end()
    expect(counters).toMatchObject({ queries: 8, replies: 8 })
    expect(decisions).toMatchObject({ assigned: 8, policyTimeouts: 0 })
    // The engine sent them on in the order in which it got them.
    const [outside, inside] =
      topology === 'one-arm' ? ['outside', 'outside'] : ['outside', 'inside']
    for (const family of site.lab.families) {
      const received = payloads(site.passed(outside), site.lab.virtualAddress(family))
      const sent = site.lab
        .serverAddresses(family)
        .flatMap((server) => payloads(site.passed(inside), server))
      expect(received).toHaveLength(60)
      expect(sent).toEqual(received)
    }
  })
})

test('HS-03 FLOWLIFE-07 CS-12 a silent flow ends, and its next datagram opens another', async () => {
  await using site = await startSite('two-arm', 1000)
  const clients = await SocketClients.start(site.client)
  for (const family of site.lab.families) {
    const host = site.lab.virtualAddress(family)
    const socket = await clients.connect({ protocol: 'udp', host, port: 80 })
    const [first, second] = site.lab.serverAddresses(family)
    for (const server of [first, second]) {
      socket.received.length = 0
      socket.write('hello')
      await until('it is answered', () => socket.received.length === 1)
      expect(socket.received).toEqual([`${server} ${socket.local} 1 hello\n`])
      await until('the flow has ended', async () => {
        const { flows, pools } = await site.status()
        return flows === 0 && pools.every(({ connections }) => connections === 0)
      })
    }
  }
  expect((await site.end()).counters).toMatchObject({ queries: 4, flowsExpired: 4 })
})

/** What the datagrams to `destination` held, in order. */
function payloads(frames: CapturedFrame[], destination: string): string[] {
  return frames.flatMap(({ bytes }) => {
    const { ip, udp } = decodeFrame(bytes)
    return ip?.destination === destination && udp ? [udp.payload.toString()] : []
  })
}

function escaped(text: string): string {
  return text.replace(/[.[\]]/g, '\\$&')
}
