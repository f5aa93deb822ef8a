import type { NodeFigures } from '../policy/new-flow.js'
import type { AddressHashes, BalancedFlow, Balancer } from './balancer.js'
import { mixed } from './hash.js'
import { maglevTable, tableSize } from './maglev-table.js'

/**
 * What is hashed of a flow gives the same node whenever it is the same (LB-03), by a Maglev table over the nodes as configured. What
 * would go to a node that takes no flows now, or not all of its own yet because it has just come back,
 * looks at other places of the table in an order that depends on its key: so the flows of that node
 * are shared out over the others, nobody else's move, and they come back to it.
 */
export class FlowHash<Node extends NodeFigures> implements Balancer<Node> {
  readonly isTied = true
  readonly #nodes: readonly Node[]
  readonly #key: (flow: BalancedFlow) => number
  readonly #table: Uint16Array
  readonly #mostPlaces: number

  constructor(nodes: readonly Node[], key: (flow: BalancedFlow) => number) {
    this.#nodes = nodes
    this.#key = key
    this.#table = maglevTable(
      nodes.map(({ name, configuredWeight }) => ({ name, weight: configuredWeight })),
    )
    this.#mostPlaces = 4 * nodes.length
  }

  choose(flow: BalancedFlow): Node | undefined {
    const key = this.#key(flow)
    const home = this.#nodes[this.#table[key % tableSize]]
    return takes(home, key) ? home : this.#next(key)
  }

  #next(key: number): Node | undefined {
    const step = 1 + (mixed(~key) % (tableSize - 1))
    let place = key % tableSize
    for (let tried = 0; tried < this.#mostPlaces; tried++) {
      place = (place + step) % tableSize
      const node = this.#nodes[this.#table[place]]
      if (takes(node, key)) return node
    }
    // Nearly all are down.
    return this.#nodes.find(({ available }) => available)
  }
}

/** A node whose weight still grows takes that part of its keys, and the more the heavier it is. */
function takes(node: NodeFigures, key: number): boolean {
  if (!node.available) return false
  const { weight, configuredWeight } = node
  return weight === configuredWeight || mixed(key) < 2 ** 32 * (weight / configuredWeight)
}

/** What of a flow is hashed. L4 ports do not count. */
export const hashKeys = {
  source: (flow: AddressHashes) => flow.sourceHash,
  destination: (flow: AddressHashes) => flow.destinationHash,
  'source-destination': (flow: AddressHashes) => mixed(flow.sourceHash + flow.destinationHash * 2),
} as const
