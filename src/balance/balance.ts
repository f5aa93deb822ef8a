/** The contract of a balance algorithm. The list of algorithms is open: a user's function is one. */
import type { NewFlow, NodeFigures } from '../policy/new-flow.js'

/** What an algorithm may know of the past of its pool. */
export interface BalanceState {
  /** Index of the node chosen last, -1 at first. */
  readonly last: number
}

/** Chooses one of `nodes`, which is never empty. Pure: what it remembers is in `state`. */
export type Balance = (
  flow: NewFlow,
  nodes: readonly NodeFigures[],
  state: BalanceState,
) => NodeFigures
