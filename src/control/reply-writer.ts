/** Fills REPLY messages: each has all that the data flow segment needs to act (SSMB-10). */
import type { MessageWriter } from '../bus/writer.js'
import { type QueryView, ReplyView, SsmbError, SsmbFlags, XlatMask } from '../generated/messages.js'
import type { Rejection } from '../policy/decision.js'
import type { Refusal } from './decider.js'
import type { FlowLedger } from './flow-ledger.js'
import { FlowFlags, type FlowId, type FlowView } from './flow-table.js'
import type { Node } from './node.js'
import {
  destinationPortOf,
  destinationWord,
  sourcePortOf,
  sourceWord,
  writeAddress,
  writeSignature,
} from './signature.js'
import type { SourceAddresses } from './source-addresses.js'
import { noSource } from './source-endpoint.js'
import { writeOffsets } from './tcp-offsets.js'
import type { VirtualServer } from './virtual-server.js'

const sigSize = 40

const masks = {
  reset: XlatMask.reset,
  unreachable: XlatMask.unreachable,
  drop: XlatMask.drop,
} as const satisfies Record<Rejection, number>

/** What the data flow segment is told of a reason that is not the client's business. */
const errors = {
  unavailable: SsmbError.notavail,
  limited: SsmbError.connlimit,
  exhausted: SsmbError.nores,
  collided: SsmbError.inuse,
} as const satisfies Record<Exclude<Refusal, Rejection>, number>

/** A refusal that nobody chose meets the client as its virtual server says (SSMB-37). */
function writeRefusal(refusal: Refusal, server: VirtualServer | null, reply: ReplyView): void {
  const isChosen = refusal in masks
  reply.errorCode = isChosen ? SsmbError.none : errors[refusal as keyof typeof errors]
  const rejection = isChosen ? (refusal as Rejection) : (server?.settings.refuse ?? 'reset')
  reply.xlat.xlatMask = masks[rejection]
}

export class ReplyWriter {
  readonly #writer: MessageWriter
  readonly #ledger: FlowLedger
  readonly #flow: FlowView
  readonly #session: FlowView
  readonly #reply = new ReplyView(new DataView(new ArrayBuffer(ReplyView.size)))

  readonly #sources: SourceAddresses

  constructor(writer: MessageWriter, ledger: FlowLedger, sources: SourceAddresses) {
    this.#writer = writer
    this.#sources = sources
    this.#ledger = ledger
    this.#flow = ledger.view()
    this.#session = ledger.view()
  }

  /** The translation to the session's node, or from it where the server's packet asked; plain
   *  routing, or bridging, for a session without a node. */
  forward(flow: FlowId): void {
    const reply = this.#begin(flow)
    const { node, server } = this.#session
    if (!node && this.#flow.has(FlowFlags.bridged)) {
      reply.flags |= SsmbFlags.bridge
      return
    }
    reply.xlat.xlatMask = XlatMask.decTtl
    if (this.#flow.has(FlowFlags.fromServer)) this.#translateFromServer(reply)
    else this.#translateToServer(reply, node)
    if (!node || !server) return
    reply.xlat.nodeId = node.id
    reply.xlat.vsId = server.id
    reply.xlat.idleTimeout = server.idleSeconds
    if (!this.#flow.has(FlowFlags.resumes)) return
    const offsets = this.#ledger.offsets(flow)
    if (offsets) writeOffsets(offsets, reply)
  }

  /** Nothing is decided: more than so many bytes of the client's are wanted. */
  more(flow: FlowId, seen: number): void {
    const reply = this.#begin(flow)
    reply.flags |= SsmbFlags.more
    reply.xlat.seqOffset = seen
  }

  /** The refusal of a flow. */
  refuse(flow: FlowId, refusal: Refusal): void {
    const reply = this.#begin(flow)
    const { server } = this.#session
    writeRefusal(refusal, server, reply)
    reply.xlat.vsId = server?.id ?? 0
  }

  /** Nothing here handles the flow: the data flow segment has its own way with it (SSMB-32). */
  unknown(query: QueryView): void {
    this.#answer(query).errorCode = SsmbError.unknown
  }

  /** The refusal of a flow that is in no ledger. */
  refuseUnknown(query: QueryView, refusal: Refusal, server: VirtualServer | null = null): void {
    writeRefusal(refusal, server, this.#answer(query))
  }

  #answer(query: QueryView): ReplyView {
    const reply = this.#writer.start(this.#reply, ReplyView.size)
    const { sig } = query
    const asked = new Uint8Array(sig.view.buffer, sig.view.byteOffset + sig.at, sigSize)
    this.#writer.bytes.set(asked, reply.sig.at)
    reply.serial = query.serial
    reply.flags = query.flags & (SsmbFlags.outbound | SsmbFlags.another)
    reply.xlat.vsId = query.vsId
    return reply
  }

  #begin(id: FlowId): ReplyView {
    const flow = this.#flow.at(id)
    this.#session.at(flow.session)
    const reply = this.#writer.start(this.#reply, ReplyView.size)
    writeSignature(flow.words, flow.signatureAt, reply.view, reply.sig.at)
    reply.serial = flow.serial
    reply.flags =
      (flow.has(FlowFlags.outbound) ? SsmbFlags.outbound : 0) |
      (flow.has(FlowFlags.another) ? SsmbFlags.another : 0) |
      (flow.has(FlowFlags.resumes) ? SsmbFlags.resumed : 0)
    return reply
  }

  #translateToServer(reply: ReplyView, node: Node | null): void {
    if (node) this.#translateDestination(reply, node)
    else reply.flags |= SsmbFlags.routeByDst
    const { source } = this.#session
    if (source === noSource) return
    const { xlat } = reply
    xlat.xlatSrcPort = source & 0xffff
    xlat.xlatMask |= XlatMask.srcPort
    const address = this.#sources.get(source)
    if (!address) return
    this.#writer.bytes.set(address.bytes, xlat.xlatSrcIpaddrOffset)
    xlat.xlatMask |= XlatMask.srcAddr
  }

  /** Of a flow that keeps its destination the node is the next hop (VS-10 to VS-12). */
  #translateDestination(reply: ReplyView, node: Node): void {
    const { xlat } = reply
    const keepsAddress = this.#session.has(FlowFlags.keepsAddress)
    const nextHop = node.nextHopBytes ?? (keepsAddress ? node.addressBytes : undefined)
    if (nextHop) this.#writer.bytes.set(nextHop, xlat.nextHopIpaddrOffset)
    else reply.flags |= SsmbFlags.routeByDst
    if (!keepsAddress) {
      this.#writer.bytes.set(node.addressBytes, xlat.xlatDstIpaddrOffset)
      xlat.xlatMask |= XlatMask.dstAddr
    }
    if (this.#session.has(FlowFlags.keepsPort) || node.port === 0) return
    xlat.xlatDstPort = node.port
    xlat.xlatMask |= XlatMask.dstPort
  }

  /** What comes from the server comes from what the client addressed. */
  #translateFromServer(reply: ReplyView): void {
    const { xlat } = reply
    const { words, signatureAt } = this.#session
    reply.flags |= SsmbFlags.routeByDst
    writeAddress(words, signatureAt + destinationWord, reply.view, xlat.xlatSrcIpaddrOffset)
    xlat.xlatSrcPort = destinationPortOf(words, signatureAt)
    xlat.xlatMask |= XlatMask.srcAddr | XlatMask.srcPort
    if (this.#session.source === noSource) return
    writeAddress(words, signatureAt + sourceWord, reply.view, xlat.xlatDstIpaddrOffset)
    xlat.xlatDstPort = sourcePortOf(words, signatureAt)
    xlat.xlatMask |= XlatMask.dstAddr | XlatMask.dstPort
  }
}
