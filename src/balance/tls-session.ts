/**
 * Sessions of TLS go back to the server that they were begun with: it gave them their ids, which are
 * told when it does (LB-15, LB-16). Everybody else goes by the client's address: who begins a session, and
 * whose id names none, as those of TLS 1.3 do.
 */
import type { NodeFigures } from '../policy/new-flow.js'
import type { BalancedFlow, Balancer } from './balancer.js'
import { FlowHash, hashKeys } from './flow-hash.js'

/** Those that were used last. */
const mostSessions = 65_536

export class TlsSession<Node extends NodeFigures> implements Balancer<Node> {
  readonly isTied = true
  readonly #byName: ReadonlyMap<string, Node>
  readonly #byAddress: FlowHash<Node>
  /** Names of nodes by the ids of sessions; the one that was used last stands last. */
  #sessions = new Map<string, string>()

  constructor(nodes: readonly Node[]) {
    this.#byName = new Map(nodes.map((node) => [node.name, node]))
    this.#byAddress = new FlowHash(nodes, hashKeys.source)
  }

  choose(flow: BalancedFlow): Node | undefined {
    const { sessionId } = flow.tls
    const name = sessionId === '' ? undefined : this.#sessions.get(sessionId)
    const node = name === undefined ? undefined : this.#byName.get(name)
    return node?.available ? node : this.#byAddress.choose(flow)
  }

  learn(session: string, node: NodeFigures): void {
    this.#sessions.delete(session)
    this.#sessions.set(session, node.name)
    if (this.#sessions.size <= mostSessions) return
    const [oldest] = this.#sessions.keys()
    this.#sessions.delete(oldest)
  }

  succeed(before: Balancer<NodeFigures>): void {
    if (before instanceof TlsSession) this.#sessions = before.#sessions
  }
}
