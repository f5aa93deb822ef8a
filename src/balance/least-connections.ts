import type { NodeFigures } from '../policy/new-flow.js'
import { LowestCost } from './lowest-cost.js'

/** The node that would have the fewest flows for its weight with this one (LB-02, LB-09). */
export class LeastConnections<Node extends NodeFigures> extends LowestCost<Node> {
  protected cost(node: Node): number {
    return (node.connections + 1) / node.weight
  }
}
