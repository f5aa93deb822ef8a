import type { Balance } from './balance.js'

/** One after the other, in the order of the list (LB-01). */
export const roundRobin: Balance = (_flow, nodes, state) => nodes[(state.last + 1) % nodes.length]
