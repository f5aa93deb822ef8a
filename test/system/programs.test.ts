/** Programs that people put behind a balancer, with the clients that come with them. */
import { describe, expect, test } from 'vitest'
import type { Family, Laboratory, LabProcess, TopologyName } from '../../src/laboratory/index.js'
import {
  POSTGRES_PORT,
  PostgresServer,
  pgbench,
  REDIS_PORT,
  redis,
  requirePostgres,
  sql,
  startRedis,
} from '../helpers/databases.js'
import { HOLDING_LITTLE, iperf, iperfDatagrams, MOST_UNCOUNTED } from '../helpers/iperf.js'
import { kernelCounters } from '../helpers/kernel-counters.js'
import { startIperf, untilTested } from '../helpers/servers.js'
import { listen, nodes, Site } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'ss')

const topologies: TopologyName[] = ['two-arm', 'tap']

/** What no run of a well-behaved program may meet. */
async function endUnharmed(site: Site): Promise<void> {
  const { TcpExtTCPSynRetrans: repeated = 0 } = await kernelCounters(site.client)
  const { decisions, drops } = await site.end()
  expect(decisions).toMatchObject({ unavailable: 0, limited: 0, rejected: 0, unknown: 0 })
  const { waitingDuplicate = 0, ...harm } = drops
  // A machine that stands still for a second makes clients repeat their SYNs, once for all (HS-05).
  expect(waitingDuplicate).toBeLessThanOrEqual(repeated)
  // Hosts send multicast of their own: MLD reports.
  expect({ ...harm, multicast: 0 }).toEqual({ multicast: 0 })
}

/** A site with one virtual server for each family at the port of its servers. */
function startSite(
  options: { topology: TopologyName; servers: number; port: number },
  start: (lab: Laboratory) => Promise<unknown>,
): Promise<Site> {
  const { port, ...rest } = options
  return Site.start({
    ...rest,
    startServers: async (lab) => {
      await start(lab)
      return []
    },
    pools: (family, lab) => ({ data: `nodes: ${nodes(lab, family, port)}` }),
    virtualServers: (family, lab) => ({
      data: `listen: '${listen(lab, family, port)}', pool: 'data${family}'`,
    }),
  })
}

describe.each(topologies)('PostgreSQL over %s', (topology) => {
  if (topology === 'tap') requireHost('tun')
  requirePostgres()

  /** Clients, and the transactions of each. */
  const CLIENTS = 8
  const TRANSACTIONS = 25
  const ROWS = 100_000

  /** Runs pgbench's own transaction, a mixture of reads and writes, and counts. */
  async function bench(site: Site, family: Family, options: string[]): Promise<void> {
    const work = ['-n', '-c', String(CLIENTS), '-j', '2', '-t', String(TRANSACTIONS)]
    const address = site.lab.virtualAddress(family)
    const { stdout } = await pgbench(site.client, address, [...work, ...options])
    const all = CLIENTS * TRANSACTIONS
    expect(stdout).toContain(`actually processed: ${all}/${all}`)
    expect(stdout).toContain('number of failed transactions: 0 ')
  }

  test('LB-22 pgbench: every transaction is done, over connections that stay and that do not', async () => {
    await using site = await startSite({ topology, servers: 1, port: POSTGRES_PORT }, (lab) =>
      Promise.all(lab.servers.map((host) => PostgresServer.start(lab, host))),
    )
    for (const family of site.lab.families) {
      const address = site.lab.virtualAddress(family)
      // Rows are made by the client, so that they go through the engine.
      await pgbench(site.client, address, ['--initialize', '--init-steps=dtgp', '--quiet'])
      expect(await sql(site.client, address, 'select count(*) from pgbench_accounts')).toBe(
        `${ROWS}`,
      )
      const before = (await site.status()).counters.flowsOpened
      await bench(site, family, ['--protocol=prepared'])
      // One more than clients is for pgbench's own first look at the tables.
      expect((await site.status()).counters.flowsOpened - before).toBe(CLIENTS + 1)
      await bench(site, family, ['--connect'])
      const opened = (await site.status()).counters.flowsOpened - before
      expect(opened).toBeGreaterThan(CLIENTS + 1 + CLIENTS * TRANSACTIONS)
      expect(await sql(site.client, address, 'select count(*) from pgbench_history')).toBe(
        `${2 * CLIENTS * TRANSACTIONS}`,
      )
      const me = 'select host(client_addr), host(inet_server_addr()), inet_server_port()'
      const seen = await sql(
        site.client,
        address,
        `${me} from pg_stat_activity where pid = pg_backend_pid()`,
      )
      const [server] = site.lab.serverAddresses(family)
      expect(seen).toBe(`${site.lab.client.address(family)}|${server}|${POSTGRES_PORT}`)
    }
    await endUnharmed(site)
  })
})

describe.each(topologies)('Redis over %s', (topology) => {
  if (topology === 'tap') requireHost('tun')
  requireTools('redis-server', 'redis-benchmark', 'redis-cli')

  const PIPELINE = 16
  /** Whole pipelines, or the benchmark would send more than these. */
  const REQUESTS = 200 * PIPELINE
  /** Several: of those that the benchmark opens, each server gets its third. */
  const CLIENTS = 30

  /** How often each command was carried out by the servers together. */
  async function calls(site: Site, family: Family): Promise<Record<string, number>> {
    const sums: Record<string, number> = {}
    for (const host of site.lab.servers) {
      const statistics = await redis(host.namespace, host.address(family), ['info', 'commandstats'])
      const failed = await redis(host.namespace, host.address(family), ['info', 'errorstats'])
      expect(failed).toBe('# Errorstats')
      for (const [, command = '', count] of statistics.matchAll(/cmdstat_(\w+):calls=(\d+)/g)) {
        sums[command] = (sums[command] ?? 0) + Number(count)
      }
    }
    return sums
  }

  test('LB-22 redis-benchmark: every request is answered, in pipelines and one by one', async () => {
    await using site = await startSite({ topology, servers: 3, port: REDIS_PORT }, (lab) =>
      Promise.all(lab.servers.map((host) => startRedis(lab, host))),
    )
    for (const family of site.lab.families) {
      const address = site.lab.virtualAddress(family)
      const to = ['-h', address, '-p', String(REDIS_PORT), '--csv']
      const before = await calls(site, family)
      const load = ['-n', String(REQUESTS), '-c', String(CLIENTS), '-t', 'set,get,lpush,mset']
      const kept = await site.client.exec('redis-benchmark', [
        ...to,
        ...load,
        '-P',
        String(PIPELINE),
      ])
      await site.client.exec('redis-benchmark', [...to, ...load, '-d', '3000'])
      // Each request over a connection of its own.
      const single = ['-n', '600', '-c', String(CLIENTS), '-t', 'incr', '-k', '0']
      await site.client.exec('redis-benchmark', [...to, ...single])
      for (const name of ['SET', 'GET', 'LPUSH']) expect(kept.stdout).toContain(`"${name}"`)
      const after = await calls(site, family)
      const done = (command: string) => (after[command] ?? 0) - (before[command] ?? 0)
      expect(
        Object.fromEntries(['set', 'get', 'lpush', 'mset'].map((of) => [of, done(of)])),
      ).toEqual({ set: 2 * REQUESTS, get: 2 * REQUESTS, lpush: 2 * REQUESTS, mset: 2 * REQUESTS })
      // What is still under way when the last answer is there may be carried out, too.
      expect(done('incr')).toBeGreaterThanOrEqual(600)
      const list = await redis(site.client, address, ['client', 'list'])
      const [, client, server] = /\baddr=(\S+):\d+ laddr=(\S+):6379 /.exec(list) ?? []
      expect(site.lab.client.address(family)).toBe(client?.replace(/[[\]]/g, ''))
      expect(site.lab.serverAddresses(family)).toContain(server?.replace(/[[\]]/g, ''))
    }
    const { pools } = await site.status()
    for (const { name, nodes } of pools.filter(({ name }) => name.startsWith('data'))) {
      const shares = nodes.map(({ totalConnections }) => totalConnections)
      expect(Math.max(...shares) - Math.min(...shares), name).toBeLessThanOrEqual(1)
    }
    await endUnharmed(site)
  })
})

/** Datagrams for which the sockets of client and servers had no room. */
async function missedDatagrams(site: Site): Promise<number> {
  const hosts = [site.lab.client, ...site.lab.servers]
  const counters = await Promise.all(hosts.map(({ namespace }) => kernelCounters(namespace)))
  return counters.reduce((sum, { UdpRcvbufErrors = 0, Udp6RcvbufErrors = 0 }) => {
    return sum + UdpRcvbufErrors + Udp6RcvbufErrors
  }, 0)
}

describe.each(topologies)('iperf3 over %s', (topology) => {
  if (topology === 'tap') requireHost('tun')
  requireTools('iperf3')

  const PORT = 5201
  const BYTES = 50_000_000
  const STREAMS = 4

  test('LB-22 CS-07 its control connection and its streams, TCP and UDP, find one server', async () => {
    const iperfServers: LabProcess[] = []
    let tests = 0
    await using site = await Site.start({
      topology,
      // It answers a datagram from the first address that its host has: on TAP all share a host.
      servers: topology === 'tap' ? 1 : 3,
      sysctls: HOLDING_LITTLE,
      startServers: async (lab) => {
        for (const host of lab.servers) iperfServers.push(await startIperf(host, PORT))
        return []
      },
      pools: (family, lab) => ({
        bulk: `nodes: ${nodes(lab, family, PORT)}, balance: { hash: 'source' }`,
      }),
      virtualServers: (family, lab) => ({
        streams: `listen: '${listen(lab, family, PORT)}', pool: 'bulk${family}'`,
        datagrams: `listen: '${listen(lab, family, PORT, 'udp')}', pool: 'bulk${family}'`,
      }),
    })
    for (const family of site.lab.families) {
      const address = site.lab.virtualAddress(family)
      for (const reverse of [false, true]) {
        const all = { bytes: BYTES, streams: STREAMS, reverse }
        const { bytes } = await iperf(site.client, address, all)
        expect(bytes).toBeGreaterThan(BYTES - STREAMS * MOST_UNCOUNTED)
        await untilTested(iperfServers, ++tests)
        const before = await missedDatagrams(site)
        const load = { bitrate: '5M', bytes: 1200, seconds: 1, streams: 2, reverse }
        const { sent, lost, outOfOrder } = await iperfDatagrams(site.client, address, load)
        expect(sent).toBeGreaterThan(500)
        expect(outOfOrder).toBe(0)
        // A receiver that is not scheduled in time misses what its socket has no room for.
        expect(lost).toBeLessThanOrEqual((await missedDatagrams(site)) - before)
        await untilTested(iperfServers, ++tests)
      }
      const { pools } = await site.status()
      const { nodes: shares = [] } = pools.find(({ name }) => name === `bulk${family}`) ?? {}
      expect(shares.filter(({ totalConnections }) => totalConnections > 0)).toHaveLength(1)
    }
    await endUnharmed(site)
  })
})
