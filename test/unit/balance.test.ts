import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { algorithms, hashes } from '../../src/balance/algorithms.js'
import type { Balance } from '../../src/balance/balance.js'
import type { NewFlow, NodeFigures } from '../../src/policy/new-flow.js'

/** A farm as an algorithm sees it, and what the control segment does after each choice. */
function farm(balance: Balance, addresses: readonly string[]) {
  const nodes = addresses.map((address, index) => ({
    name: `${address}:80`,
    address,
    port: 80,
    index,
    connections: 0,
    totalConnections: 0,
    bytesIn: 0,
    bytesOut: 0,
  }))
  let last = -1
  const choose = (client = '192.0.2.10', destination = '192.0.2.100'): NodeFigures => {
    const flow = { client: { address: client }, destination: { address: destination } } as NewFlow
    const node = balance(flow, nodes, { last })
    last = node.index
    nodes[last].connections++
    nodes[last].totalConnections++
    return node
  }
  return { nodes, choose }
}

const addressesOf = (count: number, family: 4 | 6) =>
  Array.from({ length: count }, (_, i) => (family === 4 ? `10.1.0.${i + 1}` : `2001:db8::${i + 1}`))

const clientsOf = (count: number, family: 4 | 6) =>
  Array.from({ length: count }, (_, i) =>
    family === 4 ? `198.51.${i >> 8}.${i & 255}` : `2001:db8:${i.toString(16)}::1`,
  )

describe.each([4, 6] as const)('IPv%i', (family) => {
  test('LB-01 round robin: 300 connections over 3 nodes are 100 each, in cyclic order', () => {
    const { nodes, choose } = farm(algorithms['round-robin'], addressesOf(3, family))
    const order = Array.from({ length: 300 }, () => choose().index)
    expect(order).toEqual(order.map((_, i) => i % 3))
    expect(nodes.map((node) => node.totalConnections)).toEqual([100, 100, 100])
  })

  test('LB-02 least connections: 10 and 5 are held, the next 5 go to the third, then the second', () => {
    const { nodes, choose } = farm(algorithms['least-connections'], addressesOf(3, family))
    nodes[0].connections = 10
    nodes[1].connections = 5
    expect(Array.from({ length: 6 }, () => choose().index)).toEqual([2, 2, 2, 2, 2, 1])
  })

  test('LB-02 least connections uses an idle farm evenly', () => {
    const { nodes, choose } = farm(algorithms['least-connections'], addressesOf(3, family))
    for (let i = 0; i < 30; i++) nodes[choose().index].connections--
    expect(nodes.map((node) => node.totalConnections)).toEqual([10, 10, 10])
  })

  test.each(['source', 'destination', 'source-destination'] as const)(
    'LB-03 hash of %s: 200 addresses, the same node over 10 repeats, all nodes used',
    (key) => {
      const { nodes, choose } = farm(hashes[key], addressesOf(3, family))
      const pick = (address: string) =>
        key === 'destination' ? choose('192.0.2.10', address) : choose(address)
      const clients = clientsOf(200, family)
      const first = clients.map((client) => pick(client).index)
      for (let repeat = 1; repeat < 10; repeat++) {
        expect(clients.map((client) => pick(client).index)).toEqual(first)
      }
      for (const node of nodes) expect(node.totalConnections).toBeGreaterThan(400)
    },
  )

  test('LB-03 the key of a hash is what its name says', () => {
    const clients = clientsOf(50, family)
    const spread = (balance: Balance, vary: 'client' | 'destination') => {
      const { choose } = farm(balance, addressesOf(8, family))
      const pick = (address: string) =>
        vary === 'client' ? choose(address, clients[0]) : choose(clients[0], address)
      return new Set(clients.map((address) => pick(address).index)).size
    }
    expect(spread(hashes.source, 'destination')).toBe(1)
    expect(spread(hashes.destination, 'client')).toBe(1)
    expect(spread(hashes['source-destination'], 'client')).toBeGreaterThan(4)
    expect(spread(hashes['source-destination'], 'destination')).toBeGreaterThan(4)
  })

  test('LB-03 a node that leaves moves only its own clients', () => {
    const addresses = addressesOf(5, family)
    const before = farm(hashes.source, addresses)
    const after = farm(hashes.source, addresses.toSpliced(2, 1))
    for (const client of clientsOf(200, family)) {
      const was = before.choose(client).address
      if (was !== addresses[2]) expect(after.choose(client).address).toBe(was)
    }
  })

  test.each([1, 3, 64])('LB-07 any number of nodes: %i', (count) => {
    for (const balance of [...Object.values(algorithms), ...Object.values(hashes)]) {
      const { nodes, choose } = farm(balance, addressesOf(count, family))
      for (const client of clientsOf(count * 64, family)) choose(client, client)
      for (const node of nodes) expect(node.totalConnections).toBeGreaterThan(0)
    }
  })
})

test('LB-02 least connections never chooses a node that has more than another', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(5), { minLength: 1, maxLength: 10 }),
      fc.integer({ min: -1, max: 9 }),
      (connections, last) => {
        const nodes = connections.map((count, index) => ({ index, connections: count }))
        const state = { last: Math.min(last, nodes.length - 1) }
        const choose = algorithms['least-connections']
        const chosen = choose({} as NewFlow, nodes as unknown as NodeFigures[], state)
        expect(chosen.connections).toBe(Math.min(...connections))
      },
    ),
  )
})
