/** Who waits for a body is told when nothing moved for so long, on either side. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Progress } from '../../src/http/progress.js'
import type { SocketPair } from '../../src/socket/pair.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const never = new Promise<void>(() => {})
const late = () => Promise.resolve(new Error('late'))

function progressOf() {
  const [inbound, outbound] = [{ lastActiveAt: Date.now() }, { lastActiveAt: Date.now() }]
  const progress = new Progress({ inbound, outbound } as unknown as SocketPair)
  return { inbound, outbound, progress }
}

test('what moves on either side is progress', async () => {
  const { inbound, outbound, progress } = progressOf()
  const watched = expect(progress.watch(never, 1000, late)).rejects.toThrow('late')
  const told = vi.fn()
  watched.then(told)
  for (let turn = 0; turn < 10; turn++) {
    await vi.advanceTimersByTimeAsync(900)
    const side = turn % 2 === 0 ? inbound : outbound
    side.lastActiveAt = Date.now()
  }
  await vi.advanceTimersByTimeAsync(999)
  expect(told).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(1)
  await watched
  expect(vi.getTimerCount()).toBe(0)
})

test('one timer for many bodies, and each has its whole time', async () => {
  const { progress } = progressOf()
  for (let turn = 0; turn < 100; turn++) await progress.watch(Promise.resolve(), 1000, late)
  expect(vi.getTimerCount()).toBe(1)
  await vi.advanceTimersByTimeAsync(600)
  const watched = [never, never].map((passing) => {
    return expect(progress.watch(passing, 1000, late)).rejects.toThrow('late')
  })
  const told = vi.fn()
  Promise.race(watched).then(told)
  await vi.advanceTimersByTimeAsync(999)
  expect(told).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(1)
  await Promise.all(watched)
})

test('whoever has waited gets what came of it, and nobody is told behind that', async () => {
  const { progress } = progressOf()
  await progress.watch(Promise.resolve(), 1000, late)
  await expect(progress.watch(Promise.reject(new Error('cut')), 1000, late)).rejects.toThrow('cut')
  await vi.advanceTimersByTimeAsync(1000)
  expect(vi.getTimerCount()).toBe(0)
  progress.watch(never, Number.POSITIVE_INFINITY, late)
  await vi.advanceTimersByTimeAsync(2 ** 31)
  expect(vi.getTimerCount()).toBe(1)
  progress.stop()
  expect(vi.getTimerCount()).toBe(0)
})
