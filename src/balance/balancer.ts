/** The contract of a balance algorithm at work in one pool. */
import type { NewFlow, NodeFigures } from '../policy/new-flow.js'

/** The hashes of a flow's addresses: the same address, the same hash, in every engine. Unsigned. */
export interface AddressHashes {
  readonly sourceHash: number
  readonly destinationHash: number
}

/** A new flow as an algorithm gets it. */
export type BalancedFlow = NewFlow & AddressHashes

/** A new flow as its pool gets it. */
export interface PlacedFlow<Node extends NodeFigures> extends BalancedFlow {
  /** Whether a node could tell it from the flows that it has (trap 4). */
  fits(node: Node): boolean
}

/**
 * Chooses for each new flow one of the nodes that it was made with, of which it remembers what it
 * needs. It passes over those that take no flow now, and makes no object.
 */
export interface Balancer<Node extends NodeFigures> {
  /**
   * The node for a new flow; undefined where no node takes any.
   * @throws what a user's function throws, and `ForeignNode`
   */
  choose(flow: BalancedFlow): Node | undefined
  /** A node gave a client this id, by which it comes back. */
  learn?(session: string, node: NodeFigures): void
  /** Goes on with what the balancer had learned that was here before, whose nodes may be others. */
  succeed?(before: Balancer<NodeFigures>): void
  /** Which node a flow has says who it is: it gets no other that would do as well. */
  readonly isTied?: boolean
}

/** Makes the balancer of a pool; node `i` of the list has index `i`, and there is at least one. */
export type BalancerFactory = <Node extends NodeFigures>(nodes: readonly Node[]) => Balancer<Node>

/** A user's function answered with what is none of the nodes that take flows. */
export class ForeignNode extends Error {
  constructor(readonly answer: unknown) {
    super('not a node that takes flows')
  }
}
