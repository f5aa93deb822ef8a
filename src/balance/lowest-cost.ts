import type { NodeFigures } from '../policy/new-flow.js'
import type { Balancer } from './balancer.js'

/**
 * The node that costs least. Among equals the next one after the last choice, so that an idle farm is
 * used evenly.
 */
export abstract class LowestCost<Node extends NodeFigures> implements Balancer<Node> {
  protected readonly nodes: readonly Node[]
  #last = -1

  constructor(nodes: readonly Node[]) {
    this.nodes = nodes
  }

  /** What a node would cost with one flow more. */
  protected abstract cost(node: Node): number

  choose(): Node | undefined {
    const { nodes } = this
    let best = -1
    let bestCost = Number.POSITIVE_INFINITY
    let at = this.#last
    for (let step = 0; step < nodes.length; step++) {
      at = at + 1 === nodes.length ? 0 : at + 1
      if (!nodes[at].available) continue
      const cost = this.cost(nodes[at])
      if (best >= 0 && cost >= bestCost) continue
      best = at
      bestCost = cost
    }
    if (best < 0) return undefined
    this.#last = best
    return nodes[best]
  }
}
