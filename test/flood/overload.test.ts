/**
 * More new flows than can be decided: the memory stays bounded, every packet has its verdict, known
 * flows feel nothing, and afterwards all is as before. The policy works for a whole millisecond, so
 * that a flood of ten times what it can decide is no load for anything else.
 */
import { expect, test } from 'vitest'
import { FirstPackets, unavailable } from '../../bench/loads/first-packets.js'
import type { EngineStatus } from '../../src/index.js'
import { until } from '../../src/laboratory/index.js'
import { curlSha256, url } from '../helpers/http-clients.js'
import { listen, nodes, Site } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'curl', 'nft', 'ping', 'bash', 'sha256sum')

const SIZE = 200_000_000
const DISCARD = 9
/** Small ones, so that the flood reaches each of them. */
const LIMITS = { flows: 4000, waitingFlows: 1000, packetBuffers: 2000, busBytes: 65_536 }

test('DFS-08 DFS-19 ten times the flows that can be decided harm no other', async () => {
  expect(await unavailable([])).toBeUndefined()
  await using site = await Site.start({
    topology: 'two-arm',
    servers: 1,
    families: [4],
    prelude: `
      function slow() {
        const end = performance.now() + 1
        while (performance.now() < end) {}
        return 'sink4'
      }
    `,
    pools: (family, lab) => ({ sink: `nodes: ${nodes(lab, family, DISCARD)}` }),
    virtualServers: (family, lab) => ({
      web: `listen: '${listen(lab, family, 80)}', pool: 'web${family}'`,
      sink: `listen: '${listen(lab, family, DISCARD, 'udp')}', policy: slow`,
    }),
    more: `limits: ${JSON.stringify(LIMITS)},`,
  })
  const virtual = site.lab.virtualAddress()
  const sha256 = await site.servers[0]?.addFile(SIZE)
  const packets = await FirstPackets.towards(site.lab, virtual)

  // Held to a rate at which it lasts longer than the flood.
  const limit = ['--limit-rate', '40M']
  const transfer = curlSha256(site.client, url(virtual, `/bytes/${SIZE}`), limit)
  await until('the transfer has begun', async () => (await site.status()).flows > 0)
  const flood = await packets.offer({ flows: 30_000, rate: 10_000, seconds: 3 })
  // Some were decided, most were not; neither is the transfer's business.
  expect(flood.arrived).toBeGreaterThan(0)
  expect(flood.arrived).toBeLessThan(flood.planned / 2)
  const { counters, decisions, virtualServers } = await site.status()
  // A sixteenth more, for those that open or are over.
  expect(counters.flowEntries).toBeLessThanOrEqual(2 * (LIMITS.flows + LIMITS.flows / 16 + 1))
  expect(counters.waitingFlows).toBeLessThanOrEqual(LIMITS.waitingFlows)
  expect(counters.poolBuffers).toBeLessThanOrEqual(LIMITS.packetBuffers * 1.01 + 1)
  expect(decisions.late).toBeGreaterThan(0)
  // Sessions in JavaScript: one for each flow, and as many again whose flows were evicted.
  const sessions = virtualServers.reduce((sum, { connections }) => sum + connections, 0)
  expect(sessions).toBeLessThanOrEqual(2 * LIMITS.flows + LIMITS.flows / 16 + 1)
  expect(await transfer).toMatchObject({ status: 200, bytes: SIZE, body: sha256, exitCode: 0 })

  // New flows are decided again, without a restart.
  expect(await site.fetch(4)).toMatchObject({ status: 200, body: 'srv1\n' })
  const after = await packets.offer({ flows: 200, rate: 200, seconds: 1 })
  expect(after.arrived).toBe(after.planned)
  const end = await site.end()
  expect(end.drops).toHaveProperty('waitingExpired')
  for (const port of ['outside', 'inside']) {
    expect(countersOf(end, port)).toMatchObject({ rxMissed: 0, txRefused: 0 })
  }
  const lost = { waitingExpired: 0, waitingFull: 0, multicast: 0 }
  expect({ ...end.drops, ...lost }).toEqual(lost)
})

const countersOf = ({ ports }: EngineStatus, port: string) =>
  ports.find(({ name }) => name === port)?.counters
