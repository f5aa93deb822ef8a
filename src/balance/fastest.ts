import type { NodeFigures } from '../policy/new-flow.js'
import { LowestCost } from './lowest-cost.js'

/** Below this, response times differ by chance rather than by node. */
const leastMs = 1

/**
 * The node that would serve the flow first (LB-08): its smoothed response time, times the flows that
 * share it. The response time alone would send every flow to one node until the next check. A node
 * that was not measured is taken to be as fast as the median of the others.
 */
export class Fastest<Node extends NodeFigures> extends LowestCost<Node> {
  readonly #measured: Float64Array
  #median = leastMs

  constructor(nodes: readonly Node[]) {
    super(nodes)
    this.#measured = new Float64Array(nodes.length)
  }

  override choose(): Node | undefined {
    if (this.nodes.some(isUnmeasured)) this.#median = this.#findMedian()
    return super.choose()
  }

  protected cost(node: Node): number {
    const { responseMs = this.#median } = node
    return (Math.max(responseMs, leastMs) * (node.connections + 1)) / node.weight
  }

  #findMedian(): number {
    let count = 0
    for (const { responseMs } of this.nodes) {
      if (responseMs !== undefined) this.#measured[count++] = responseMs
    }
    const sorted = this.#measured.subarray(0, count).sort()
    return sorted[count >> 1] ?? leastMs
  }
}

const isUnmeasured = (node: NodeFigures) => node.responseMs === undefined
