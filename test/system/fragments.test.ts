/** Datagrams that fit no frame, between real kernels: every fragment is translated by itself. */
import { describe, expect, test } from 'vitest'
import { type Family, type Host, type TopologyName, until } from '../../src/laboratory/index.js'
import { BIG_STRINGS, startDnsServer } from '../helpers/dns-server.js'
import { decodeFrame } from '../helpers/frame.js'
import { curlSha256, url } from '../helpers/http-clients.js'
import { kernelCounters } from '../helpers/kernel-counters.js'
import { RawPeer } from '../helpers/raw-peer.js'
import { startEcho, startServers } from '../helpers/servers.js'
import { listen, nodes, Site } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { type ClientSocket, SocketClients } from '../helpers/socket-clients.js'
import { fragmentFrame, udpFragments } from '../helpers/udp-fragments.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'curl', 'python3', 'nsd', 'dig')

const LIMITS = { fragmentedDatagrams: 64, waitingFragments: 64 }

function startSite(topology: TopologyName, workers = 1): Promise<Site> {
  return Site.start({
    topology,
    servers: 1,
    record: workers === 1,
    startServers: async (lab) => {
      const [host] = lab.servers as [Host]
      await startDnsServer(lab, host)
      await startEcho(lab, [host])
      return startServers(lab)
    },
    pools: (family, lab) => ({
      dns: `nodes: ${nodes(lab, family, 53)}`,
      echo: `nodes: ${nodes(lab, family, 7)}`,
    }),
    virtualServers: (family, lab) => ({
      web: `listen: '${listen(lab, family, 80)}', pool: 'web${family}'`,
      dns: `listen: '${listen(lab, family, 5353, 'udp')}', pool: 'dns${family}'`,
      echo: `listen: '${listen(lab, family, 7, 'udp')}', pool: 'echo${family}'`,
    }),
    more: `forward: ${topology === 'bridged' ? "'bridge'" : true}, workers: ${workers}, limits: ${JSON.stringify(LIMITS)},`,
  })
}

/** The fragments that a port passed, as `id offset`. */
function fragmentsAt(site: Site, port: string, source: string): string[] {
  return site.passed(port).flatMap(({ bytes }) => {
    const { ip } = decodeFrame(bytes)
    return ip?.fragment && ip.source === source ? [`${ip.fragment.id} ${ip.fragment.offset}`] : []
  })
}

async function dig(site: Site, family: Family): Promise<string> {
  const question = [`@${site.lab.virtualAddress(family)}`, '-p', '5353', 'big.test', 'TXT']
  const options = ['+notcp', '+ignore', '+bufsize=4200', '+tries=1', '+time=10']
  return (await site.client.exec('dig', [...question, ...options])).stdout
}

describe.each<[TopologyName, number]>([
  ['two-arm', 1],
  ['tap', 1],
  ['two-arm', 2],
  ['bridged', 2],
])('over %s with %d workers', (topology, workers) => {
  if (topology === 'tap') requireHost('tun')

  test('TCPX-68 TCPX-69 TCPX-72 a DNS server answers with 4 KB in fragments', async () => {
    await using site = await startSite(topology, workers)
    for (const family of site.lab.families) {
      const answer = await dig(site, family)
      expect(answer).toContain('status: NOERROR')
      expect(answer).not.toMatch(/flags:[a-z ]* tc/)
      expect(Number(/MSG SIZE\s+rcvd: (\d+)/.exec(answer)?.[1])).toBeGreaterThan(3850)
      for (const text of BIG_STRINGS) expect(answer).toContain(text)
    }
    const { counters, drops } = await site.end()
    expect(counters).toMatchObject({ queries: 2, fragmentedDatagrams: 0, waitingFragments: 0 })
    expect(drops).not.toHaveProperty('fragmentOverlap')
    if (workers > 1) return
    const [host] = site.lab.servers as [Host]
    for (const family of site.lab.families) {
      const received = fragmentsAt(site, 'inside', host.address(family))
      expect(received.length).toBeGreaterThanOrEqual(3)
      const sent = fragmentsAt(site, 'outside', site.lab.virtualAddress(family))
      expect(sent).toEqual(received)
    }
  })

  test('TCPX-68 TCPX-72 TCPX-79 datagrams of 4000 bytes both ways, a hundred of them', async () => {
    await using site = await startSite(topology, workers)
    const clients = await SocketClients.start(site.client)
    const [server] = site.lab.servers as [Host]
    // On a bridge, the server by its own address, too.
    const targets = site.lab.families.flatMap((family) => [
      site.lab.virtualAddress(family),
      ...(topology === 'bridged' ? [server.address(family)] : []),
    ])
    for (const host of targets) {
      const socket = await clients.connect({ protocol: 'udp', host, port: 7 })
      for (let turn = 0; turn < 100; ++turn) {
        socket.write(`${turn}`.padStart(4000, '.'))
        await until('it is answered', () => socket.received.length > turn)
        expect(socket.received[turn]).toMatch(new RegExp(` ${turn + 1} \\.+${turn}\n$`))
        expect(socket.received[turn]?.length).toBeGreaterThan(4000)
      }
      for (const at of [site.client, server.namespace]) {
        const { IpReasmFails = 0, Ip6ReasmFails = 0 } = await kernelCounters(at)
        expect({ IpReasmFails, Ip6ReasmFails }).toEqual({ IpReasmFails: 0, Ip6ReasmFails: 0 })
      }
    }
    const { counters } = await site.end()
    const queries = targets.length
    expect(counters).toMatchObject({ queries, fragmentedDatagrams: 0, waitingFragments: 0 })
  })
})

/** A kernel's socket, and a raw peer that sends in its name. */
class Impostor {
  private id = 0

  private constructor(
    readonly socket: ClientSocket,
    readonly peer: RawPeer,
    private readonly engineMac: string,
    private readonly host: string,
  ) {}

  static async start(site: Site, family: Family): Promise<Impostor> {
    const clients = await SocketClients.start(site.client)
    const host = site.lab.virtualAddress(family)
    const socket = await clients.connect({ protocol: 'udp', host, port: 7 })
    socket.write('so that the neighbours know each other')
    await until('it is answered', () => socket.received.length === 1)
    const peer = await RawPeer.start(site.client, 'eth0')
    const ctl = await site.lab.namespace('ctl').exec('ip', ['-j', 'link', 'show', 'dev', 'ext0'])
    return new Impostor(socket, peer, JSON.parse(ctl.stdout)[0].address, host)
  }

  ends(address = this.localAddress, toPort = 7) {
    const port = Number(this.socket.local.slice(this.socket.local.lastIndexOf(':') + 1))
    return {
      from: { mac: this.peer.mac, address, port },
      to: { mac: this.engineMac, address: this.host, port: toPort },
      id: ++this.id,
    }
  }
  datagram(text: string) {
    return { ...this.ends(), payload: Buffer.from(text.padStart(4000, '.')), size: 1400 }
  }
  private get localAddress(): string {
    return this.socket.local.slice(0, this.socket.local.lastIndexOf(':')).replace(/[[\]]/g, '')
  }
}

test('TCPX-68 TCPX-72 the fragments of a datagram in all six orders', async () => {
  await using site = await startSite('two-arm')
  for (const family of site.lab.families) {
    const impostor = await Impostor.start(site, family)
    const { socket, peer } = impostor
    let answers = 1
    for (const order of ['012', '021', '102', '120', '201', '210']) {
      const fragments = udpFragments(impostor.datagram(order))
      peer.send(...[...order].map((index) => fragments[Number(index)] as Buffer))
      answers += 1
      await until(`${order} is answered`, () => socket.received.length === answers)
      expect(socket.received.at(-1)).toMatch(new RegExp(`\\.${order}\n$`))
    }
  }
  expect((await site.end()).counters).toMatchObject({ queries: 2, waitingFragments: 0 })
})

test('TCPX-68 TCPX-72 an overlap reaches nobody, and the next datagram does', async () => {
  await using site = await startSite('two-arm')
  for (const family of site.lab.families) {
    const impostor = await Impostor.start(site, family)
    const { socket, peer } = impostor
    const attack = impostor.datagram('attack')
    const [first, second, third] = udpFragments(attack) as [Buffer, Buffer, Buffer]
    const over = fragmentFrame(attack, { offset: 1392, more: true }, Buffer.alloc(1400, 'x'))
    peer.send(first, over, second, third)
    peer.send(...udpFragments(impostor.datagram('sound')))
    await until('the sound one is answered', () => socket.received.length > 1)
    expect(socket.received).toHaveLength(2)
    expect(socket.received[1]).toMatch(/\.sound\n$/)
  }
  const { drops } = await site.end()
  expect(drops).toMatchObject({ fragmentOverlap: 6 })
})

test('TCPX-68 a flood of fragments is bounded, and flows go on', async () => {
  const SIZE = 20_000_000
  await using site = await startSite('two-arm')
  const [server] = site.servers
  const sum = await server?.addFile(SIZE)
  for (const family of site.lab.families) {
    const impostor = await Impostor.start(site, family)
    const { socket, peer } = impostor
    const before = (await site.status()).counters
    const target = url(site.lab.virtualAddress(family), `/bytes/${SIZE}`)
    const download = curlSha256(site.client, target)
    const lone = Array.from({ length: 4000 }, (_, index) => {
      const source =
        family === 4 ? `198.18.${index >> 8}.${index & 255}` : `2001:db8:${index.toString(16)}::1`
      const ends = impostor.ends(source, 9)
      const [head, tail] = udpFragments({ ...ends, payload: Buffer.alloc(1000), size: 504 })
      return (index % 2 === 0 ? head : tail) as Buffer
    })
    for (let turn = 0; turn < 4; ++turn) {
      peer.send(...lone.slice(turn * 1000, turn * 1000 + 1000))
      peer.send(...udpFragments(impostor.datagram(`honest ${turn}`)))
      await until('it is answered', () => socket.received.length === turn + 2)
      const { fragmentedDatagrams, waitingFragments } = (await site.status()).counters
      expect(fragmentedDatagrams).toBeLessThanOrEqual(LIMITS.fragmentedDatagrams)
      expect(waitingFragments).toBeLessThanOrEqual(LIMITS.waitingFragments)
    }
    expect(await download).toMatchObject({ status: 200, body: sum })
    const { datagramsEvicted } = (await site.status()).counters
    expect(datagramsEvicted - before.datagramsEvicted).toBeGreaterThan(3500)
  }
  const { drops } = await site.end()
  expect(drops.fragmentFull).toBeGreaterThan(3500)
})
