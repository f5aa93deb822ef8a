/**
 * The look-up table of Maglev (Eisenbud et al., NSDI 2016, 3.4). Each name prefers the places of the
 * table in an order of its own, and in turn the names take the place that they like best of those
 * left, the heavier ones more often. So each has its share, and a name that goes or comes changes few
 * places of others.
 */
import { hashText, mixed } from './hash.js'

/** A prime, so that every step visits all places. With 160 names a share differs by a hundredth. */
export const tableSize = 16_381

export interface WeightedName {
  readonly name: string
  readonly weight: number
}

/** For each place the index of its name. There are at most 65 535 names, weights above 0. */
export function maglevTable(names: readonly WeightedName[]): Uint16Array {
  const places = new Uint16Array(tableSize)
  const taken = new Uint8Array(tableSize)
  const next = Uint32Array.from(names, ({ name }) => hashText(name) % tableSize)
  const steps = Uint32Array.from(
    names,
    ({ name }) => 1 + (mixed(~hashText(name)) % (tableSize - 1)),
  )
  const turns = new Float64Array(names.length)
  const heaviest = Math.max(...names.map(({ weight }) => weight))
  for (let filled = 0; ; ) {
    for (let i = 0; i < names.length; i++) {
      turns[i] += names[i].weight
      if (turns[i] < heaviest) continue
      turns[i] -= heaviest
      while (taken[next[i]]) next[i] = (next[i] + steps[i]) % tableSize
      taken[next[i]] = 1
      places[next[i]] = i
      if (++filled === tableSize) return places
    }
  }
}
