/** Programs that know nothing of services, through a service that passes everything on. */
import { describe, expect, test } from 'vitest'
import type { Host, LabProcess } from '../../src/laboratory/index.js'
import { REDIS_PORT, redis, startRedis } from '../helpers/databases.js'
import { curl, url } from '../helpers/http-clients.js'
import { HOLDING_LITTLE, iperf, MOST_UNCOUNTED } from '../helpers/iperf.js'
import { endWithoutComplaints } from '../helpers/kernel-counters.js'
import { startIperf, startServers, untilTested } from '../helpers/servers.js'
import { startServiceSite } from '../helpers/service-site.js'
import { requireHost, requireTools } from '../helpers/skip.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter')

const IPERF = 5201
const passing = (way: string, port: number) => ({
  [port]: `services.${way}(services.SERVER, ${port})`,
})

describe.each([['transformTo'], ['relayTo']])('through %s', (way) => {
  describe('curl and nginx', () => {
    requireTools('nginx', 'curl')

    test('PROXY-03 requests kept alive, closed, in parallel, and ranges of a file', async () => {
      await using site = await startServiceSite(passing(way, 80), { startServers })
      const SIZE = 3_000_000
      await site.servers[0]?.addFile(SIZE)
      for (const family of site.lab.families) {
        const target = url(site.lab.virtualAddress(family), `/bytes/${SIZE}`)
        const many = Array.from({ length: 20 }, () => target)
        const options = { output: '/dev/null' }
        const kept = await curl(site.client, many, options)
        expect(kept).toMatchObject({ bytes: 20 * SIZE, connections: 1, exitCode: 0 })
        const closing = { ...options, args: ['-H', 'Connection: close'] }
        const closed = await curl(site.client, many, closing)
        expect(closed).toMatchObject({ bytes: 20 * SIZE, connections: 20, exitCode: 0 })
        const parallel = { ...options, args: ['--parallel', '--parallel-max', '20'] }
        expect(await curl(site.client, many, parallel)).toMatchObject({
          bytes: 20 * SIZE,
          exitCode: 0,
        })
        const range = await curl(site.client, target, { ...options, args: ['-r', '1000-1999'] })
        expect(range).toMatchObject({ status: 206, bytes: 1000 })
      }
      await endWithoutComplaints(site)
    })
  })

  describe('iperf3', () => {
    requireTools('iperf3')

    test('PROXY-03 both ways, four streams at once', async () => {
      const [BYTES, STREAMS, BUFFERS] = [50_000_000, 4, 8 * 1024 * 1024]
      const servers: LabProcess[] = []
      await using site = await startServiceSite(passing(way, IPERF), {
        startServers: async (lab) => {
          servers.push(await startIperf(lab.servers[0] as Host, IPERF))
          return []
        },
        sysctls: HOLDING_LITTLE,
        more: `limits: { bufferMemory: ${BUFFERS} },`,
      })
      let tests = 0
      for (const family of site.lab.families) {
        for (const reverse of [false, true]) {
          const load = { bytes: BYTES, streams: STREAMS, reverse, port: IPERF }
          const { bytes } = await iperf(site.client, site.lab.virtualAddress(family), load)
          // The engine has the rest, and JavaScript as much again, or the kernels do.
          expect(bytes).toBeGreaterThan(BYTES - 2 * BUFFERS - STREAMS * MOST_UNCOUNTED)
          await untilTested(servers, ++tests)
        }
      }
      await endWithoutComplaints(site)
    })
  })

  describe('Redis', () => {
    requireTools('redis-server', 'redis-benchmark', 'redis-cli')

    test('PROXY-03 every request is answered, in pipelines and one by one', async () => {
      const [REQUESTS, CLIENTS, PIPELINE] = [3200, 30, 16]
      await using site = await startServiceSite(passing(way, REDIS_PORT), {
        startServers: async (lab) => {
          await startRedis(lab, lab.servers[0] as Host)
          return []
        },
      })
      for (const family of site.lab.families) {
        const host = site.lab.servers[0] as Host
        const atServer = (command: string[]) => redis(host.namespace, host.address(family), command)
        await atServer(['config', 'resetstat'])
        const to = ['-h', site.lab.virtualAddress(family), '-p', String(REDIS_PORT), '--csv']
        const load = ['-n', String(REQUESTS), '-c', String(CLIENTS), '-t', 'set,get']
        await site.client.exec('redis-benchmark', [...to, ...load, '-P', String(PIPELINE)])
        await site.client.exec('redis-benchmark', [...to, ...load, '-d', '30000'])
        const statistics = await atServer(['info', 'commandstats'])
        for (const command of ['set', 'get']) {
          const [, calls] = new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(statistics) ?? []
          expect(Number(calls)).toBe(2 * REQUESTS)
        }
        expect(await atServer(['info', 'errorstats'])).toBe('# Errorstats')
      }
      await endWithoutComplaints(site)
    })
  })
})
