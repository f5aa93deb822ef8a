/**
 * Finds sessions by what their servers send (FLOWLIFE-16), and tells before a session gets its server
 * whether that could tell it from the others (trap 4): two sessions of one client's endpoint may come
 * to one server by two virtual servers.
 */
import { FlowFlags, type FlowId, type FlowTable, type FlowView, noFlow } from './flow-table.js'
import { HashIndex } from './hash-index.js'
import type { Node } from './node.js'
import {
  reverse,
  sameSession,
  setDestination,
  setDestinationPort,
  setSourceAddress,
  setSourcePort,
  signatureWords,
} from './signature.js'
import type { SignatureHash } from './signature-hash.js'
import type { SourceAddresses } from './source-addresses.js'
import { noSource, type SourceEndpoint } from './source-endpoint.js'

export class AnswerIndex {
  readonly #entered = new HashIndex()
  readonly #view: FlowView
  /** What the server of a session sends that is looked at. */
  readonly #answer = new Int32Array(signatureWords)
  /** What that of one would send that has none yet. */
  readonly #wanted = new Int32Array(signatureWords)

  constructor(
    table: FlowTable,
    private readonly hash: SignatureHash,
    private readonly sources: SourceAddresses,
  ) {
    this.#view = table.view()
  }

  /** To be called when the session has its node. */
  enter(session: FlowView): void {
    session.raise(FlowFlags.answers)
    this.#entered.insert(this.#hashOf(session), session.id)
  }

  /** To be called before the session loses its node. */
  remove(session: FlowView): void {
    if (!session.has(FlowFlags.answers)) return
    session.lower(FlowFlags.answers)
    this.#entered.remove(this.#hashOf(session), session.id)
  }

  /** The session whose server sends packets of this signature; noFlow where there is none. */
  find(signature: Int32Array): FlowId {
    const index = this.#entered
    let slot = index.first(this.hash.of(signature))
    for (let id = index.number(slot); id !== noFlow; id = index.number(slot)) {
      const session = this.#view.at(id)
      this.#write(session, this.#answer, session.node, session.source)
      const isReplaced = session.has(FlowFlags.replaced)
      if (!isReplaced && sameSession(this.#answer, 0, signature)) return id
      slot = index.after(slot)
    }
    return noFlow
  }

  /** Whether a session has the answers already that this one would have with a node and a source. */
  isTaken(session: FlowView, node: Node | null, source: SourceEndpoint): boolean {
    this.#write(session, this.#wanted, node, source)
    return this.find(this.#wanted) !== noFlow
  }

  #hashOf(session: FlowView): number {
    this.#write(session, this.#answer, session.node, session.source)
    return this.hash.of(this.#answer)
  }

  #write(session: FlowView, into: Int32Array, node: Node | null, source: SourceEndpoint): void {
    const { words, signatureAt } = session
    reverse(words, into, signatureAt)
    if (source !== noSource) {
      const address = this.sources.get(source)
      if (address) setDestination(into, address.words, source & 0xffff)
      else setDestinationPort(into, source)
    }
    if (!node) return
    if (!session.has(FlowFlags.keepsAddress)) setSourceAddress(into, node.encoded.address)
    if (session.has(FlowFlags.keepsPort) || node.port === 0) return
    setSourcePort(into, node.encoded.port)
  }
}
