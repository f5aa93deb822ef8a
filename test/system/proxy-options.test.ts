/**
 * Kernels with each combination of the options of TCP on the other end of both legs: all bytes come,
 * and neither kernel has anything against what the engine sends.
 */
import { describe, expect, test } from 'vitest'
import type { Host } from '../../src/laboratory/index.js'
import { loseSegments } from '../helpers/impairment.js'
import { endWithoutComplaints } from '../helpers/kernel-counters.js'
import { type NginxServer, startServers } from '../helpers/servers.js'
import { startServiceSite } from '../helpers/service-site.js'
import type { Site, SiteOptions } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { tcpViolations } from '../helpers/tcp-invariants.js'
import { tcpStreams } from '../helpers/tcp-streams.js'
import { transferSize } from '../helpers/transfer-size.js'
import { startUploads } from '../helpers/uploads.js'
import { BothWays } from '../helpers/whole-transfer.js'

requireHost('netns', 'afPacket', 'tun')
requireTools('ip', 'nsenter', 'nginx', 'curl', 'python3', 'bash', 'sha256sum', 'ethtool', 'nft')

const UPLOADS = 81
const LARGE = transferSize(64_000_000)
const WAYS = [['transformTo'], ['relayTo']] as const

interface Options {
  timestamps: 0 | 1
  sack: 0 | 1
  scaling: 0 | 1
}

const COMBINATIONS: Options[] = [0, 1, 2, 3, 4, 5, 6, 7].map((bits) => ({
  timestamps: (bits & 1) as 0 | 1,
  sack: ((bits >> 1) & 1) as 0 | 1,
  scaling: ((bits >> 2) & 1) as 0 | 1,
}))

const sysctls = ({ timestamps, sack, scaling }: Options) => ({
  'ipv4/tcp_timestamps': timestamps,
  'ipv4/tcp_sack': sack,
  'ipv4/tcp_window_scaling': scaling,
})

function startSite(way: string, options: Partial<SiteOptions> = {}): Promise<Site> {
  const service = (port: number) => `services.${way}(services.SERVER, ${port})`
  return startServiceSite(
    { 80: service(80), [UPLOADS]: service(UPLOADS) },
    {
      startServers: async (lab) => {
        await startUploads(lab.servers[0] as Host, UPLOADS)
        return startServers(lab)
      },
      ...options,
    },
  )
}

/** A download and an upload of `size` bytes for each family. */
async function transfer(site: Site, size: number): Promise<void> {
  const contents = await BothWays.prepare(site, site.servers[0] as NginxServer, size)
  await contents.transfer(UPLOADS)
}

describe.each(WAYS)('through %s', (way) => {
  test.each(COMBINATIONS)(
    'PROXY-02 TCPX-39 timestamps $timestamps, SACK $sack, window scaling $scaling at the client',
    async (options) => {
      await using site = await startSite(way)
      await site.client.setSysctls(sysctls(options))
      await transfer(site, LARGE / 8)
      await endWithoutComplaints(site)
    },
  )

  test.each(COMBINATIONS)(
    'PROXY-02 TCPX-39 timestamps $timestamps, SACK $sack, window scaling $scaling at the server',
    async (options) => {
      await using site = await startSite(way)
      await (site.lab.servers[0] as Host).namespace.setSysctls(sysctls(options))
      await transfer(site, LARGE / 8)
      await endWithoutComplaints(site)
    },
  )

  test.each([['two-arm'], ['tap'], ['one-arm']] as const)(
    'TCPX-32 PROXY-06 a large transfer each way over %s',
    async (topology) => {
      await using site = await startSite(way, { topology })
      await transfer(site, LARGE)
      await endWithoutComplaints(site)
    },
  )

  test.each(COMBINATIONS)(
    'TCPX-53 TCPX-62 links that lose one of a hundred; timestamps $timestamps, SACK $sack, window scaling $scaling',
    async (options) => {
      await using site = await startSite(way, { sysctls: sysctls(options), record: true })
      await site.withoutOffloads()
      for (const { at, device } of site.devices) await loseSegments(at, device, 1)
      await transfer(site, 1_000_000)
      await site.end()
      const clients = site.lab.families.map((family) => site.lab.client.address(family))
      const virtual = site.lab.families.map((family) => site.lab.virtualAddress(family))
      // The engine is the virtual address to clients, and the client to servers. A kernel in TIME-WAIT
      // takes a window back.
      for (const [port, own] of [
        ['outside', virtual],
        ['inside', clients],
      ] as const) {
        const frames = site.passed(port)
        const ours = tcpViolations(frames).filter((what) => own.some((one) => what.includes(one)))
        expect(ours).toEqual([])
        const streams = tcpStreams(frames)
        expect(streams).toHaveLength(8)
        for (const { from, segments } of streams) {
          // What the engine itself offers to a server is its own affair.
          if (port === 'inside' && clients.some((client) => from.includes(client))) continue
          const [syn] = segments
          expect(Boolean(syn?.tcp.options.timestamps)).toBe(options.timestamps === 1)
          expect(Boolean(syn?.tcp.options.sackPermitted)).toBe(options.sack === 1)
          expect(syn?.tcp.options.windowScale !== undefined).toBe(options.scaling === 1)
        }
      }
    },
  )
})
