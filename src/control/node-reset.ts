/**
 * Ends the live flows of nodes that went down, where their pool says so: a REAP that asks for no
 * silence. What a client sends next belongs to no session any more, and is refused.
 */
import type { MessageWriter } from '../bus/writer.js'
import { ReapView, SsmbFlags } from '../generated/messages.js'
import type { FlowLedger } from './flow-ledger.js'
import { FlowFlags, type FlowId, type FlowView } from './flow-table.js'
import type { Node } from './node.js'
import { writeSignature } from './signature.js'

/** Looked at, and told of, at each tick. */
const recordsOfTick = 65_536
const messagesOfTick = 4096

export class NodeReset {
  readonly #nodes = new Set<Node>()
  readonly #flow: FlowView
  readonly #session: FlowView
  readonly #reap = new ReapView(new DataView(new ArrayBuffer(ReapView.size)))
  #next: FlowId = 0
  #end: FlowId = 0

  constructor(
    private readonly ledger: FlowLedger,
    private readonly writer: MessageWriter,
  ) {
    this.#flow = ledger.view()
    this.#session = ledger.view()
  }

  /** The node went down. Flows that begin from now on are none of its. */
  begin(node: Node): void {
    this.ledger.endDormant((session) => session.node === node)
    this.#nodes.add(node)
    this.#next = 0
    this.#end = this.ledger.records
  }

  /** To be called now and then. */
  tick(): void {
    if (this.#nodes.size === 0 || this.writer.length > 0) return
    const end = Math.min(this.#next + recordsOfTick, this.#end)
    for (let told = 0; this.#next < end && told < messagesOfTick; this.#next++) {
      if (this.#isMeant(this.#next)) {
        this.#tell()
        told++
      }
    }
    if (this.#next >= this.#end) this.#nodes.clear()
  }

  #isMeant(id: FlowId): boolean {
    const flow = this.#flow.at(id)
    if (!flow.has(FlowFlags.live)) return false
    const { node } = this.#session.at(flow.session)
    return node !== null && this.#nodes.has(node)
  }

  #tell(): void {
    const flow = this.#flow
    const message = this.writer.start(this.#reap, ReapView.size)
    message.serial = flow.serial
    message.flags = flow.has(FlowFlags.outbound) ? SsmbFlags.outbound : 0
    writeSignature(flow.words, flow.signatureAt, message.view, message.sig.at)
  }
}
