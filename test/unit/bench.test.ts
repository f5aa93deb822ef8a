import { describe, expect, test, vi } from 'vitest'
import { busyTicks } from '../../bench/cpu.js'
import { sampleOf } from '../../bench/google-benchmark.js'
import { lossOf as lossOfDatagrams } from '../../bench/loads/first-packets.js'
import { QuerySource } from '../../bench/loads/query-source.js'
import { lossOf } from '../../bench/loads/request-generator.js'
import { parseWrk } from '../../bench/loads/wrk.js'
import { main } from '../../bench/main.js'
import { heapBytes, kilobytesOf, residentBytes } from '../../bench/memory.js'
import { markdown } from '../../bench/report.js'
import { median, ratios, summarize } from '../../bench/statistics.js'
import { drawing } from '../../bench/svg.js'
import type { Trial } from '../../bench/trial.js'
import { TRIALS } from '../../bench/trials/index.js'
import { QueryView } from '../../src/generated/messages.js'
import type { NativeSegmentOptions } from '../../src/native.js'

const trial: Trial = {
  name: 'sample',
  about: 'About it.',
  metrics: [
    { name: 'rate', unit: '1/s', better: 'higher' },
    { name: 'time', unit: 'ns', better: 'lower' },
  ],
  runs: 3,
  laboratory: false,
  subjects: async () => [],
  comparisons: [
    { subject: 'ours', peer: 'theirs' },
    { subject: 'ours', peer: 'absent' },
  ],
}

function samples(rates: number[], times: number[], losses: (number | null)[] = []) {
  return [
    ...rates.map((value, run) => ({ metric: 'rate', value, loss: losses[run] ?? null })),
    ...times.map((value) => ({ metric: 'time', value, loss: null })),
  ]
}

const measured = [
  { subject: 'ours', samples: samples([30, 10, 20], [5], [0.01, null, 0.5]) },
  { subject: 'theirs', samples: samples([8, 12], [20]) },
]

describe('figures', () => {
  test.each([
    [[3], 3],
    [[9, 1, 5], 5],
    [[4, 1, 2, 3], 2.5],
  ])('the median of %j is %d', (values, expected) => {
    expect(median(values)).toBe(expected)
  })

  test('a result has median, spread, count and the worst loss', () => {
    const results = summarize(trial, measured)
    expect(results).toHaveLength(4)
    expect(results[0]).toEqual({
      trial: 'sample',
      subject: 'ours',
      metric: 'rate',
      unit: '1/s',
      median: 20,
      min: 10,
      max: 30,
      runs: 3,
      loss: 0.5,
    })
    expect(results[2]).toMatchObject({ subject: 'theirs', median: 10, loss: null })
  })

  test('a ratio above 1 is in favour of the subject, whichever way the metric counts', () => {
    const [rate, time, ...others] = ratios(trial, measured)
    expect(rate).toMatchObject({ subject: 'ours', peer: 'theirs', metric: 'rate' })
    expect(time).toMatchObject({ metric: 'time', ratio: 4, pairs: 1 })
    expect(others).toEqual([])
  })
})

test('a ratio is the median of the pairs, one run of each, not the ratio of the medians', () => {
  const [rate] = ratios(trial, [
    { subject: 'ours', samples: samples([10, 30, 80], []) },
    { subject: 'theirs', samples: samples([10, 10, 40, 1], []) },
  ])
  expect(rate).toMatchObject({ ratio: 2, min: 1, max: 3, pairs: 3 })
})

test('busy CPU time leaves idle, iowait and steal out', () => {
  const stat = 'cpu  10 20 30 1000 2000 40 50 3000 0 0\ncpu0 1 2 3 4 5 6 7 8 9 0\n'
  expect(busyTicks(stat)).toBe(150)
  expect(() => busyTicks('nothing')).toThrow('nothing')
})

describe('memory', () => {
  test('a row of /proc is found by its whole name', () => {
    const text = 'Slab:  300 kB\nSReclaimable:   100 kB\nSUnreclaim:     200 kB\n'
    expect(kilobytesOf('SUnreclaim', text)).toBe(200)
    expect(kilobytesOf('Slab', text)).toBe(300)
    expect(() => kilobytesOf('Unreclaim', text)).toThrow('no Unreclaim in: Slab')
  })

  test('what is filled becomes resident, and what is let go leaves the heap', () => {
    const size = 64 << 20
    const [heap, resident] = [heapBytes(), residentBytes('self')]
    const held: Uint8Array[] = [new Uint8Array(size).fill(1)]
    expect(heapBytes() - heap).toBeGreaterThan(size / 2)
    expect(residentBytes('self') - resident).toBeGreaterThan(size / 2)
    held.length = 0
    expect(heapBytes() - heap).toBeLessThan(size / 2)
  })
})

test('the drawing has a bar for every result, and its text is escaped', () => {
  const results = summarize(trial, [
    ...measured,
    { subject: 'a < b & c', samples: samples([4], []) },
  ])
  const svg = drawing(results)
  expect(svg).toMatch(/^<svg xmlns=.*<\/svg>\n$/s)
  expect(svg.match(/<path /g)).toHaveLength(results.length)
  expect(svg).toContain('a &lt; b &amp; c')
  expect(svg).toContain('sample: rate, 1/s')
})

test('the report shows every figure, and what was left out with its reason', () => {
  const results = summarize(trial, measured)
  const environment = {
    date: '2026-01-01T00:00:00.000Z',
    commit: 'abc',
    kernel: '6.18',
    arch: 'x64',
    cpu: 'a processor',
    cores: 2,
    memoryGiB: 8,
    governor: 'none',
    node: 'v20',
    compiler: 'g++ 12',
    congestionControl: 'reno',
    load: 0.5,
  }
  const skipped = [{ trial: 'sample', subject: 'absent', reason: 'not installed' }]
  const failed = [{ trial: 'sample', subject: 'broken', reason: 'it broke' }]
  const text = markdown(
    { environment, results, ratios: ratios(trial, measured), skipped, failed },
    [trial],
  )
  expect(text).toContain('a processor, 2 cores, 8 GiB')
  expect(text).toMatch(/\| ours +\| rate +\| +20\.0 \| 10\.0 \| 30\.0 \| 1\/s +\| 50 % \| +3 \|/)
  expect(text).toMatch(/\| ours +\| theirs \| rate +\| +2\.29 \| +0\.83 \| +3\.75 \| +2 \|/)
  expect(text).toContain('- skipped absent: not installed')
  expect(text).toContain('- **failed** broken: it broke')
})

describe('loads', () => {
  const said = (errors: string) => `
Running 2s test @ http://192.0.2.100/bytes/1024
  1 threads and 64 connections
  90 requests in 2.00s, 1.00MB read
${errors}Requests/sec:     45.00
Transfer/sec:      0.50MB
`
  test.each([
    ['', 0],
    ['  Socket errors: connect 4, read 3, write 2, timeout 1\n', 0.1],
    ['  Non-2xx or 3xx responses: 45\n', 0.5],
  ])('wrk: loss is told from its errors: %j', (errors, loss) => {
    const read = { requests: 90, seconds: 2, bytes: 2 ** 20, requestsPerSecond: 45 }
    expect(parseWrk(said(errors))).toEqual({ ...read, loss })
  })

  test('wrk: anything else is an error', () => {
    expect(() => parseWrk('unable to connect')).toThrow('unable to connect')
  })

  test('a request that is never answered is lost, as is one that fails', () => {
    const rates = { offered: 10, achieved: 7 }
    const delays = { ...rates, p50: 1, p90: 1, p99: 1, p99_9: 1, max: 1, median_p99: 1 }
    expect(lossOf({ ...delays, requests: 10, unanswered: 2, errors: 1 })).toBeCloseTo(0.3)
    expect(lossOf({ ...delays, requests: 10, unanswered: 0, errors: 0 })).toBe(0)
  })

  test('a datagram that was planned and did not arrive is lost, whoever refused it', () => {
    expect(lossOfDatagrams({ planned: 10, arrived: 7 })).toBeCloseTo(0.3)
    expect(lossOfDatagrams({ planned: 10, arrived: 10 })).toBe(0)
  })

  test('the source of QUERYs fills up to a number of flows, each asked for once', async () => {
    const flows = 100
    const source = new QuerySource('192.0.2.100:80', { flows, live: flows })
    const into = new Uint8Array(4096)
    const serials = new Set<number>()
    source.start({} as NativeSegmentOptions, () => {
      for (let length = source.drain(into); length > 0; length = source.drain(into)) {
        expect(length % QueryView.size).toBe(0)
        for (let at = 0; at < length; at += QueryView.size) {
          serials.add(new QueryView(new DataView(into.buffer, at)).serial)
        }
      }
    })
    await source.fill(flows)
    expect(source.asked).toBe(flows)
    expect(serials.size).toBe(flows)
  })

  test('a native row: nanoseconds an item, and loss where the row counts it', () => {
    const row = (fields: object) => JSON.stringify({ benchmarks: [{ name: 'drop', ...fields }] })
    expect(sampleOf(row({ items_per_second: 4e7 }))).toEqual({
      metric: 'time',
      value: 25,
      loss: null,
    })
    const timed = { items_per_second: 1e9, iterations: 10, cpu_time: 256 }
    expect(sampleOf(row({ ...timed, loss: 0 }))).toMatchObject({ value: 1, loss: 0 })
    expect(sampleOf(row({ ...timed, loss: 640 }))).toMatchObject({ loss: 0.25 })
    expect(() => sampleOf(row({ cpu_time: 5 }))).toThrow('drop: states no items per second')
  })
})

describe('trials', () => {
  test.each(TRIALS.map((one) => [one.name, one] as const))('%s: its data agree', async (_, one) => {
    const names = (await one.subjects()).map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    for (const { subject, peer } of one.comparisons) {
      expect(names).toContain(subject)
      expect(names).toContain(peer)
    }
  })

  test.each([[['nonsense']], [['--runs', '0']], [['--runs']], [['--unknown']]])(
    'a wrong command line %j is exit code 2',
    async (args) => {
      const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
      expect(await main(args)).toBe(2)
      expect(stderr).toHaveBeenCalledWith(expect.stringContaining('usage:'))
      stderr.mockRestore()
    },
  )
})
