/** Finds sessions by what their clients send. */
import { type FlowId, type FlowTable, type FlowView, noFlow } from './flow-table.js'
import { HashIndex } from './hash-index.js'
import { sameSession } from './signature.js'
import type { SignatureHash } from './signature-hash.js'

export class ClientIndex {
  readonly #entered = new HashIndex()
  readonly #view: FlowView

  constructor(
    table: FlowTable,
    private readonly hash: SignatureHash,
  ) {
    this.#view = table.view()
  }

  get size(): number {
    return this.#entered.size
  }

  enter(session: FlowView, signature: Int32Array): void {
    session.hash = this.hash.of(signature)
    this.#entered.insert(session.hash, session.id)
  }

  remove({ hash, id }: FlowView): void {
    this.#entered.remove(hash, id)
  }

  /** The session whose client sends packets of this signature; noFlow where there is none. */
  find(signature: Int32Array): FlowId {
    let slot = this.#entered.first(this.hash.of(signature))
    for (let id = this.#entered.number(slot); id !== noFlow; id = this.#entered.number(slot)) {
      const { words, signatureAt } = this.#view.at(id)
      if (sameSession(words, signatureAt, signature)) return id
      slot = this.#entered.after(slot)
    }
    return noFlow
  }
}
