import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { CheckedNode } from '../../src/health/check-loop.js'
import type { CheckFunction } from '../../src/health/function-probe.js'
import { Monitor } from '../../src/health/monitor.js'
import { RiseAndFall } from '../../src/health/rise-and-fall.js'
import type { CheckSettings } from '../../src/health/settings.js'
import { VirtualClock } from '../helpers/virtual-clock.js'

function checkedNode(n: number) {
  const results: (string | number)[] = []
  const node = {
    name: `10.1.0.${n}:80`,
    address: `10.1.0.${n}`,
    port: 80,
    exempt: false as boolean,
    passed: (_: CheckSettings, tookMs: number) => void results.push(tookMs),
    failed: (_: CheckSettings, reason: string) => void results.push(reason),
  } satisfies CheckedNode
  return Object.assign(node, { results })
}

/** Nodes that a function checks every second, and when it was asked about each of them. */
function watched(count: number, run: CheckFunction, random: () => number = () => 0.5) {
  const clock = new VirtualClock()
  const began = clock.now()
  const asked: { name: string; at: number }[] = []
  const dial = () => Promise.reject(new Error('not dialled'))
  const monitor = new Monitor({ clock, dial, random })
  onTestFinished(() => monitor.stop())
  const nodes = Array.from({ length: count }, (_, i) => checkedNode(i + 1))
  const observed: CheckFunction = (node, options) => {
    asked.push({ name: node.name, at: clock.now() - began })
    return run(node, options)
  }
  const check: CheckSettings = {
    how: { kind: 'function', run: observed },
    intervalMs: 1000,
    timeoutMs: 200,
    rise: 2,
    fall: 3,
  }
  const watch = (some: readonly CheckedNode[], changes: Partial<CheckSettings> = {}) =>
    monitor.watch([{ nodes: some, check: { ...check, ...changes } }])
  watch(nodes)
  return { clock, monitor, nodes, asked, watch, check }
}

const never = () => new Promise<void>(() => {})

describe('rise and fall', () => {
  test('LB-10 so many results in a row, against what is thought', () => {
    const health = new RiseAndFall()
    const thresholds = { rise: 2, fall: 3 }
    const states = (results: string) =>
      [...results].map((result) => {
        health.take(result === '+', thresholds)
        return health.up ? 'u' : 'd'
      })
    expect(states('+--+---').join('')).toBe('uuuuuud')
    expect(states('+-++-').join('')).toBe('ddduu')
  })

  test('LB-10 the first result decides alone, and so does the first after an assumption', () => {
    const health = new RiseAndFall()
    health.take(false, { rise: 2, fall: 3 })
    expect(health.up).toBe(false)
    health.assume(false)
    health.take(true, { rise: 2, fall: 3 })
    expect(health.up).toBe(true)
  })

  test('LB-10 it never changes but after as many equal results as it takes', () => {
    const threshold = fc.integer({ min: 1, max: 5 })
    fc.assert(
      fc.property(threshold, threshold, fc.array(fc.boolean()), (rise, fall, results) => {
        const health = new RiseAndFall()
        results.forEach((passed, i) => {
          const before = health.up
          health.take(passed, { rise, fall })
          const needed = i === 0 ? 1 : passed ? rise : fall
          const equal = results.slice(0, i + 1).slice(-needed)
          const enough = equal.length === needed && equal.every((other) => other === passed)
          if (enough) expect(health.up).toBe(passed)
          if (health.up !== before) expect(enough).toBe(true)
        })
      }),
    )
  })
})

describe('checks', () => {
  test('LB-10 every node is looked at in its interval, give or take a tenth, not all at once', async () => {
    let seed = 1
    const random = () => {
      seed = (seed * 48_271) % 0x7fffffff
      return seed / 0x7fffffff
    }
    const { clock, asked, nodes } = watched(50, () => true, random)
    await clock.advance(20_000)
    for (const { name } of nodes) {
      const times = asked.filter((one) => one.name === name).map(({ at }) => at)
      expect(times[0]).toBeLessThanOrEqual(1000)
      expect(times.length).toBeGreaterThanOrEqual(17)
      times.slice(1).forEach((at, i) => {
        expect(Math.abs(at - times[i] - 1000)).toBeLessThanOrEqual(101)
      })
    }
    for (let from = 0; from < 20_000; from += 100) {
      const burst = asked.filter(({ at }) => at >= from && at < from + 100)
      expect(burst.length).toBeLessThan(25)
    }
  })

  test('LB-10 a check that takes too long has failed, and its signal tells it', async () => {
    const signals: AbortSignal[] = []
    const { clock, nodes } = watched(1, (_, { signal }) => {
      signals.push(signal)
      return never()
    })
    await clock.advance(500)
    expect(signals[0].aborted).toBe(false)
    await clock.advance(200)
    expect(signals[0].aborted).toBe(true)
    expect(nodes[0].results).toEqual(['no answer within 200 ms'])
    // It has not come to its end, so it is not called again.
    await clock.advance(1000)
    expect(signals).toHaveLength(1)
    expect(nodes[0].results[1]).toBe('the check before has not ended')
  })

  test.each<[string, CheckFunction, string | number]>([
    ['answers false', async () => false, 'the check says so'],
    ['throws', () => Promise.reject(new Error('port closed')), 'port closed'],
    ['throws no error', () => Promise.reject('no'), 'no'],
    ['answers true', async () => true, 0],
    ['answers nothing', () => undefined, 0],
  ])('LB-10 a function that %s', async (_, run, result) => {
    const { clock, nodes } = watched(1, run)
    await clock.advance(500)
    expect(nodes[0].results).toEqual([result])
  })

  test('LB-10 not more than 64 at work at once; the others have their turn', async () => {
    let working = 0
    let most = 0
    const waiting: (() => void)[] = []
    const { clock, asked } = watched(200, async () => {
      most = Math.max(most, ++working)
      await new Promise<void>((resolve) => waiting.push(resolve))
      working--
    })
    await clock.advance(500)
    expect(asked).toHaveLength(64)
    while (waiting.length > 0) {
      waiting.shift()?.()
      await clock.advance(0)
    }
    expect(asked.length).toBe(200)
    expect(most).toBe(64)
  })

  test('LB-10 a node in maintenance is not looked at', async () => {
    const { clock, nodes, asked } = watched(1, () => true)
    nodes[0].exempt = true
    await clock.advance(5000)
    expect(asked).toEqual([])
    nodes[0].exempt = false
    await clock.advance(1000)
    expect(nodes[0].results).toHaveLength(1)
  })

  test('LB-12 other settings: the loops of nodes that stay go on, those of others end', async () => {
    const { clock, monitor, nodes, asked, watch } = watched(2, () => true)
    await clock.advance(600)
    watch([nodes[0], checkedNode(3)], { intervalMs: 2000 })
    await clock.advance(600)
    const names = () => asked.splice(0).map(({ name }) => name)
    expect(names()).toEqual(['10.1.0.1:80', '10.1.0.2:80', '10.1.0.3:80'])
    await clock.advance(1000)
    expect(names()).toEqual(['10.1.0.1:80'])
    monitor.stop()
    expect(clock.pending).toBe(0)
  })

  test('LB-10 what a check finds out after the end is not told', async () => {
    let finish = () => {}
    const { clock, monitor, nodes } = watched(1, async () => {
      await new Promise<void>((resolve) => {
        finish = resolve
      })
    })
    await clock.advance(500)
    monitor.stop()
    finish()
    await clock.advance(1000)
    expect(nodes[0].results).toEqual([])
    expect(clock.pending).toBe(0)
  })
})
