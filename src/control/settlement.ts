/**
 * From a new session to its answer: asks who decides, at once or later, and tells every flow of the
 * session that waits.
 */

import { ArrivingFlow } from './arriving-flow.js'
import type { Choice, Decider, Refusal } from './decider.js'
import type { FlowLedger } from './flow-ledger.js'
import { type FlowId, type FlowView, noFlow, SessionState } from './flow-table.js'
import type { Node } from './node.js'
import type { Pools } from './pools.js'
import { RecentRefusals } from './recent-refusals.js'
import type { ReplyWriter } from './reply-writer.js'
import { noSource, type SourceAddresses } from './source-addresses.js'
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
} as const satisfies Record<Refusal, keyof DecisionCounters>

export interface SettlementReaders {
  readonly ledger: FlowLedger
  readonly pools: Pools
  readonly decider: Decider
  readonly replies: ReplyWriter
  readonly sources: SourceAddresses
  /** Replies to what is read now leave with its batch; one that comes later needs a call of this. */
  readonly sendSoon: () => void
}

export class Settlement {
  readonly counters = { assigned: 0, rejected: 0, unavailable: 0, limited: 0, exhausted: 0 }
  readonly #view: FlowView
  #arriving: ArrivingFlow
  /** Sessions that an asynchronous policy decides, each with the flow that it was given. */
  readonly #asking = new Map<FlowId, ArrivingFlow>()
  readonly #refused = new RecentRefusals()

  constructor(private readonly to: SettlementReaders) {
    this.#view = to.ledger.view()
    this.#arriving = new ArrivingFlow(to.ledger.activity)
  }

  /** How the flow with this serial was refused a moment ago. */
  refusalOf(serial: number): Refusal | undefined {
    return this.#refused.get(serial)
  }

  /** @param session one that waits, of which nothing is decided yet */
  decide(session: FlowId, server: VirtualServer, signature: Int32Array): void {
    const { openedAt } = this.#view.at(session)
    const flow = this.#arriving.show(signature, server, openedAt, this.to.pools.figures)
    const choice = refusalBy(server) ?? this.to.decider.decide(server, flow)
    if (choice instanceof Promise) this.#settleLater(session, flow, choice)
    else this.#settle(session, choice)
  }

  /** The policy goes on with the flow that it was given; the next ones need another object. */
  #settleLater(session: FlowId, flow: ArrivingFlow, choice: Promise<() => Choice>): void {
    this.#arriving = new ArrivingFlow(this.to.ledger.activity)
    this.#asking.set(session, flow)
    void choice.then((late) => {
      // Another session may have the number by now.
      if (this.#asking.get(session) !== flow) return
      this.#asking.delete(session)
      const { state, server } = this.#view.at(session)
      if (state === SessionState.deciding) {
        this.#settle(session, (server && refusalBy(server)) ?? late())
      }
    })
  }

  /** The decision is there: every flow of the session that waits has its answer. */
  #settle(session: FlowId, choice: Choice): void {
    const { ledger } = this.to
    const refusal = typeof choice === 'string' ? choice : this.#assign(session, choice)
    if (refusal) this.counters[counterOf[refusal]]++
    else this.counters.assigned++
    for (let id = ledger.firstFlow(session); id !== noFlow; id = ledger.nextFlow(id)) {
      if (refusal) this.#refuse(id, refusal)
      else this.to.replies.forward(id)
    }
    if (refusal) ledger.end(session)
    this.to.sendSoon()
  }

  /** Gives the session its node, and where the server is not to see the client a port to leave from. */
  #assign(session: FlowId, node: Node): Refusal | undefined {
    const { ledger, sources } = this.to
    const view = this.#view.at(session)
    const snat = view.server?.settings.snat
    const source = snat ? sources.take(view, snat, node) : noSource
    if (snat && source === noSource) return 'exhausted'
    ledger.assign(session, node, source)
    return undefined
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
