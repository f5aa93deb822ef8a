/**
 * From a new session to its answer: asks who decides, at once or later, and tells every flow of the
 * session that waits.
 */

import type { ResolvedSources } from '../config/resolved.js'
import { AppFlags, type AppQueryView } from '../generated/messages.js'
import { leavesFromPorts } from '../protocol.js'
import { ArrivingFlow, dataOf, type FlowData } from './arriving-flow.js'
import { BytesSeen } from './bytes-seen.js'
import type { ClientPorts } from './client-ports.js'
import type { Choice, Decider, Refusal } from './decider.js'
import { FailedNodes } from './failed-nodes.js'
import type { FlowLedger } from './flow-ledger.js'
import { FlowFlags, type FlowId, type FlowView, noFlow, SessionState } from './flow-table.js'
import type { Node } from './node.js'
import type { Outbound } from './outbound.js'
import type { Pools } from './pools.js'
import { RecentRefusals } from './recent-refusals.js'
import type { ReplyWriter } from './reply-writer.js'
import { protocolOf } from './signature.js'
import type { SourceAddresses } from './source-addresses.js'
import { noSource, type SourceEndpoint } from './source-endpoint.js'
import type { DecisionCounters } from './status.js'
import type { VirtualServer } from './virtual-server.js'

/** What counts a refused flow. */
const counterOf = {
  reset: 'rejected',
  unreachable: 'rejected',
  drop: 'rejected',
  unavailable: 'unavailable',
  limited: 'limited',
  exhausted: 'exhausted',
  collided: 'collided',
} as const satisfies Record<Refusal, keyof DecisionCounters>

export interface SettlementReaders {
  readonly ledger: FlowLedger
  readonly pools: Pools
  readonly decider: Decider
  readonly replies: ReplyWriter
  readonly sources: SourceAddresses
  readonly clientPorts: ClientPorts
  readonly outbound: Outbound
  /** Replies to what is read now leave with its batch; one that comes later needs a call of this. */
  readonly sendSoon: () => void
}

export class Settlement {
  readonly counters = {
    assigned: 0,
    routed: 0,
    rejected: 0,
    unavailable: 0,
    limited: 0,
    exhausted: 0,
    collided: 0,
    moved: 0,
  }
  readonly #view: FlowView
  #arriving: ArrivingFlow
  /** Sessions that an asynchronous policy decides, each with the flow that it was given. */
  readonly #asking = new Map<FlowId, ArrivingFlow>()
  readonly #seen = new BytesSeen()
  readonly #refused = new RecentRefusals()
  readonly #failed = new FailedNodes()

  constructor(private readonly to: SettlementReaders) {
    this.#view = to.ledger.view()
    this.#arriving = new ArrivingFlow(to.ledger)
  }

  /** How the flow with this serial was refused a moment ago. */
  refusalOf(serial: number): Refusal | undefined {
    return this.#refused.get(serial)
  }

  /** @param session one that waits, of which nothing is decided yet */
  decide(session: FlowId, server: VirtualServer, signature: Int32Array, data: FlowData): void {
    const { openedAt } = this.#view.at(session)
    const { figures } = this.to.pools
    const flow = this.#arriving.show(session, signature, server, openedAt, figures, data)
    const choice = refusalBy(server) ?? this.to.decider.decide(server, flow)
    if (choice instanceof Promise) this.#settleLater(session, flow, choice)
    else this.#settle(session, flow, choice)
  }

  /** Whether a policy wanted more of what the client of a flow says than it had seen, and here it is, or
   *  there is none. */
  hasMore(flow: FlowId, { appLen, appFlags }: AppQueryView): boolean {
    if (!this.#isReadOn(flow)) return false
    const isNew = appLen > this.#seen.of(this.#view.at(flow).serial)
    return isNew || (appFlags & AppFlags.absent) !== 0
  }

  /** Asks the policy again. @param flow one that has more */
  decideWithMore(flow: FlowId, signature: Int32Array, message: AppQueryView): void {
    const { session } = this.#view.at(flow)
    const { server } = this.#view.at(session)
    if (server) this.decide(session, server, signature, dataOf(message))
  }

  /** A flow that waits asks once more: where its policy does, too, it is told so again. */
  repeat(flow: FlowId): void {
    if (!this.#isReadOn(flow)) return
    this.to.replies.more(flow, this.#seen.of(this.#view.at(flow).serial))
  }

  /** No policy is at work, and nothing is decided. */
  #isReadOn(flow: FlowId): boolean {
    const { session } = this.#view.at(flow)
    return this.#view.at(session).state === SessionState.deciding && !this.#asking.has(session)
  }

  #readOn(session: FlowId, seen: number): void {
    const { ledger, replies } = this.to
    // The policy of another session that had the number has nothing to say about this one.
    this.#asking.delete(session)
    for (let id = ledger.firstFlow(session); id !== noFlow; id = ledger.nextFlow(id)) {
      this.#seen.set(this.#view.at(id).serial, seen)
      replies.more(id, seen)
    }
  }

  /** The policy goes on with the flow that it was given; the next ones need another object. */
  #settleLater(session: FlowId, flow: ArrivingFlow, choice: Promise<() => Choice>): void {
    this.#arriving = new ArrivingFlow(this.to.ledger)
    this.#asking.set(session, flow)
    void choice.then((late) => {
      // Another session may have the number by now.
      if (this.#asking.get(session) !== flow) return
      this.#asking.delete(session)
      const { state, server } = this.#view.at(session)
      if (state === SessionState.deciding) {
        this.#settle(session, flow, (server && refusalBy(server)) ?? late())
      }
    })
  }

  /** @param session one that no virtual server takes: it goes where it wants to */
  route(session: FlowId): void {
    this.#answer(session, this.#assign(session, null))
  }

  /**
   * The decision could not be carried out: the data flow segment has another flow, which the ledger
   * does not know or takes for ended, with what the server of this one would send.
   */
  decideAgain(flow: FlowId): void {
    const { ledger, replies } = this.to
    const { session } = this.#view.at(flow)
    this.#view.raise(FlowFlags.another)
    if (!ledger.isFirst(flow)) {
      // The session is known by what cannot be had any more.
      replies.refuse(flow, 'collided')
      this.counters.collided++
      ledger.endFlow(flow)
    } else if (this.#view.state === SessionState.open) {
      const { node } = this.#view
      ledger.withdraw(session)
      this.counters[node ? 'assigned' : 'routed']--
      this.#answer(session, this.#assignElsewhere(session, node))
    }
  }

  /**
   * The node did not take the flow's connection: the next one of its pool gets it (HS-20).
   * @param failed its id; a question that is repeated names one that the flow has no more
   */
  serverFailed(flow: FlowId, failed: number): void {
    const { ledger, replies } = this.to
    const { session, serial } = this.#view.at(flow)
    const { node, state } = this.#view.at(session)
    if (state !== SessionState.open || !node) return
    if (node.id !== failed) {
      replies.forward(flow)
      return
    }
    if (node.condition.isWatched) node.condition.takeFlow(true)
    const tried = this.#failed.add(serial, node)
    ledger.withdraw(session)
    this.counters.assigned--
    const next = this.to.pools.another(node, tried)
    this.#answer(session, next ? this.#assign(session, next) : 'unavailable')
  }

  /** The policy has answered: every flow of the session that waits is told. */
  #settle(session: FlowId, shown: ArrivingFlow, choice: Choice): void {
    if (choice === 'more') this.#readOn(session, shown.data.length)
    else this.#answer(session, typeof choice === 'string' ? choice : this.#assign(session, choice))
    this.to.sendSoon()
  }

  #answer(session: FlowId, refusal: Refusal | undefined): void {
    const { ledger } = this.to
    const result = this.#view.at(session).node ? 'assigned' : 'routed'
    this.counters[refusal ? counterOf[refusal] : result]++
    for (let id = ledger.firstFlow(session); id !== noFlow; id = ledger.nextFlow(id)) {
      if (refusal) this.#refuse(id, refusal)
      else this.to.replies.forward(id)
    }
    if (refusal) ledger.end(session)
  }

  /** Gives the session its node, where it has any, and what it needs to leave from. */
  #assign(session: FlowId, node: Node | null): Refusal | undefined {
    const snat = this.#sourcesOf(session)
    if (snat) return this.#leave(session, node, snat)
    return this.to.ledger.isTaken(session, node)
      ? this.#move(session, node)
      : this.#enter(session, node, noSource)
  }

  /** The addresses that the session leaves from; undefined where it keeps its client's endpoint. */
  #sourcesOf(session: FlowId): ResolvedSources | undefined {
    const { server, words, signatureAt } = this.#view.at(session)
    if (server) return server.settings.snat
    const isOutbound = this.#view.has(FlowFlags.outbound)
    return isOutbound ? this.to.outbound.sourcesOf(words, signatureAt) : undefined
  }

  /** From an address of ours. What one server is to see of an endpoint inside may be another flow's. */
  #leave(session: FlowId, node: Node | null, snat: ResolvedSources): Refusal | undefined {
    const { ledger, sources } = this.to
    const source = sources.take(this.#view.at(session), snat, node)
    if (source === noSource) return 'exhausted'
    const isTaken = !node && ledger.isTaken(session, null, source)
    this.#enter(session, node, source)
    if (!isTaken) return undefined
    ledger.withdraw(session)
    return 'collided'
  }

  /** What it would get otherwise is another flow's. */
  #assignElsewhere(session: FlowId, node: Node | null): Refusal | undefined {
    const { ledger, pools } = this.to
    const snat = this.#sourcesOf(session)
    if (snat) return this.#leave(session, node, snat)
    if (!node || !this.#view.at(session).server?.settings.preservePort)
      return this.#move(session, node)
    const isFree = (other: Node) => !ledger.isTaken(session, other)
    const other = pools.get(node.pool)?.after(node, isFree)
    return other ? this.#enter(session, other, noSource) : 'collided'
  }

  /** To another port of its client's address. */
  #move(session: FlowId, node: Node | null): Refusal | undefined {
    const view = this.#view.at(session)
    // A bridge changes nothing, and most protocols have no port that could be another.
    const keepsPort = view.server?.settings.preservePort ?? view.has(FlowFlags.bridged)
    const hasPort = leavesFromPorts(protocolOf(view.words, view.signatureAt))
    if (keepsPort || !hasPort) return 'collided'
    const isFree = (port: number) => !this.to.ledger.isTaken(session, node, port)
    const port = this.to.clientPorts.choose(view, isFree)
    if (port === 0) return 'collided'
    this.counters.moved++
    return this.#enter(session, node, port)
  }

  #enter(session: FlowId, node: Node | null, source: SourceEndpoint): undefined {
    this.to.ledger.assign(session, node, source)
  }

  #refuse(flow: FlowId, refusal: Refusal): void {
    this.to.replies.refuse(flow, refusal)
    this.#refused.add(this.#view.at(flow).serial, refusal)
  }
}

/** Whether the virtual server takes no flow now, whoever decides for it. */
function refusalBy({ state, isFull }: VirtualServer): Refusal | undefined {
  if (state !== 'up') return 'unavailable'
  return isFull ? 'limited' : undefined
}
