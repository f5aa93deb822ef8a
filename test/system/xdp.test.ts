/** AF_XDP ports in place of AF_PACKET: what must hold of transfers, of TCP and of silence. */
import { describe, expect, test } from 'vitest'
import type { Host } from '../../src/laboratory/index.js'
import { Capture } from '../helpers/capture.js'
import { deviceSettings } from '../helpers/device-settings.js'
import { decodeFrame } from '../helpers/frame.js'
import { curlSha256, url } from '../helpers/http-clients.js'
import { checksumErrors, kernelCounters } from '../helpers/kernel-counters.js'
import { startServers } from '../helpers/servers.js'
import { type Ports, Site, type SiteOptions } from '../helpers/site.js'
import { requireCaptures, requireHost, requireTools } from '../helpers/skip.js'
import { tcpViolations } from '../helpers/tcp-invariants.js'

requireHost('netns', 'afPacket', 'afXdp')
requireTools('ip', 'nsenter', 'nginx', 'curl', 'bash', 'sha256sum', 'ethtool')

const SIZE = 100_000_000

/** The ports of a laboratory, those of these names through AF_XDP. */
function overXdp(ports: Ports, ...names: string[]): Ports {
  const changed = Object.entries(ports).map(([name, port]) => [
    name,
    names.includes(name) ? { ...port, kind: 'xdp' } : port,
  ])
  return Object.fromEntries(changed) as Ports
}

const bothXdp: SiteOptions['ports'] = (ports) => overXdp(ports, 'outside', 'inside')

/** Fetches over each family; no host may have seen a bad checksum. */
async function fetchAll(site: Site): Promise<void> {
  const sha256 = await site.servers[0]?.addFile(SIZE)
  for (const family of site.lab.families) {
    const target = url(site.lab.virtualAddress(family), `/bytes/${SIZE}`)
    const fetched = await curlSha256(site.client, target)
    expect(fetched).toMatchObject({ status: 200, bytes: SIZE, body: sha256, exitCode: 0 })
  }
  for (const host of [site.lab.client, ...site.lab.servers]) {
    expect(await checksumErrors(host.namespace)).toEqual({})
  }
}

describe('100 MB over two-arm', () => {
  test.each([
    ['both ports', ['outside', 'inside']],
    ['the outside port', ['outside']],
    ['the inside port', ['inside']],
  ])('ARCH-08 DFS-10 TCPX-32 equal sha256 with AF_XDP at %s', async (_where, names) => {
    const ports = (all: Ports) => overXdp(all, ...names)
    await using site = await Site.start({ topology: 'two-arm', servers: 1, ports })
    const modes = (await site.status()).ports.map(({ mode }) => mode)
    expect(modes.filter((mode) => mode === 'AF_XDP, driver mode, copy')).toHaveLength(names.length)
    await fetchAll(site)
    const { drops } = await site.end()
    expect(drops.truncated).toBeUndefined()
  })

  test('TCPX-32 equal sha256 where no host offloads, and no checksum is left open', async () => {
    await using site = await Site.start({ topology: 'two-arm', servers: 1, ports: bothXdp })
    await site.withoutOffloads()
    await fetchAll(site)
    await site.end()
  })
})

/** Sequence number and length of each segment with data from `source`, in the order of the wire. */
function dataFrom(frames: { bytes: Buffer }[], source: string): string[] {
  return frames.flatMap(({ bytes }) => {
    const { ip, tcp } = decodeFrame(bytes)
    if (ip?.source !== source || !tcp || tcp.payload.length === 0) return []
    return [`${tcp.sequence} + ${tcp.payload.length}`]
  })
}

test('TCPX-79 AF_XDP ports keep the order, and no window edge moves left', async () => {
  await using site = await Site.start({
    topology: 'two-arm',
    servers: 1,
    ports: bothXdp,
    record: true,
  })
  await site.servers[0]?.addFile(5_000_000)
  for (const family of site.lab.families) {
    const fetched = await site.fetch(family, '/bytes/5000000', 80, { output: '/dev/null' })
    expect(fetched).toMatchObject({ status: 200, bytes: 5_000_000 })
  }
  await site.end()
  const [outside, inside] = [site.passed('outside'), site.passed('inside')]
  expect(tcpViolations(outside)).toEqual([])
  expect(tcpViolations(inside)).toEqual([])
  const [host] = site.lab.servers as [Host]
  for (const family of site.lab.families) {
    const received = dataFrom(inside, host.address(family))
    expect(received.length).toBeGreaterThan(1000)
    expect(dataFrom(outside, site.lab.virtualAddress(family))).toEqual(received)
  }
})

describe('silence', () => {
  requireCaptures()

  test('DFS-22 the kernel sees nothing of what an AF_XDP port receives, and says nothing', async () => {
    let before = ''
    await using site = await Site.start({
      topology: 'two-arm',
      ports: bothXdp,
      startServers: async (lab) => {
        before = await deviceSettings(lab)
        return startServers(lab)
      },
    })
    const ctl = site.lab.namespace('ctl')
    const capture = await Capture.start(site.lab, ctl, 'ext0')
    const start = await kernelCounters(ctl)
    for (const family of site.lab.families) {
      expect(await site.fetch(family)).toMatchObject({ status: 200 })
      const host = site.lab.virtualAddress(family)
      expect((await site.client.tryExec('ping', ['-c', '1', '-W', '10', host])).code).toBe(0)
    }
    const { IpInReceives, IpOutRequests } = await kernelCounters(ctl)
    expect({ IpInReceives, IpOutRequests }).toEqual({
      IpInReceives: start.IpInReceives,
      IpOutRequests: start.IpOutRequests,
    })
    // What the engine sends passes the kernel's packet sockets; what it receives does not.
    const { stdout } = await ctl.exec('ip', ['-j', 'link', 'show', 'dev', 'ext0'])
    const own = JSON.parse(stdout)[0].address
    const frames = (await capture.stop()).map(({ bytes }) => decodeFrame(bytes))
    expect(frames.filter(({ source }) => source !== own)).toEqual([])
    await site.engine.process.stop('SIGKILL')
    expect(await deviceSettings(site.lab)).toBe(before)
  })
})
