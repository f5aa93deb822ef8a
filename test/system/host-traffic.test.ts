/** A device that the host itself needs: what is the host's stays the host's. */
import { describe, expect, test } from 'vitest'
import { type Family, type Host, Laboratory, until } from '../../src/laboratory/index.js'
import { Capture } from '../helpers/capture.js'
import { type DecodedFrame, decodeFrame } from '../helpers/frame.js'
import { curlSha256, url } from '../helpers/http-clients.js'
import { NginxServer, startServers } from '../helpers/servers.js'
import { Site } from '../helpers/site.js'
import { requireCaptures, requireHost, requireTools } from '../helpers/skip.js'
import { SlowDownload } from '../helpers/slow-download.js'
import { SluiceProcess } from '../helpers/sluice-process.js'

requireCaptures()
requireTools('ip', 'nsenter', 'nginx', 'curl', 'bash', 'sha256sum')

/** The addresses of the engine's own host, beside those of the engine. */
const own = { 4: '192.0.2.2', 6: '2001:db8:1::2' } as const
const PORT = 8080
const SIZE = 30_000_000
const PART = 1_000_000

/** The engine's host has addresses on the outside device, and a service there. */
async function serveOnHost(lab: Laboratory): Promise<NginxServer> {
  const ctl = lab.namespace('ctl')
  await ctl.setSysctls({ 'ipv6/conf/ext0/disable_ipv6': 0 })
  await ctl.ip([`address add ${own[4]}/24 dev ext0`, `address add ${own[6]}/64 dev ext0 nodad`])
  const host: Host = { name: 'ctl', namespace: ctl, address: (family = 4) => own[family] }
  return NginxServer.start(lab, host, { port: PORT })
}

/** An ICMP error: below 128 in ICMPv6 (RFC 4443, 2.1), RFC 792 has them one by one. */
const isComplaint = ({ ip, icmp }: DecodedFrame) =>
  icmp !== undefined &&
  (ip?.version === 6 ? icmp.type < 128 : [3, 4, 5, 11, 12].includes(icmp.type))

const isEngine = ({ senderAddress }: { senderAddress: string }) => senderAddress === '192.0.2.1'

const download = (lab: Laboratory, family: Family) =>
  SlowDownload.start(lab.client.namespace, url(own[family], `/bytes/${SIZE}`, PORT))

test('trap 7 ARCH-08 DFS-22 the host keeps its connections on a device that the engine opens', async () => {
  let sha256 = ''
  const before: SlowDownload[] = []
  await using site = await Site.start({
    topology: 'two-arm',
    startServers: async (lab) => {
      sha256 = await (await serveOnHost(lab)).addFile(SIZE)
      for (const family of lab.families) before.push(await download(lab, family))
      for (const one of before) await one.take(PART)
      return startServers(lab)
    },
  })
  const { lab } = site
  const capture = await Capture.start(lab, lab.namespace('ctl'), 'ext0', { snapLength: 128 })
  const during: SlowDownload[] = []
  for (const family of lab.families) {
    expect(await site.fetch(family)).toMatchObject({ status: 200, exitCode: 0 })
    during.push(await download(lab, family))
    await (during.at(-1) as SlowDownload).take(PART)
    // What nobody listens to is the host's business as well.
    const closed = await curlSha256(site.client, url(own[family], '/', 81))
    expect(closed.exitCode).toBe(7)
  }
  for (const one of before) expect(await one.finish()).toEqual({ sha256, code: 0 })
  const { drops, counters } = await site.end()
  // Each of them, but for neighbours' questions, which come to all.
  expect(drops.hostAddress).toBeGreaterThan(100)
  expect(counters).toMatchObject({ queries: 2, icmpErrors: 0 })
  const frames = (await capture.stop()).map(({ bytes }) => decodeFrame(bytes))
  // The engine asked nobody for the host's addresses, sent nothing there, and complained of nothing.
  const hosts: string[] = Object.values(own)
  const toHost = frames.filter(({ ip }) => ip && hosts.includes(ip.destination))
  expect(new Set(toHost.map(({ source }) => source)).size).toBe(1)
  expect(frames.filter(({ arp }) => arp?.targetAddress === own[4] && isEngine(arp))).toEqual([])
  expect(frames.filter(isComplaint)).toEqual([])
  for (const one of during) expect(await one.finish()).toEqual({ sha256, code: 0 })
})

test('trap 7 LB-10 checks of the host over the inside device make no flows', async () => {
  const inside = { 4: '10.1.0.254', 6: '2001:db8:2::fe' } as const
  await using site = await Site.start({
    topology: 'two-arm',
    pool: `check: { kind: 'http', intervalMs: 100 }`,
    startServers: async (lab) => {
      const ctl = lab.namespace('ctl')
      await ctl.setSysctls({ 'ipv6/conf/int0/disable_ipv6': 0 })
      const lines = [`${inside[4]}/24 dev int0`, `${inside[6]}/64 dev int0 nodad`]
      await ctl.ip(lines.map((line) => `address add ${line}`))
      return startServers(lab)
    },
    runsIn: 'ctl',
  })
  const checked = async () => {
    const { pools } = await site.status()
    return pools.flatMap(({ nodes }) => nodes).every(({ responseMs }) => responseMs !== null)
  }
  await until('every node was checked', checked)
  const log = await site.servers[0]?.untilLogged(6)
  expect(new Set(log?.map(({ client }) => client.replace(/:\d+$/, '')))).toEqual(
    new Set([inside[4], `[${inside[6]}]`]),
  )
  const { counters, drops } = await site.end()
  expect(counters).toMatchObject({ queries: 0, flowsOpened: 0, icmpErrors: 0 })
  expect(drops.hostAddress).toBeGreaterThan(20)
})

describe('through AF_XDP', () => {
  requireHost('afXdp')

  test('trap 7 AF_XDP does not take a device that its host needs', async () => {
    await using lab = await Laboratory.create({ topology: 'two-arm', servers: 1 })
    const sha256 = await (await serveOnHost(lab)).addFile(SIZE)
    const ports = Object.fromEntries(
      Object.entries(lab.ports()).map(([name, port]) => [name, { ...port, kind: 'xdp' }]),
    )
    const refused = SluiceProcess.start(lab, { ports, pools: {}, virtualServers: {} })
    await expect(refused).rejects.toThrow(/host has an address there, and would be cut off/)
    for (const family of lab.families) {
      const target = url(own[family], `/bytes/${SIZE}`, PORT)
      expect((await curlSha256(lab.client.namespace, target)).body).toBe(sha256)
    }
  })
})
