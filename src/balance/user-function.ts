import type { NodeFigures } from '../policy/new-flow.js'
import type { Balance, BalanceState } from './balance.js'
import { type BalancedFlow, type Balancer, ForeignNode } from './balancer.js'

/**
 * A function of the user's (LB-07, LB-13). It sees the nodes that take flows now; their list is frozen
 * and made anew only when others do, so one that sorts it throws instead of changing whose turn it is.
 */
export class UserFunction<Node extends NodeFigures> implements Balancer<Node> {
  readonly isTied = true
  readonly #nodes: readonly Node[]
  readonly #balance: Balance
  #available: readonly Node[] = Object.freeze([])
  #state: BalanceState = Object.freeze({ last: -1 })

  constructor(nodes: readonly Node[], balance: Balance) {
    this.#nodes = nodes
    this.#balance = balance
  }

  choose(flow: BalancedFlow): Node | undefined {
    const nodes = this.#takingFlows()
    if (nodes.length === 0) return undefined
    const answer: unknown = this.#balance(flow, nodes, this.#state)
    const choice = nodes[nodes.indexOf(answer as Node)]
    if (choice === undefined) throw new ForeignNode(answer)
    if (choice.index !== this.#state.last) this.#state = Object.freeze({ last: choice.index })
    return choice
  }

  #takingFlows(): readonly Node[] {
    let count = 0
    let same = true
    for (const node of this.#nodes) {
      if (!node.available) continue
      if (this.#available[count++] !== node) same = false
    }
    if (!same || count !== this.#available.length) {
      this.#available = Object.freeze(this.#nodes.filter(({ available }) => available))
    }
    return this.#available
  }
}
