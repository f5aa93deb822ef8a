/** Ping, tunnels and SCTP through virtual servers, between real kernels. */
import { describe, expect, test } from 'vitest'
import type { Family, Laboratory, TopologyName } from '../../src/laboratory/index.js'
import { askRaw, startRawAnswers } from '../helpers/raw-ip.js'
import { listen, Site, type SiteOptions } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'ping', 'python3')

const gre = 47
const sctp = 132
const elsewhere: Record<Family, string> = { 4: '203.0.113.80', 6: '2001:db8:5::80' }
const networks: Record<Family, string> = { 4: '203.0.113.0/24', 6: '2001:db8:5::/64' }
const any: Record<Family, string> = { 4: '0.0.0.0', 6: '[::]' }

const bracketed = (address: string) => (address.includes(':') ? `[${address}]` : address)
const virtual = (lab: Laboratory, family: Family) => bracketed(lab.virtualAddress(family))

/** Every server by its address alone, and only the first of them. */
const hosts = (family: Family, lab: Laboratory) => ({
  hosts: `nodes: ${JSON.stringify(lab.serverAddresses(family).map(bracketed))}`,
  first: `nodes: ${JSON.stringify(lab.serverAddresses(family).slice(0, 1).map(bracketed))}`,
})

/** Each with an identifier of its own. */
async function ping(site: Site, family: Family, address: string, size: number, identifier: number) {
  const args = ['-c', '3', '-i', '0.2', '-W', '10', '-s', `${size}`, '-e', `${identifier}`]
  const { stdout } = await site.client.exec('ping', [`-${family}`, ...args, address], {
    timeoutMs: 40_000,
  })
  expect(stdout).toContain('3 packets transmitted, 3 received')
  expect(stdout).toContain(`from ${address}`)
}

const start = (topology: TopologyName, workers: number, options: Partial<SiteOptions>) =>
  Site.start({ topology, pools: hosts, more: `workers: ${workers},`, ...options })

describe.each<[TopologyName, number]>([
  ['tap', 1],
  ['two-arm', 1],
  ['two-arm', 3],
])('%s, %i workers', (topology, workers) => {
  if (topology === 'tap') requireHost('tun')

  test('SOCK-32 VS-13 TCPX-65 TCPX-68 a ping through a wildcard server, whole and in fragments', async () => {
    await using site = await start(topology, workers, {
      virtualServers: (family) => ({
        ping: `listen: 'icmp://${any[family]}', wildcardAddress: true, pool: 'hosts${family}'`,
      }),
    })
    await site.routeClient((family) => networks[family])
    for (const family of site.lab.families) {
      await ping(site, family, elsewhere[family], 56, 4711)
      await ping(site, family, elsewhere[family], 4000, 4712)
      const records = (await site.flows()).filter(
        ({ virtualServer }) => virtualServer === `ping${family}`,
      )
      expect(records.map(({ protocol }) => protocol)).toEqual(['icmp', 'icmp'])
      expect(records.map(({ client }) => Number(client.split(':').at(-1))).sort()).toEqual([
        4711, 4712,
      ])
      for (const { listen: asked } of records) expect(asked).toBe(bracketed(elsewhere[family]))
      // Three whole ones; three requests of three fragments, and as many replies.
      const packets = records.map((record) => [record.packets.in, record.packets.out])
      expect(packets.sort()).toEqual([
        [3, 3],
        [9, 9],
      ])
    }
    const { counters, virtualServers } = await site.end()
    expect(counters.flowsOpened).toBe(4)
    expect(virtualServers.map(({ totalConnections }) => totalConnections)).toEqual([2, 2])
  })

  test('ARCH-08 pings that leave from an address of the engine find their way back', async () => {
    await using site = await start(topology, workers, {
      virtualServers: (family, lab) => ({
        ping: `listen: 'icmp://${virtual(lab, family)}', preserveClient: false, pool: 'first${family}'`,
      }),
    })
    for (const family of site.lab.families) {
      const address = site.lab.virtualAddress(family)
      const identifiers = [1, 2, 3, 65_535]
      await Promise.all(identifiers.map((id) => ping(site, family, address, 200, id)))
      await ping(site, family, address, 4000, 9)
    }
    const { counters, decisions } = await site.end()
    expect(counters.flowsOpened).toBe(10)
    expect(decisions.exhausted).toBe(0)
  })

  test('SOCK-32 TCPX-68 GRE, ESP, SCTP and an experiment, whole and in fragments', async () => {
    const opaque = { gre, esp: 50, 'ip-253': 253 }
    await using site = await start(topology, workers, {
      virtualServers: (family, lab) => ({
        ...Object.fromEntries(
          Object.keys(opaque).map((name) => [
            name.replace('-', ''),
            `listen: '${name}://${virtual(lab, family)}', pool: 'first${family}'`,
          ]),
        ),
        sctp: `listen: '${listen(lab, family, 3868, 'sctp')}', pool: 'first${family}'`,
      }),
    })
    const [server] = site.lab.servers
    const at = topology === 'tap' ? site.lab.namespace('lan') : server?.namespace
    if (!at) throw new Error('no server')
    for (const family of site.lab.families) {
      const first = site.lab.serverAddresses(family)[0] as string
      for (const protocol of [...Object.values(opaque), sctp]) {
        const answers = await startRawAnswers(at, family, protocol, first)
        for (const size of [8, 1000, 4000]) {
          await askRaw(site.client, family, protocol, site.lab.virtualAddress(family), size)
          // The client's own address reached it.
          expect(answers.output()).toContain(`${size} from ${site.lab.client.address(family)}`)
        }
        await answers.stop('SIGTERM')
      }
      const records = (await site.flows()).filter(({ virtualServer }) =>
        virtualServer?.endsWith(`${family}`),
      )
      expect(records.map(({ protocol }) => protocol).sort()).toEqual([
        'esp',
        'gre',
        'ip-253',
        'sctp',
      ])
    }
    expect((await site.end()).counters.flowsOpened).toBe(8)
  })
})

test('VS-14 SOCK-32 one server of every protocol balances whole hosts', async () => {
  await using site = await start('two-arm', 1, {
    virtualServers: (family, lab) => ({
      all: `listen: 'ip://${virtual(lab, family)}', pool: 'first${family}'`,
    }),
  })
  const [server] = site.lab.servers
  if (!server) throw new Error('no server')
  for (const family of site.lab.families) {
    const address = site.lab.virtualAddress(family)
    expect(await site.fetch(family)).toMatchObject({ body: 'srv1\n', exitCode: 0 })
    await ping(site, family, address, 56, 7)
    await startRawAnswers(server.namespace, family, gre, server.address(family))
    await askRaw(site.client, family, gre, address, 100)
  }
  const protocols = (await site.flows()).map(({ protocol }) => protocol)
  expect(protocols.filter((name) => name !== 'tcp').sort()).toEqual(['gre', 'gre', 'icmp', 'icmp'])
  await site.end()
})

test('RFC 1122 3.2.2.6 a ping in fragments to the engine itself, and traceroute to its addresses', async () => {
  requireTools('traceroute')
  await using site = await Site.start({ topology: 'two-arm' })
  for (const family of site.lab.families) {
    const own = site.lab.ports().outside?.address?.[family === 4 ? 0 : 1]?.split('/')[0] as string
    for (const address of [own, site.lab.virtualAddress(family)]) {
      await ping(site, family, address, 4000, 7)
      const args = [`-${family}`, '-n', '-q', '1', '-w', '5', '-m', '3', address]
      const { stdout } = await site.client.exec('traceroute', args, { timeoutMs: 30_000 })
      const hops = stdout.split('\n').filter((line) => /^ *\d+ /.test(line))
      expect(hops.map((line) => line.trim().split(/\s+/)[1])).toEqual([address])
    }
  }
  const { drops, counters } = await site.end()
  expect(drops.ownAddress).toBe(counters.icmpErrors)
})
