/** Floods from endpoints that nobody has: what is in use feels nothing, and memory stays bounded. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { discard } from '../../bench/loads/first-packets.js'
import { flood } from '../../bench/loads/random-flood.js'
import type { DropReason } from '../../src/generated/drop-reasons.js'
import type { EngineStatus } from '../../src/index.js'
import { type Family, until } from '../../src/laboratory/index.js'
import { url } from '../helpers/http-clients.js'
import { startServiceSite } from '../helpers/service-site.js'
import { listen, nodes, Site, type SiteOptions } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { SocketClients } from '../helpers/socket-clients.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'curl', 'nft', 'ping')

const DISCARD = 9
const LIMITS = {
  flows: 20_000,
  waitingFlows: 4000,
  packetBuffers: 8000,
  neighbors: 256,
  busBytes: 4_194_304,
}
/** To the endpoints that nobody has: by the client. */
const WAY_BACK = `routes: [
  { to: '0.0.0.0/0', via: '192.0.2.10' }, { to: '::/0', via: '2001:db8:1::10' }],`
const MEBIBYTE = 1 << 20
/** What these limits come to: flows and packets in C++, sessions in JavaScript, and its garbage. */
const LIMITED_MEMORY = 150 * MEBIBYTE

/** Virtual servers of TCP and UDP. */
function startSite(options: Partial<SiteOptions> = {}): Promise<Site> {
  return Site.start({
    topology: 'two-arm',
    pools: (family, lab) => ({ sink: `nodes: ${nodes(lab, family, DISCARD)}` }),
    virtualServers: (family, lab) => ({
      web: `listen: '${listen(lab, family, 80)}', pool: 'web${family}'`,
      sink: `listen: '${listen(lab, family, DISCARD, 'udp')}', pool: 'sink${family}'`,
    }),
    more: `limits: ${JSON.stringify(LIMITS)}, ${WAY_BACK}
      timeouts: { tcpClosingMs: 1000 },`,
    ...options,
  })
}

/** What `work` gives, and the most that each gauge was meanwhile. */
async function withHighWater<T>(site: Site, work: Promise<T>) {
  const most: Record<string, number> = {}
  let over = false
  const done = work.finally(() => {
    over = true
  })
  while (!over) {
    const { counters } = await site.status()
    for (const [name, value] of Object.entries(counters)) {
      most[name] = Math.max(most[name] ?? 0, value)
    }
  }
  return { result: await done, most }
}

function residentBytes(pid: number): number {
  const [, kilobytes] =
    /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kilobytes) * 1024
}

/** So many transfers at once by one curl, slow enough to last through a flood; their SHA-256. */
async function startTransfers(site: Site, count: number, size: number, rate: string) {
  const files = Array.from({ length: count }, (_, index) => join(site.lab.folder, `got-${index}`))
  const lines = files.flatMap((file, index) => {
    const family = site.lab.families[index % 2]
    return [
      `url = "${url(site.lab.virtualAddress(family), `/bytes/${size}`)}"`,
      `output = "${file}"`,
    ]
  })
  const parallel = ['--parallel', '--parallel-immediate', '--parallel-max', String(count)]
  const args = ['-gf', '--no-progress-meter', '--limit-rate', rate, ...parallel, '-K', '-']
  const done = site.client.tryExec('curl', args, { input: lines.join('\n'), timeoutMs: 110_000 })
  await until('all transfers are under way', async () => {
    const flows = await site.flows()
    return flows.length >= count && flows.every(({ bytes }) => bytes.out > 0)
  })
  return async () => {
    const { code, stderr } = await done
    expect(code, stderr).toBe(0)
    return files.map((file) => createHash('sha256').update(readFileSync(file)).digest('hex'))
  }
}

const unexpected = (drops: EngineStatus['drops'], expected: DropReason[]) =>
  Object.keys(drops).filter((reason) => !expected.includes(reason as DropReason))

test('FLOWLIFE-05 TCPX-01 DFS-19 a million SYNs and 100 000 UDP flows, and 100 transfers that go on', async () => {
  const SYNS = 500_000
  const DATAGRAMS = 50_000
  const TRANSFERS = 100
  const SIZE = 2_000_000
  await using site = await startSite()
  const [sha256] = await Promise.all(site.servers.map((server) => server.addFile(SIZE)))
  for (const host of site.lab.servers) await discard(host.namespace, 'eth0')
  const transfers = await startTransfers(site, TRANSFERS, SIZE, '200k')
  const { pid } = site.engine.process
  const before = residentBytes(pid)

  const floods = site.lab.families.flatMap((family) => {
    const address = site.lab.virtualAddress(family)
    return [
      flood(site.lab, { kind: 'syn', to: { address, port: 80 }, packets: SYNS, rate: 60_000 }),
      flood(site.lab, {
        kind: 'datagram',
        to: { address, port: DISCARD },
        packets: DATAGRAMS,
        rate: 6000,
      }),
    ]
  })
  const { result, most } = await withHighWater(site, Promise.all(floods))
  const sent = result.reduce((sum, count) => sum + count, 0)
  expect(sent).toBeGreaterThan(0.99 * 2 * (SYNS + DATAGRAMS))
  expect(new Set(await transfers())).toEqual(new Set([sha256]))

  // The floods filled what they could reach, and not more.
  const places = LIMITS.flows + LIMITS.flows / 16 + 1
  expect(most.flowEntries).toBeGreaterThan(LIMITS.flows)
  expect(most.flowEntries).toBeLessThanOrEqual(2 * places)
  expect(most.waitingFlows).toBeLessThanOrEqual(LIMITS.waitingFlows)
  expect(most.poolBuffers).toBeLessThanOrEqual(LIMITS.packetBuffers * 1.01 + 1)
  expect(residentBytes(pid) - before).toBeLessThan(LIMITED_MEMORY)
  for (const family of site.lab.families) {
    expect(await site.fetch(family)).toMatchObject({ status: 200, exitCode: 0 })
  }

  const { counters, decisions, drops, ports } = await site.end()
  expect(decisions).toMatchObject({ unknown: 0, unavailable: 0, rejected: 0 })
  expect(counters.flowsEvicted).toBeGreaterThan(0)
  const outside = ports.find(({ name }) => name === 'outside')?.counters
  expect((outside?.rxFrames ?? 0) + (outside?.rxMissed ?? 0)).toBeGreaterThan(sent)
  const floodDrops: DropReason[] = [
    'waitingFull',
    'waitingExpired',
    'waitingDuplicate',
    'flowTableFull',
    'poolExhausted',
    'noFlow',
    'transmitFailed',
  ]
  expect(unexpected(drops, [...floodDrops, 'multicast'])).toEqual([])
})

test('HS-28 TCPX-36 blind segments, garbage and false neighbours leave live connections alone', async () => {
  const BLIND = 20_000
  const OTHERS = 50_000
  await using site = await startSite()
  const clients = await SocketClients.start(site.client)
  const open = (family: Family) =>
    clients.connect({ host: site.lab.virtualAddress(family), port: 80 })
  const sockets = await Promise.all(
    site.lab.families.flatMap((family) => [open(family), open(family)]),
  )
  const names = await Promise.all(sockets.map((socket) => socket.request()))
  const endpoints = sockets.map(({ local }) => /^\[?([^\]]+?)\]?:(\d+)$/.exec(local) ?? [])

  for (const [, address = '', port] of endpoints) {
    const to = { address: site.lab.virtualAddress(address.includes(':') ? 6 : 4), port: 80 }
    const from = { address, port: Number(port) }
    await flood(site.lab, { kind: 'segment', to, from, packets: BLIND })
  }
  for (const family of site.lab.families) {
    const virtual = { address: site.lab.virtualAddress(family), port: 80 }
    await flood(site.lab, { kind: 'segment', to: virtual, packets: OTHERS })
    await flood(site.lab, { kind: 'garbage', to: virtual, packets: OTHERS })
    await flood(site.lab, { kind: 'neighbor', to: virtual, packets: OTHERS })
  }
  expect(await Promise.all(sockets.map((socket) => socket.request()))).toEqual(names)
  const flows = (await site.flows()).map(({ client }) => client)
  expect(flows).toEqual(expect.arrayContaining(sockets.map(({ local }) => local)))
  const { decisions, drops } = await site.end()
  // One that was taken to be in its close, or over, would have had to come back.
  expect(decisions).toMatchObject({ resumed: 0, unavailable: 0, rejected: 0 })
  expect(drops).not.toHaveProperty('neighborTableFull')
  for (const reason of ['ipMalformed', 'l4Malformed', 'tcpFlagsInvalid', 'noFlow', 'ownAddress']) {
    expect(drops).toHaveProperty(reason)
  }
})

test('TCPX-01 FLOWLIFE-05 200 000 SYNs a second to a service, which goes on serving, and nothing grows', async () => {
  const SYNS = 1_000_000
  const CONNECTIONS = 2000
  /** Half-open ones for which state is kept (native/segment/half_open.h). */
  const KEPT = CONNECTIONS / 4 + 16
  await using site = await startServiceSite(
    { 80: 'services.relayTo(services.SERVER, 80)' },
    { more: `limits: ${JSON.stringify({ ...LIMITS, connections: CONNECTIONS })}, ${WAY_BACK}` },
  )
  const { pid } = site.engine.process
  for (const family of site.lab.families) await site.fetch(family)
  const before = residentBytes(pid)
  let fetched = 0
  let over = false
  const floods = Promise.all(
    site.lab.families.map((family) => {
      const to = { address: site.lab.virtualAddress(family), port: 80 }
      return flood(site.lab, { kind: 'syn', to, packets: SYNS, rate: 100_000 })
    }),
  ).finally(() => {
    over = true
  })
  const serve = async (family: Family) => {
    for (; !over; fetched++) {
      const answer = await site.fetch(family, '/', 80, { timeoutMs: 100_000 })
      expect(answer).toMatchObject({ status: 200, exitCode: 0 })
    }
  }
  const served = Promise.all([floods, ...site.lab.families.map(serve)])
  const { result, most } = await withHighWater(site, served)
  const sent = result[0].reduce((sum, count) => sum + count, 0)
  expect(sent).toBeGreaterThan(0.99 * 2 * SYNS)
  expect(fetched).toBeGreaterThan(0)

  // Beside those that were kept before it was known for a flood, some of clients that are, or were,
  // served.
  const live = KEPT + 50
  expect(most.connections).toBeLessThanOrEqual(live)
  expect(most.sockets).toBeLessThanOrEqual(live)
  expect(most.flows).toBeLessThanOrEqual(live)
  expect(residentBytes(pid) - before).toBeLessThan(50 * MEBIBYTE)
  const { counters, drops, ports } = await site.end()
  const outside = ports.find(({ name }) => name === 'outside')?.counters
  expect((outside?.rxFrames ?? 0) + (outside?.rxMissed ?? 0)).toBeGreaterThan(sent)
  expect(counters.synCookiesSent).toBeGreaterThan((outside?.rxFrames ?? 0) / 2)
  expect(counters.synCookiesAccepted).toBeGreaterThan(0)
  // SYNs of its first second, before any SYN-ACK had to be repeated.
  expect(drops.connectionsFull).toBeLessThan((outside?.rxFrames ?? 0) / 2)
  expect(drops).not.toHaveProperty('neighborTableFull')
})
