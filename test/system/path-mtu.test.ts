/** Links that carry less than those of the engine, before it and behind it: who learns of them. */
import { createHash, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Family, type Laboratory, type Namespace, until } from '../../src/laboratory/index.js'
import { type FarHost, placeBehind } from '../helpers/far-host.js'
import { curlSha256, url } from '../helpers/http-clients.js'
import { checksumErrors } from '../helpers/kernel-counters.js'
import { NginxServer, startServers } from '../helpers/servers.js'
import { endpoint, listen, Site } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'curl', 'ss', 'ping', 'python3', 'tracepath')

const UPLOADS = 8080
const SMALL = 1400

interface FarSite {
  site: Site
  /** The node, behind srv1. */
  node: FarHost
  /** A client behind the laboratory's own. */
  client: FarHost
}

/** A virtual server whose node, and a client other than the laboratory's, are behind such links. */
async function start(mtu: { node?: number; client?: number }): Promise<FarSite> {
  let node: FarHost | undefined
  let client: FarHost | undefined
  const site = await Site.start({
    topology: 'two-arm',
    servers: 3,
    startServers: async (lab) => {
      const [router, host] = [lab.namespace('srv1'), lab.namespace('srv2')]
      node = await placeBehind({ router, host, number: 2, mtu: mtu.node })
      const [outside, other] = [lab.client.namespace, lab.namespace('srv3')]
      client = await placeBehind({ router: outside, host: other, number: 3, mtu: mtu.client })
      const uploads = await host.spawn('python3', ['test/helpers/upload_server.py', `${UPLOADS}`])
      await uploads.waitForOutput(/^ready$/m)
      return [await NginxServer.start(lab, node)]
    },
    more: `routes: [
      { to: '10.2.0.0/24', via: '10.1.0.11' },
      { to: '2001:db8:20::/64', via: '2001:db8:2::11' },
      { to: '10.3.0.0/24', via: '192.0.2.10' },
      { to: '2001:db8:30::/64', via: '2001:db8:1::10' },
    ]`,
    pools: (family) => ({
      far: `nodes: ['${endpoint(node?.address(family) ?? '', 80)}']`,
      uploads: `nodes: ['${endpoint(node?.address(family) ?? '', UPLOADS)}']`,
    }),
    virtualServers: (family, lab) => ({
      far: `listen: '${listen(lab, family, 80)}', pool: 'far${family}'`,
      uploads: `listen: '${listen(lab, family, UPLOADS)}', pool: 'uploads${family}'`,
      traced: `listen: '${listen(lab, family, 0, 'udp')}', wildcardPort: true,
               translatePort: false, pool: 'far${family}'`,
    }),
  })
  if (!node || !client) throw new Error('nobody was placed')
  return { site, node, client }
}

/** A file of random bytes, and its SHA-256. */
function contents(lab: Laboratory, size: number): { path: string; sha256: string } {
  const bytes = randomBytes(size)
  const path = join(lab.folder, 'upload')
  writeFileSync(path, bytes)
  return { path, sha256: createHash('sha256').update(bytes).digest('hex') }
}

/** What ss(8) tells of the path MTU of the connections to `port`. */
async function pathMtu(at: Namespace, port: number): Promise<number> {
  const { stdout } = await at.exec('ss', ['-Htin', 'state', 'established', `dport = :${port}`])
  return Number(/pmtu:(\d+)/.exec(stdout)?.[1] ?? 0)
}

test('TCPX-65 an upload finds the small link behind the engine, through a virtual server', async () => {
  const { site } = await start({ node: SMALL })
  await using _ = site
  const { path, sha256 } = contents(site.lab, 4_000_000)
  for (const family of site.lab.families) {
    const target = url(site.lab.virtualAddress(family), '/', UPLOADS)
    const args = ['-sS', '-g', '--max-time', '60', '--limit-rate', '2M', '-T', path, target]
    let done = false
    const upload = site.client.exec('curl', args, { timeoutMs: 70_000 }).finally(() => {
      done = true
    })
    await until('the client knows the path', async () => {
      return done || (await pathMtu(site.client, UPLOADS)) === SMALL
    })
    expect(done).toBe(false)
    expect((await upload).stdout).toBe(sha256)
  }
  for (const { at } of site.devices) expect(await checksumErrors(at)).toEqual({})
  const { counters, drops } = await site.end()
  expect(counters.icmpRelayed).toBeGreaterThanOrEqual(2)
  expect(drops).not.toHaveProperty('icmpImplausible')
})

test('TCPX-65 a download finds the small link before the engine, through a virtual server', async () => {
  const { site, node, client } = await start({ client: SMALL })
  await using _ = site
  const sha256 = await site.servers[0]?.addFile(4_000_000)
  for (const family of site.lab.families) {
    const target = url(site.lab.virtualAddress(family), '/bytes/4000000')
    expect(await curlSha256(client.namespace, target)).toMatchObject({ status: 200, body: sha256 })
    const { stdout } = await node.namespace.exec('ip', ['route', 'get', client.address(family)])
    expect(stdout).toMatch(/mtu 1400/)
  }
  const { counters } = await site.end()
  expect(counters.icmpRelayed).toBeGreaterThanOrEqual(2)
})

describe('tracepath', () => {
  const discover = async (site: Site, family: Family, to: string) => {
    const { stdout } = await site.client.exec('tracepath', [`-${family}`, '-n', '-m', '8', to], {
      timeoutMs: 60_000,
    })
    return stdout
  }

  test('TCPX-65 TCPX-67 DFS-25 finds a link of 1 400 bytes, routed and translated', async () => {
    const { site, node } = await start({ node: SMALL })
    await using _ = site
    for (const family of site.lab.families) {
      const routed = await discover(site, family, node.address(family))
      expect(routed).toMatch(/pmtu 1400/)
      expect(routed).toMatch(/Resume: pmtu 1400 hops 3 back/)
      // The router behind is one of the node's world, which the engine speaks for.
      const translated = await discover(site, family, site.lab.virtualAddress(family))
      expect(translated).toMatch(/Resume: pmtu 1400 hops 3 back/)
      expect(translated).not.toContain(site.lab.serverAddresses(family)[0])
    }
    await site.end()
  })
})

describe('a port of the engine with a small MTU', () => {
  const small = () =>
    Site.start({
      topology: 'two-arm',
      servers: 1,
      startServers: async (lab) => {
        await lab.namespace('ctl').ip([`link set int0 mtu ${SMALL}`])
        await lab.namespace('srv1').ip([`link set eth0 mtu ${SMALL}`])
        return startServers(lab)
      },
    })

  test('TCPX-67 ping learns its MTU where it may not be cut', async () => {
    await using site = await small()
    for (const family of site.lab.families) {
      const [host] = site.lab.serverAddresses(family) as [string]
      const ping = (size: number) =>
        site.client.tryExec('ping', [`-${family}`, '-c1', '-W5', '-Mdo', `-s${size}`, host])
      const headers = family === 4 ? 28 : 48
      const { stdout } = await ping(SMALL - headers + 1)
      expect(stdout).toMatch(family === 4 ? /Frag needed.*mtu ?= ?1400/ : /too big.*mtu ?= ?1400/i)
      // The kernel knows now, and sends no such packet again.
      expect(await ping(SMALL - headers)).toMatchObject({ code: 0 })
    }
    const { drops } = await site.end()
    expect(drops.mtuExceeded).toBe(2)
  })

  test('TCPX-67 TCPX-69 what may be cut is, and arrives whole', async () => {
    await using site = await small()
    const [host] = site.lab.serverAddresses(4) as [string]
    const ping = ['-c', '5', '-i', '0.2', '-W', '5', '-M', 'dont', '-s', '4000', host]
    expect(await site.client.tryExec('ping', ping)).toMatchObject({ code: 0 })
    const at = site.lab.namespace('srv1')
    const server = await at.spawn('python3', ['-c', receiver])
    await server.waitForOutput(/^ready$/m)
    await site.client.exec('python3', ['-c', sender(host)])
    await server.waitForOutput(/^4000$/m)
    const { counters } = await site.end()
    expect(counters.fragmented).toBeGreaterThanOrEqual(10)
  })
})

/** Tells how long a datagram is that came. */
const receiver = `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 9))
print("ready", flush=True)
print(len(s.recv(65535)), flush=True)
`

/** Sends 4 000 bytes that routers may cut: IP_MTU_DISCOVER 10, IP_PMTUDISC_DONT 0. */
const sender = (to: string) => `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, 10, 0)
s.sendto(bytes(4000), ("${to}", 9))
`
