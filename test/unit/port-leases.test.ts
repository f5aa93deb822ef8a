import { describe, expect, test } from 'vitest'
import { makePortSet, PortLeases } from '../../src/control/port-leases.js'

const minute = 60_000
const range = (first: number, last: number) => makePortSet((port) => port >= first && port <= last)

const takeAll = (leases: PortLeases, usable: Uint32Array, now: number, count: number) =>
  Array.from({ length: count }, () => leases.take(usable, now))

describe('ports of a source address towards one server', () => {
  test('each is taken once, in turn from a random one on, until there is none', () => {
    const usable = range(1024, 65_535)
    const starts = new Set<number>()
    for (let run = 0; run < 8; run++) {
      const leases = new PortLeases()
      const taken = takeAll(leases, usable, 0, 64_512)
      expect(new Set(taken).size).toBe(64_512)
      expect(Math.min(...taken)).toBe(1024)
      const steps = taken.slice(1).filter((port, i) => port !== (taken[i] as number) + 1)
      expect(steps.length).toBeLessThanOrEqual(1)
      expect(leases.take(usable, 0)).toBe(0)
      starts.add(taken[0] as number)
    }
    expect(starts.size).toBeGreaterThan(1)
  })

  test.each([1, 2, 3, 32])('of %i workers each takes its own', (workers) => {
    const leases = new PortLeases()
    for (let worker = 0; worker < workers; worker++) {
      const own = makePortSet((port) => port >= 5000 && port < 6000 && port % workers === worker)
      const count = Array.from({ length: 1000 }, (_, i) => 5000 + i).filter(
        (port) => port % workers === worker,
      ).length
      const taken = takeAll(leases, own, 0, count)
      expect(taken.every((port) => port % workers === worker)).toBe(true)
      expect(new Set(taken).size).toBe(count)
      expect(leases.take(own, 0)).toBe(0)
    }
  })

  test('what a server may remember is taken again last, and the oldest of that first', () => {
    const usable = range(2000, 2003)
    const leases = new PortLeases()
    takeAll(leases, usable, 0, 4)
    leases.giveBack(2002, true, 30_000)
    leases.giveBack(2001, true, 90_000)
    leases.giveBack(2003, false, 90_000)
    expect(takeAll(leases, usable, 90_000, 4)).toEqual([2003, 2002, 2001, 0])
  })

  test('after one to two minutes it is as any other', () => {
    const usable = range(2000, 2001)
    const leases = new PortLeases()
    const [first, second] = takeAll(leases, usable, 0, 2)
    leases.giveBack(first as number, true, 10_000)
    leases.giveBack(second as number, false, 10_000)
    expect(leases.take(usable, 10_000 + minute)).toBe(second)
    leases.giveBack(second as number, false, 10_000 + minute)
    expect(leases.isIdle(10_000 + minute)).toBe(false)
    expect(leases.isEmpty).toBe(true)
    expect(leases.isIdle(10_000 + 3 * minute)).toBe(true)
    // In turn: behind the one that was taken last.
    expect(leases.take(usable, 10_000 + 3 * minute)).toBe(first)
  })

  test('one that a flow has already is claimed once', () => {
    const leases = new PortLeases()
    expect([leases.claim(4000), leases.claim(4000)]).toEqual([true, false])
    expect(leases.take(range(4000, 4000), 0)).toBe(0)
  })
})
