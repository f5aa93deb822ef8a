import type { NodeFigures } from '../policy/new-flow.js'
import { LowestCost } from './lowest-cost.js'

/**
 * The node that has moved the fewest bytes of late for its weight, as the data flow segment counted
 * them (LB-14). Statistics come at intervals; so that not all flows between two go to one node, each
 * live flow counts as much as a flow of the pool moved on average.
 */
export class LeastBytes<Node extends NodeFigures> extends LowestCost<Node> {
  #expected = 0

  override choose(): Node | undefined {
    let bytes = 0
    let connections = 0
    for (const node of this.nodes) {
      bytes += node.bytesIn + node.bytesOut
      connections += node.totalConnections
    }
    this.#expected = connections > 0 ? bytes / connections : 0
    return super.choose()
  }

  protected cost(node: Node): number {
    return (node.recentBytes + (node.connections + 1) * this.#expected) / node.weight
  }
}
