/** Pools through many changes of the configuration. */
import { expect, test } from 'vitest'
import { resolveConfig } from '../../src/config/resolve.js'
import type { ResolvedPool } from '../../src/config/resolved.js'
import { Pools } from '../../src/control/pools.js'
import { farmConfig, farmEndpoints } from '../helpers/farm.js'

/** Beyond these the numbers of nodes come round. */
const numbers = 0xffff

function poolOf(name: string, node: number): ResolvedPool {
  const nodes = [farmEndpoints(4).node(node)]
  const { pools } = resolveConfig(
    farmConfig(4, () => ({ pools: { [name]: { nodes }, web: { nodes } } })),
  )
  return pools.find((pool) => pool.name === name) as ResolvedPool
}

test('numbers that come round pass over nodes that stay, and over those that leave with flows', () => {
  const [kept, left] = [poolOf('kept', 1), poolOf('left', 2)]
  const pools = new Pools([kept, left])
  const [staying] = pools.get('kept')?.nodes ?? []
  const [leaving] = pools.get('left')?.nodes ?? []
  leaving?.opened(0)
  const passing = [poolOf('passing', 3), poolOf('passing', 4)] as const
  const seen = new Set<number | undefined>()
  for (let i = 0; i < numbers; i++) {
    pools.replace([kept, passing[i % 2 ? 0 : 1]])
    seen.add(pools.get('passing')?.nodes[0]?.id)
  }
  expect(seen.size).toBe(numbers - 2)
  expect(seen.has(0)).toBe(false)
  expect([staying, leaving].map((node) => node && pools.numbered(node.id))).toEqual([
    staying,
    leaving,
  ])
  expect(pools.get('kept')?.nodes[0]).toBe(staying)
})
