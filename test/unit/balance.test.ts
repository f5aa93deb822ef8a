import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { algorithms, hashes, userFunction } from '../../src/balance/algorithms.js'
import { ForeignNode } from '../../src/balance/balancer.js'
import type { NodeFigures } from '../../src/policy/new-flow.js'
import { addressesOf, balancedFarm, clientsOf } from '../helpers/balanced-farm.js'

const three = addressesOf(3, 4)
const count = (values: readonly unknown[], wanted: unknown) =>
  values.filter((value) => value === wanted).length

describe('round robin', () => {
  test('LB-01 300 connections over 3 nodes are 100 each, in cyclic order', () => {
    const { nodes, places } = balancedFarm(algorithms['round-robin'], three)
    expect(places(300)).toEqual(Array.from({ length: 300 }, (_, i) => i % 3))
    expect(nodes.map((node) => node.totalConnections)).toEqual([100, 100, 100])
  })

  test('LB-09 weights 1 and 4 share 1 000 connections 200 to 800, evenly mixed', () => {
    const { places } = balancedFarm(algorithms['round-robin'], addressesOf(2, 4), [1, 4])
    const chosen = places(1000)
    expect([count(chosen, 0), count(chosen, 1)]).toEqual([200, 800])
    for (let at = 0; at < 1000; at += 5) expect(count(chosen.slice(at, at + 5), 0)).toBe(1)
  })

  test('LB-09 whatever the weights, after as many flows as they sum up to each has its own', () => {
    const weights = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 12 })
    fc.assert(
      fc.property(weights, fc.integer({ min: 1, max: 3 }), (weights, rounds) => {
        const addresses = addressesOf(weights.length, 4)
        const { nodes, places } = balancedFarm(algorithms['round-robin'], addresses, weights)
        places(rounds * weights.reduce((sum, weight) => sum + weight, 0))
        expect(nodes.map((node) => node.totalConnections)).toEqual(
          weights.map((weight) => rounds * weight),
        )
      }),
    )
  })
})

describe('least connections', () => {
  test('LB-02 10 and 5 are held, the next 5 go to the third, then the second', () => {
    const { nodes, places } = balancedFarm(algorithms['least-connections'], three)
    nodes[0].connections = 10
    nodes[1].connections = 5
    expect(places(6)).toEqual([2, 2, 2, 2, 2, 1])
  })

  test('LB-02 an idle farm is used evenly', () => {
    const { nodes, choose } = balancedFarm(algorithms['least-connections'], three)
    for (let i = 0; i < 30; i++) nodes[choose()?.index as number].connections--
    expect(nodes.map((node) => node.totalConnections)).toEqual([10, 10, 10])
  })

  test('LB-09 held connections are as the weights', () => {
    const { nodes, places } = balancedFarm(algorithms['least-connections'], three, [1, 2, 5])
    places(800)
    expect(nodes.map((node) => node.connections)).toEqual([100, 200, 500])
  })

  test('LB-02 never a node that has more for its weight than another', () => {
    const node = fc.record({ connections: fc.nat(9), weight: fc.integer({ min: 1, max: 5 }) })
    fc.assert(
      fc.property(fc.array(node, { minLength: 1, maxLength: 10 }), (loads) => {
        const weights = loads.map(({ weight }) => weight)
        const addresses = addressesOf(loads.length, 4)
        const { nodes, choose } = balancedFarm(algorithms['least-connections'], addresses, weights)
        loads.forEach(({ connections }, i) => {
          nodes[i].connections = connections
        })
        const costs = loads.map(({ connections, weight }) => (connections + 1) / weight)
        expect(costs[choose()?.index as number]).toBe(Math.min(...costs))
      }),
    )
  })
})

describe('least bytes', () => {
  test('LB-14 the node that moved least of late; live flows count as an average one', () => {
    const { nodes, places } = balancedFarm(algorithms['least-bytes'], three)
    const bytes = [4000, 1000, 3000]
    bytes.forEach((recentBytes, i) => {
      Object.assign(nodes[i], { recentBytes, bytesIn: recentBytes, totalConnections: 4 })
    })
    // By hand: a flow moved 8000 / 12 = 667 bytes, and less with each that is open: 615, 571, ...
    // Node 1 costs 1667, then 2231, 2714, 3133 against 3533 of node 2 and 4533 of node 0.
    expect(places(5)).toEqual([1, 1, 1, 1, 2])
  })

  test('LB-14 without any statistics one after the other; a heavier node takes more bytes', () => {
    expect(balancedFarm(algorithms['least-bytes'], three).places(6)).toEqual([0, 1, 2, 0, 1, 2])
    const { nodes, choose } = balancedFarm(algorithms['least-bytes'], addressesOf(2, 4), [1, 4])
    for (let i = 0; i < 1000; i++) {
      const node = choose() as (typeof nodes)[number]
      node.connections--
      node.recentBytes += 500
      node.bytesOut += 500
    }
    expect(nodes.map(({ totalConnections }) => Math.round(totalConnections / 10))).toEqual([20, 80])
  })
})

describe('fastest', () => {
  test('LB-08 a node that answers 200 ms later gets a smaller share, and not none', () => {
    const { nodes, places } = balancedFarm(algorithms.fastest, three)
    nodes.forEach((node, i) => {
      node.responseMs = i === 1 ? 210 : 10
    })
    const chosen = places(430)
    expect([0, 1, 2].map((place) => count(chosen, place))).toEqual([210, 10, 210])
  })

  test('LB-08 a node without a figure counts as the median', () => {
    const { nodes, places } = balancedFarm(algorithms.fastest, addressesOf(4, 4))
    ;[5, 20, 80].forEach((responseMs, i) => {
      nodes[i].responseMs = responseMs
    })
    const chosen = places(700)
    expect(count(chosen, 3)).toBeCloseTo(count(chosen, 1), -1)
    expect(count(chosen, 0)).toBeGreaterThan(3 * count(chosen, 3))
  })

  test('LB-08 differences below a millisecond are chance; with no figure at all flows are shared', () => {
    const { nodes, places } = balancedFarm(algorithms.fastest, three)
    expect(places(3)).toEqual([0, 1, 2])
    ;[0.1, 0.9, 0.4].forEach((responseMs, i) => {
      nodes[i].responseMs = responseMs
    })
    expect(places(3)).toEqual([0, 1, 2])
  })
})

describe("a user's function", () => {
  test('LB-07 sees the nodes that take flows, and the index chosen last', () => {
    const seen: unknown[] = []
    const { nodes, choose } = balancedFarm(
      userFunction((_flow, offered, { last }) => {
        seen.push([offered.map(({ index }) => index), last])
        return offered[0]
      }),
      three,
    )
    choose()
    nodes[0].available = false
    choose()
    nodes[0].available = true
    choose()
    expect(seen).toEqual([
      [[0, 1, 2], -1],
      [[1, 2], 0],
      [[0, 1, 2], 1],
    ])
  })

  test('LB-07 a node that takes no flows, or is of elsewhere, is no answer', () => {
    const answers: ((nodes: readonly NodeFigures[]) => unknown)[] = [
      () => undefined,
      ([node]) => ({ ...node }),
      () => kept,
    ]
    const { nodes, choose } = balancedFarm(
      userFunction((_flow, offered) => answers.shift()?.(offered) as NodeFigures),
      three,
    )
    const [kept] = nodes
    kept.available = false
    for (let i = 0; i < 3; i++) expect(choose).toThrow(ForeignNode)
  })
})

const all = Object.entries({
  ...algorithms,
  ...hashes,
  function: userFunction((_flow, [first]) => first),
})

describe.each(all)('%s', (name, make) => {
  test.each([1, 3, 64])(
    'LB-07 LB-10 uses any number of nodes, but those that take none: %i',
    (size) => {
      for (const family of [4, 6] as const) {
        const { nodes, choose } = balancedFarm(make, addressesOf(size, family))
        const clients = clientsOf(size * 64, family)
        for (const client of clients) choose(client, client)
        if (name !== 'function') {
          for (const node of nodes) expect(node.totalConnections).toBeGreaterThan(0)
        }
        const before = nodes[0].totalConnections
        nodes[0].available = false
        for (const client of clients) expect(choose(client, client)?.index).not.toBe(0)
        expect(nodes[0].totalConnections).toBe(before)
      }
    },
  )

  test('LB-10 no node that takes flows, no choice; the last one takes all', () => {
    const { nodes, choose } = balancedFarm(make, addressesOf(40, 4))
    for (const node of nodes) node.available = false
    expect(choose()).toBeUndefined()
    nodes[33].available = true
    for (const client of clientsOf(100, 4)) expect(choose(client, client)?.index).toBe(33)
  })
})
