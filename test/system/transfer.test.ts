/** Large transfers through a virtual server: no byte may be lost or changed, whatever is offloaded. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TopologyName } from '../../src/laboratory/index.js'
import { writeContents } from '../helpers/contents.js'
import { curlSha256, url } from '../helpers/http-clients.js'
import { checksumErrors } from '../helpers/kernel-counters.js'
import { type Ports, Site } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'curl', 'bash', 'sha256sum', 'ethtool')

interface Contents {
  name: string
  size: number
  sha256: string
}

let folder: string
let large: Contents
let small: Contents

async function contents(name: string, size: number): Promise<Contents> {
  return { name, size, sha256: await writeContents(join(folder, name), size) }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-transfer-'))
  large = await contents('large', 1_000_000_000)
  small = await contents('small', 30_000_000)
})

afterAll(() => rm(folder, { recursive: true, force: true }))

/** Fetches over each family; the server must see the client itself, and no host a bad checksum. */
async function fetchAll(site: Site, { name, size, sha256 }: Contents): Promise<void> {
  const [server] = site.servers
  server?.linkFile(join(folder, name))
  const clients: string[] = []
  for (const family of site.lab.families) {
    const target = url(site.lab.virtualAddress(family), `/bytes/${name}`)
    const fetched = await curlSha256(site.client, target)
    expect(fetched).toMatchObject({ status: 200, bytes: size, body: sha256, exitCode: 0 })
    expect(fetched.client).toContain(site.lab.client.address(family))
    clients.push(fetched.client)
  }
  const log = await server?.untilLogged(clients.length)
  expect(log?.map(({ client }) => client)).toEqual(clients)
  for (const host of [site.lab.client, ...site.lab.servers]) {
    expect(await checksumErrors(host.namespace)).toEqual({})
  }
}

describe.each<TopologyName>(['tap', 'two-arm', 'one-arm'])('1 GB over %s', (topology) => {
  if (topology === 'tap') requireHost('tun')

  test('ARCH-08 DFS-10 TCPX-32 TCPX-34 equal sha256, whole super-packets, IPv4 and IPv6', async () => {
    await using site = await Site.start({ topology, servers: 1 })
    await fetchAll(site, large)
    const { counters, drops } = await site.end()
    // Hosts send multicast of their own: MLD reports.
    expect({ ...drops, multicast: 0 }).toEqual({ multicast: 0 })
    // Most of the bytes came in super-packets, or this was no test of them.
    expect(counters.receivedSegments).toBeGreaterThan(2 * counters.received)
    expect(counters.softwareSegmented).toBe(0)
  })
})

const without = (ports: Ports, name: string): Ports => ({
  ...ports,
  [name]: { ...(ports[name] as Ports[string]), offloads: false },
})

describe.each<TopologyName>(['tap', 'two-arm'])('30 MB over %s', (topology) => {
  if (topology === 'tap') requireHost('tun')

  test('TCPX-32 TCPX-34 super-packets are cut for an outside port without offloads', async () => {
    const ports = (all: Ports) => without(all, 'outside')
    await using site = await Site.start({ topology, servers: 1, ports })
    await fetchAll(site, small)
    expect((await site.end()).counters.softwareSegmented).toBeGreaterThan(0)
  })

  test('TCPX-32 checksums are whole where no port offloads', async () => {
    const ports = (all: Ports) => without(without(all, 'outside'), 'inside')
    await using site = await Site.start({ topology, servers: 1, ports })
    await fetchAll(site, small)
    await site.end()
  })

  test('TCPX-32 TCPX-34 from hosts that complete checksums and cut segments themselves', async () => {
    await using site = await Site.start({ topology, servers: 1 })
    await site.withoutOffloads()
    await fetchAll(site, small)
    const { counters } = await site.end()
    expect(counters.receivedSegments).toBe(counters.received)
  })

  test('TCPX-34 to a client behind a smaller MTU', async () => {
    const ports = ({ outside, ...rest }: Ports): Ports => ({
      ...rest,
      outside: { ...(outside as Ports[string]), mtu: 1400 },
    })
    await using site = await Site.start({ topology, servers: 1, ports })
    const device = topology === 'tap' ? 'ext0' : 'eth0'
    await site.client.ip([`link set ${device} mtu 1400`])
    await fetchAll(site, small)
    expect((await site.end()).drops.mtuExceeded).toBeUndefined()
  })
})
