import fc from 'fast-check'
import { expect, test } from 'vitest'
import { HashIndex } from '../../src/control/hash-index.js'

function numbersOf(index: HashIndex, hash: number): number[] {
  const found: number[] = []
  let slot = index.first(hash)
  for (let number = index.number(slot); number !== -1; number = index.number(slot)) {
    found.push(number)
    slot = index.after(slot)
  }
  return found.sort((a, b) => a - b)
}

// Few hashes that share a home, so that probes collide, wrap at the end and close behind a removal.
const hash = fc.constantFrom(-1, 0, 1, 1023, 1024, 2047, 0x7fffffff, -1024)
const step = fc.record({ hash, number: fc.nat(40), remove: fc.boolean() })

test('an index agrees with a map, whatever comes and goes', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const index = new HashIndex()
      const model = new Map<number, Set<number>>()
      for (const { hash, number, remove } of steps) {
        const numbers = model.get(hash) ?? new Set()
        model.set(hash, numbers)
        if (remove && numbers.delete(number)) index.remove(hash, number)
        if (!remove && !numbers.has(number)) {
          index.insert(hash, number)
          numbers.add(number)
        }
      }
      for (const [hash, numbers] of model) {
        expect(numbersOf(index, hash)).toEqual([...numbers].sort((a, b) => a - b))
      }
      const size = [...model.values()].reduce((sum, numbers) => sum + numbers.size, 0)
      expect(index.size).toBe(size)
    }),
  )
})

test('an index grows, and forgets nothing', () => {
  const index = new HashIndex()
  const count = 10_000
  for (let n = 0; n < count; n++) index.insert(Math.imul(n, 0x9e3779b1), n)
  for (let n = 0; n < count; n += 3) index.remove(Math.imul(n, 0x9e3779b1), n)
  for (let n = 0; n < count; n++) {
    expect(numbersOf(index, Math.imul(n, 0x9e3779b1))).toEqual(n % 3 === 0 ? [] : [n])
  }
})
