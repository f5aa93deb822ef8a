import type { NodeFigures } from '../policy/new-flow.js'
import type { Balancer } from './balancer.js'

/**
 * Each node as often as its weight says, and evenly mixed (LB-01, LB-09): weights 1 and 4 give
 * b b a b b, not a b b b b. Each node's credit grows by its weight for every flow, the node with the
 * most gets the flow and pays what all have gained. Equal weights make it one after the other.
 */
export class RoundRobin<Node extends NodeFigures> implements Balancer<Node> {
  readonly #nodes: readonly Node[]
  readonly #credits: Float64Array

  constructor(nodes: readonly Node[]) {
    this.#nodes = nodes
    this.#credits = new Float64Array(nodes.length)
  }

  choose(): Node | undefined {
    const nodes = this.#nodes
    const credits = this.#credits
    let best = -1
    let total = 0
    for (let i = 0; i < nodes.length; i++) {
      if (!nodes[i].available) continue
      const { weight } = nodes[i]
      total += weight
      credits[i] += weight
      if (best < 0 || credits[i] > credits[best]) best = i
    }
    if (best < 0) return undefined
    credits[best] -= total
    return nodes[best]
  }
}
