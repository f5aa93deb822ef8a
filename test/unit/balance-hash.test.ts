import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { hashes } from '../../src/balance/algorithms.js'
import type { BalancerFactory } from '../../src/balance/balancer.js'
import { maglevTable, tableSize } from '../../src/balance/maglev-table.js'
import { addressesOf, balancedFarm, clientsOf } from '../helpers/balanced-farm.js'

const namesOf = (count: number, weight = 1) =>
  Array.from({ length: count }, (_, i) => ({ name: `10.1.${i >> 8}.${i & 255}:80`, weight }))

describe('the Maglev table', () => {
  test('LB-03 has a place for everybody, as many as the weights say, whatever they are', () => {
    const weights = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 40 })
    fc.assert(
      fc.property(weights, (weights) => {
        const names = namesOf(weights.length).map(({ name }, i) => ({ name, weight: weights[i] }))
        const counts = new Array(weights.length).fill(0)
        for (const place of maglevTable(names)) counts[place]++
        const sum = weights.reduce((total, weight) => total + weight, 0)
        // Each may have got ahead by its part of a turn; the last round makes up for all of these.
        counts.forEach((count, i) => {
          const share = (tableSize * weights[i]) / sum
          expect(Math.abs(count - share)).toBeLessThanOrEqual(weights.length + 1)
        })
      }),
    )
  })

  test.each([
    [2, 0.02],
    [5, 0.02],
    [20, 0.03],
    [100, 0.05],
  ])('LB-03 one of %i names that goes moves few places of others', (count, most) => {
    const names = namesOf(count)
    const gone = Math.floor(count / 2)
    const before = maglevTable(names)
    const after = maglevTable(names.toSpliced(gone, 1))
    let moved = 0
    before.forEach((place, at) => {
      if (place === gone) return
      if (names[place] !== names.toSpliced(gone, 1)[after[at]]) moved++
    })
    expect(moved / tableSize).toBeLessThan(most)
  })
})

/** For each client the address of its node. */
function nodesOf(make: BalancerFactory, addresses: readonly string[], clients: readonly string[]) {
  const farm = balancedFarm(make, addresses)
  const choices = () => clients.map((client) => farm.choose(client)?.address)
  return { ...farm, choices }
}

describe.each([4, 6] as const)('address hashes, IPv%i', (family) => {
  const addresses = addressesOf(5, family)
  const clients = clientsOf(10_000, family)

  test.each(['source', 'destination', 'source-destination'] as const)(
    'LB-03 hash of %s: 200 addresses, the same node over 10 repeats, all nodes used',
    (key) => {
      const { nodes, choose } = balancedFarm(hashes[key], addressesOf(3, family))
      const pick = (address: string) =>
        key === 'destination' ? choose('192.0.2.10', address) : choose(address)
      const few = clients.slice(0, 200)
      const first = few.map((client) => pick(client)?.index)
      for (let repeat = 1; repeat < 10; repeat++) {
        expect(few.map((client) => pick(client)?.index)).toEqual(first)
      }
      for (const node of nodes) expect(node.totalConnections).toBeGreaterThan(400)
    },
  )

  test('LB-03 the key of a hash is what its name says', () => {
    const spread = (make: BalancerFactory, vary: 'client' | 'destination') => {
      const { choose } = balancedFarm(make, addressesOf(8, family))
      const pick = (address: string) =>
        vary === 'client' ? choose(address, clients[0]) : choose(clients[0], address)
      return new Set(clients.slice(0, 50).map((address) => pick(address)?.index)).size
    }
    expect(spread(hashes.source, 'destination')).toBe(1)
    expect(spread(hashes.destination, 'client')).toBe(1)
    expect(spread(hashes['source-destination'], 'client')).toBeGreaterThan(4)
    expect(spread(hashes['source-destination'], 'destination')).toBeGreaterThan(4)
  })

  test('LB-03 LB-09 10 000 addresses spread as the weights say', () => {
    const { nodes, choose } = balancedFarm(hashes.source, addressesOf(3, family), [1, 2, 5])
    for (const client of clients) choose(client)
    const shares = nodes.map(({ totalConnections }) => totalConnections / clients.length)
    ;[0.125, 0.25, 0.625].forEach((share, i) => {
      expect(Math.abs(shares[i] - share)).toBeLessThan(0.02)
    })
  })

  test('LB-10 a node that is down moves nobody else, its own are shared out, and they come back', () => {
    const { nodes, choices } = nodesOf(hashes.source, addresses, clients)
    const before = choices()
    nodes[2].available = false
    const during = choices()
    nodes[2].available = true
    expect(choices()).toEqual(before)
    const moved = during.filter((address, i) => address !== before[i])
    expect(moved).toHaveLength(before.filter((address) => address === addresses[2]).length)
    for (const address of addresses.toSpliced(2, 1)) {
      const share = moved.filter((other) => other === address).length / moved.length
      expect(Math.abs(share - 0.25)).toBeLessThan(0.05)
    }
  })

  test('LB-03 a node that leaves the configuration moves few clients of others', () => {
    const before = nodesOf(hashes.source, addresses, clients).choices()
    const after = nodesOf(hashes.source, addresses.toSpliced(2, 1), clients).choices()
    const moved = before.filter((was, i) => was !== addresses[2] && was !== after[i])
    expect(moved.length / clients.length).toBeLessThan(0.03)
  })

  test('LB-08 a node that comes back takes its clients by and by, and each of them once', () => {
    const { nodes, choices } = nodesOf(hashes.source, addresses, clients)
    const home = choices()
    const held = [0, 0.25, 0.5, 0.75, 1].map((part) => {
      nodes[2].weight = Math.max(part, 0.01)
      return choices().map((address) => address === addresses[2])
    })
    const own = home.filter((address) => address === addresses[2]).length
    held.forEach((has, step) => {
      const share = has.filter(Boolean).length / own
      expect(Math.abs(share - Math.max(step / 4, 0.01))).toBeLessThan(0.05)
      if (step === 0) return
      has.forEach((now, i) => {
        if (held[step - 1][i]) expect(now).toBe(true)
      })
    })
  })
})
