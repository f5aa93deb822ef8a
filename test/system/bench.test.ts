import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Laboratory } from '../../src/laboratory/index.js'
import { tryRun } from '../../src/laboratory/lab-process.js'
import { resultsOf } from '../helpers/bench-results.js'
import { root } from '../helpers/repository.js'
import { requireHost, requireTools } from '../helpers/skip.js'

requireHost('netns')
requireTools('ip', 'nsenter', 'nginx', 'wrk', 'iperf3')

test('a measurement writes environment, results and ratios, and prints them', async () => {
  // For its folder only: the bench lays its own.
  await using lab = await Laboratory.create({ topology: 'tap', servers: 1 })
  const file = join(lab.folder, 'bench.json')
  const svg = join(lab.folder, 'bench.svg')
  const scope = ['plain', '--subject', 'kernel', '--runs', '2', '--seconds', '1']
  const args = [...scope, '--json', file, '--svg', svg]
  const { code, stdout, stderr } = await tryRun([
    process.execPath,
    join(root, 'bench/run.mjs'),
    ...args,
  ])
  expect(stderr).toBe('')
  expect(code).toBe(0)
  const report = JSON.parse(readFileSync(file, 'utf8'))
  expect(report.environment).toMatchObject({ node: process.version, cores: expect.any(Number) })
  expect(report.ratios).toEqual([])
  expect(readFileSync(svg, 'utf8')).toContain('plain: throughput, Gbit/s')
  const loads = ['throughput', 'requests', 'connections']
  const metrics = ['throughput', 'requests kept alive', 'connections']
  metrics.push(...loads.map((load) => `CPU of ${load}`))
  expect(report.results.map(({ metric }: { metric: string }) => metric)).toEqual(metrics)
  for (const result of report.results) {
    expect(result).toMatchObject({ trial: 'plain', subject: 'kernel forwarding', runs: 2 })
    expect(result.median).toBeGreaterThan(0)
    expect(result.min).toBeLessThanOrEqual(result.max)
    expect(stdout).toContain(result.metric)
  }
})

test('lookup: the flow table stands beside rte_hash where DPDK is installed', async () => {
  const results = await resultsOf(['lookup', '--subject', '_find/1024'])
  const { code } = await tryRun(['pkg-config', '--exists', 'libdpdk'])
  const subjects = ['sluice_find/1024', ...(code === 0 ? ['rte_hash_find/1024'] : [])]
  expect(results.map(({ subject }) => subject)).toEqual(subjects)
  for (const { median, unit } of results) {
    expect(unit).toBe('ns/key')
    expect(median).toBeGreaterThan(0)
  }
})

test('latency: kept alive and new connections are answered, and their delays are finite', async () => {
  const results = await resultsOf(['latency', '--subject', 'nftables DNAT'])
  expect(results).toHaveLength(6)
  for (const { median, loss } of results) {
    expect(median).toBeGreaterThan(0)
    expect(median).toBeLessThan(Number.POSITIVE_INFINITY)
    expect(loss).toBeLessThan(1)
  }
})

test('decisions-delay: every datagram that was planned has a delay or is lost', async () => {
  const results = await resultsOf(['decisions-delay', '--subject', 'nftables DNAT, new, 5000/s'])
  expect(results.map(({ metric }) => metric)).toEqual(['median delay', 'p99 delay'])
  for (const { median, loss } of results) {
    expect(median).toBeGreaterThan(0)
    expect(median).toBeLessThan(Number.POSITIVE_INFINITY)
    expect(loss).toBeGreaterThanOrEqual(0)
    expect(loss).toBeLessThan(1)
  }
})

test.each([
  ['65536 waiting', ['a flow', 'a further flow']],
  ['nf_conntrack', ['a flow']],
])('memory: %s has its flows, and they take a finite number of bytes', async (subject, metrics) => {
  const results = await resultsOf(['memory', '--subject', subject])
  expect(results.map(({ metric }) => metric)).toEqual(metrics)
  for (const { median } of results) {
    expect(median).toBeGreaterThan(0)
    expect(median).toBeLessThan(Number.POSITIVE_INFINITY)
  }
  expect(results[0]?.loss).toBeLessThan(1)
})

test('inspect: requests are answered behind a policy that sees them, none lost', async () => {
  requireHost('afPacket')
  const results = await resultsOf(['inspect', '--subject', 'sluice packet inspect'])
  const metrics = ['requests kept alive', 'connections', 'CPU of requests', 'CPU of connections']
  expect(results.map(({ metric }) => metric)).toEqual(metrics)
  for (const { median, loss } of results) {
    expect(median).toBeGreaterThan(0)
    expect(loss ?? 0).toBe(0)
  }
})

test('routing: a proxy of requests passes small and large answers', async () => {
  const results = await resultsOf(['routing', '--subject', 'Node http proxy'])
  expect(results).toHaveLength(6)
  for (const { median, loss } of results) {
    expect(median).toBeGreaterThan(0)
    expect(loss ?? 0).toBe(0)
  }
})

test('SOCK-12 MEM-17 splice: a spliced stream has no connection block and no byte in JavaScript', async () => {
  requireHost('afPacket')
  const results = await resultsOf(['splice', '--subject', 'sluice packet splice'])
  const of = (name: string) => results.find(({ metric }) => metric === name)?.median
  expect(of('throughput')).toBeGreaterThan(0)
  expect(of('CPU of throughput')).toBeGreaterThan(0)
  expect(of('connection blocks')).toBe(0)
  expect(of('through JavaScript')).toBe(0)
})
