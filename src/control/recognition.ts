/** Whose a flow is that asks: one that is known, a session's that is known, or nobody's yet. */
import { QueryReason } from '../generated/messages.js'
import type { FlowLedger } from './flow-ledger.js'
import { type FlowId, type FlowView, noFlow } from './flow-table.js'
import type { Question } from './question.js'
import { sameSession } from './signature.js'

export class Recognition {
  readonly #view: FlowView

  constructor(private readonly ledger: FlowLedger) {
    this.#view = ledger.view()
  }

  /** The flow that asks once more; noFlow where it asks for the first time. */
  flow({ serial, signature }: Question): FlowId {
    const flow = this.ledger.flow(serial)
    if (flow === noFlow) return noFlow
    const { words, signatureAt } = this.#view.at(flow)
    if (sameSession(words, signatureAt, signature)) return flow
    // Serials come round: the flow that had this one is gone in the data flow segment.
    this.ledger.endFlow(flow)
    return noFlow
  }

  /**
   * The session that a new flow belongs to (FLOWLIFE-17), from either side; noFlow where it begins one,
   * in the place of the one that had its signature.
   */
  session({ signature, reason, sequence }: Question): FlowId {
    const session = this.ledger.session(signature)
    if (reason !== QueryReason.open) {
      return session !== noFlow ? session : this.ledger.sessionOfServer(signature)
    }
    if (session === noFlow) return noFlow
    // A SYN with the same number is the same SYN again; another one opens another session (DFS-20).
    if (this.#view.at(session).sequence === sequence) return session
    this.ledger.supersede(session, signature)
    return noFlow
  }
}
