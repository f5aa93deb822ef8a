/**
 * Finds sessions by what their servers send (FLOWLIFE-16). Mostly that tells what the client sends, and
 * nothing is kept here: the virtual servers are tried one after the other. A session whose client
 * addressed what nobody can guess is entered.
 */
import { FlowFlags, type FlowId, type FlowTable, type FlowView, noFlow } from './flow-table.js'
import { HashIndex } from './hash-index.js'
import {
  redirect,
  reverse,
  sameSession,
  setDestination,
  setSourceAddress,
  setSourcePort,
  signatureWords,
} from './signature.js'
import type { SignatureHash } from './signature-hash.js'
import { noSource, type SourceAddresses } from './source-addresses.js'
import type { VirtualServer } from './virtual-server.js'

export class AnswerIndex {
  readonly #entered = new HashIndex()
  readonly #view: FlowView
  readonly #answer = new Int32Array(signatureWords)
  readonly #guess = new Int32Array(signatureWords)

  constructor(
    table: FlowTable,
    private readonly hash: SignatureHash,
    private readonly sources: SourceAddresses,
  ) {
    this.#view = table.view()
  }

  /** To be called when the session has its node. */
  enter(session: FlowView): void {
    if (!session.server?.isWildcard && session.source === noSource) return
    session.raise(FlowFlags.answers)
    this.#write(session)
    this.#entered.insert(this.hash.of(this.#answer), session.id)
  }

  /** To be called before the session loses its node. */
  remove(session: FlowView): void {
    if (!session.has(FlowFlags.answers)) return
    this.#write(session)
    this.#entered.remove(this.hash.of(this.#answer), session.id)
  }

  /**
   * The session whose server sends packets of this signature; noFlow where there is none.
   * @param sessionOf finds a session by what its client sends
   */
  find(
    signature: Int32Array,
    servers: Iterable<VirtualServer>,
    sessionOf: (signature: Int32Array) => FlowId,
  ): FlowId {
    const entered = this.#findEntered(signature)
    if (entered !== noFlow) return entered
    reverse(signature, this.#guess)
    const plain = sessionOf(this.#guess)
    if (this.#isAnswer(plain, signature)) return plain
    for (const server of servers) {
      redirect(this.#guess, server.encoded)
      const id = sessionOf(this.#guess)
      if (this.#isAnswer(id, signature)) return id
    }
    return noFlow
  }

  #findEntered(signature: Int32Array): FlowId {
    const index = this.#entered
    let slot = index.first(this.hash.of(signature))
    for (let id = index.number(slot); id !== noFlow; id = index.number(slot)) {
      if (this.#isAnswer(id, signature) && !this.#view.has(FlowFlags.replaced)) return id
      slot = index.after(slot)
    }
    return noFlow
  }

  #isAnswer(id: FlowId, signature: Int32Array): boolean {
    if (id === noFlow) return false
    this.#write(this.#view.at(id))
    return sameSession(this.#answer, 0, signature)
  }

  /** What the server of a session sends, in #answer. */
  #write(session: FlowView): void {
    const { words, signatureAt, node, source } = session
    reverse(words, this.#answer, signatureAt)
    if (source !== noSource) {
      setDestination(this.#answer, this.sources.get(source).words, source & 0xffff)
    }
    if (!node) return
    if (!session.has(FlowFlags.keepsAddress)) setSourceAddress(this.#answer, node.encoded.address)
    if (!session.has(FlowFlags.keepsPort)) setSourcePort(this.#answer, node.encoded.port)
  }
}
