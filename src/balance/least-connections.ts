import type { Balance } from './balance.js'

/**
 * The node with the fewest flows (LB-02). Among equals the next one after the last choice, so that
 * an idle farm is used evenly.
 */
export const leastConnections: Balance = (_flow, nodes, state) => {
  let best = nodes[(state.last + 1) % nodes.length]
  for (let step = 2; step <= nodes.length; step++) {
    const node = nodes[(state.last + step) % nodes.length]
    if (node.connections < best.connections) best = node
  }
  return best
}
