/** What the flags of a virtual server change for real clients and servers. */
import { expect, test } from 'vitest'
import { type Family, type Laboratory, until } from '../../src/laboratory/index.js'
import { Capture } from '../helpers/capture.js'
import { decodeFrame } from '../helpers/frame.js'
import { NginxServer, startServers } from '../helpers/servers.js'
import { listen, nodes, Site } from '../helpers/site.js'
import { requireCaptures, requireTools } from '../helpers/skip.js'
import { SocketClients } from '../helpers/socket-clients.js'

requireCaptures()
requireTools('ip', 'nsenter', 'nginx', 'curl')

const OTHER = 8080

/** Every server has the virtual addresses, too, which nobody asks for on its link. */
async function startSharingServers(lab: Laboratory): Promise<NginxServer[]> {
  const also = (family: Family) => lab.virtualAddress(family)
  return Promise.all(
    lab.servers.map(async (host) => {
      for (const family of lab.families) {
        const address = `${also(family)}/${family === 4 ? 32 : 128}`
        await host.namespace.exec('ip', ['address', 'add', address, 'dev', 'lo'])
      }
      return NginxServer.start(lab, host, { also })
    }),
  )
}

/** A virtual server for each way to translate, on ports of their own. */
const ways = [
  { name: 'both', port: 81, keys: '' },
  { name: 'address', port: 80, keys: 'translatePort: false,' },
  { name: 'port', port: OTHER, keys: 'translateAddress: false,' },
  { name: 'neither', port: 80, keys: 'translateAddress: false, translatePort: false,' },
]

test.each(ways)('VS-10 VS-11 VS-12 $name translated', async ({ port, keys }) => {
  const pool = keys.includes('translatePort') ? 'portless' : 'web'
  await using site = await Site.start({
    topology: 'two-arm',
    startServers: keys.includes('translateAddress') ? startSharingServers : startServers,
    // Where the port is not translated, that of the nodes means nothing.
    pools: (family, lab) => ({ portless: `nodes: ${nodes(lab, family, 9)}` }),
    virtualServers: (family, lab) => ({
      web: `listen: '${listen(lab, family, port)}', pool: '${pool}${family}', ${keys}`,
    }),
  })
  const { lab } = site
  const capture = await Capture.start(lab, lab.namespace('ctl'), 'int0', { filter: 'tcp' })
  for (const family of lab.families) {
    for (let count = 0; count < 6; count += 1) {
      expect(await site.fetch(family, '/', port)).toMatchObject({ status: 200, exitCode: 0 })
    }
    const { pools } = await site.status()
    const used = pools.find(({ name }) => name === `${pool}${family}`)
    expect(used?.nodes.every(({ totalConnections }) => totalConnections > 0)).toBe(true)
    expect(await destinations(capture, family, lab)).toEqual(new Set([expected(keys)]))
  }
  await site.end()
})

function expected(keys: string): string {
  return keys.includes('translateAddress') ? 'virtual:80' : 'node:80'
}

/** Where SYNs went on the servers' side. */
async function destinations(capture: Capture, family: Family, lab: Laboratory) {
  const seen = new Set<string>()
  for (const { bytes } of await capture.read()) {
    const { ip, tcp } = decodeFrame(bytes)
    if (!ip || !tcp?.flags.has('SYN') || tcp.flags.has('ACK')) continue
    if (ip.version !== family) continue
    const isVirtual = ip.destination === lab.virtualAddress(family)
    const isNode = lab.serverAddresses(family).includes(ip.destination)
    seen.add(`${isVirtual ? 'virtual' : isNode ? 'node' : ip.destination}:${tcp.destinationPort}`)
  }
  return seen
}

test('VS-16 VS-17 a silent address is not answered for, and served to those who route it', async () => {
  await using site = await Site.start({
    topology: 'two-arm',
    virtualServers: (family, lab) => ({
      web: `listen: '${listen(lab, family, 80)}', pool: 'web${family}', arp: false`,
    }),
  })
  const { lab } = site
  for (const family of lab.families) {
    const refused = await site.fetch(family, '/', 80, {
      args: ['--connect-timeout', '2'],
    })
    expect(refused.exitCode).not.toBe(0)
    const via = lab.ports().outside?.address?.[family === 4 ? 0 : 1]?.split('/')[0] as string
    const route = [`-${family}`, 'route', 'add', lab.virtualAddress(family), 'via', via]
    await site.client.exec('ip', route)
    expect(await site.fetch(family)).toMatchObject({ status: 200, exitCode: 0 })
  }
  await site.end()
})

test('LB-21 in maintenance clients are refused at once', async () => {
  await using site = await Site.start({
    topology: 'two-arm',
    virtualServers: (family, lab) => ({
      web: `listen: '${listen(lab, family, 80)}', pool: 'web${family}', maintenance: true`,
      open: `listen: '${listen(lab, family, 81)}', pool: 'web${family}'`,
    }),
  })
  for (const family of site.lab.families) {
    const refused = 7 // curl(1): failed to connect
    expect(await site.fetch(family)).toMatchObject({ exitCode: refused })
    expect(await site.fetch(family, '/', 81)).toMatchObject({ status: 200, exitCode: 0 })
  }
  const { drops } = await site.status()
  expect(drops.refused).toBe(site.lab.families.length)
  await until('flows have ended', async () => (await site.flows()).length === 0)
  await site.end()
})

test('SSMB-37 SSMB-33 a client that is refused learns it by RST, by ICMP, or not at all', async () => {
  const of = (family: Family, lab: Laboratory, port: number, keys: string, protocol = 'tcp') =>
    `listen: '${listen(lab, family, port, protocol)}', pool: 'web${family}', maintenance: true, ${keys}`
  await using site = await Site.start({
    topology: 'two-arm',
    virtualServers: (family, lab) => ({
      reset: of(family, lab, 80, ''),
      icmp: of(family, lab, 81, `refuse: 'unreachable'`),
      silent: of(family, lab, 82, `refuse: 'drop'`),
      udp: of(family, lab, 80, '', 'udp'),
      // Here TypeScript says so, and the engine carries it out.
      policy: `listen: '${listen(lab, family, 83)}', policy: () => ({ reject: 'unreachable' })`,
    }),
  })
  const refused = 7 // curl(1): failed to connect
  const late = 28 // curl(1): the operation timed out
  const clients = await SocketClients.start(site.client)
  for (const family of site.lab.families) {
    const args = ['--connect-timeout', '3']
    for (const port of [80, 81, 83]) {
      expect(await site.fetch(family, '/', port, { args })).toMatchObject({ exitCode: refused })
    }
    expect(await site.fetch(family, '/', 82, { args })).toMatchObject({ exitCode: late })
    const host = site.lab.virtualAddress(family)
    const socket = await clients.connect({ protocol: 'udp', host, port: 80 })
    socket.write('hello')
    await until('the socket is refused', () => socket.error?.code === 'ECONNREFUSED')
  }
  const { counters } = await site.end()
  const families = site.lab.families.length
  expect(counters.resets).toBe(families)
  expect(counters.icmpErrors).toBe(3 * families)
})
