/** What a user's balance function gets and answers. The list of algorithms is open. */
import type { NewFlow, NodeFigures } from '../policy/new-flow.js'

/** What a function may know of the past of its pool. */
export interface BalanceState {
  /** Index of the node chosen last, -1 at first. */
  readonly last: number
}

/** Chooses one of `nodes`: those that take new flows now, at least one of them. */
export type Balance = (
  flow: NewFlow,
  nodes: readonly NodeFigures[],
  state: BalanceState,
) => NodeFigures
