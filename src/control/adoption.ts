/**
 * Takes flows back into the ledger that the data flow segment still has (STATE with CONNALIVE), after
 * a TIMEOUT for instance: what they have had so far was counted before (STAT-06).
 */
import { type StateView, XlatMask } from '../generated/messages.js'
import type { FlowLedger } from './flow-ledger.js'
import { type FlowId, type FlowView, noFlow, SessionState } from './flow-table.js'
import type { Node } from './node.js'
import type { Pools } from './pools.js'
import { Question } from './question.js'
import {
  destinationEndpoint,
  destinationWord,
  type EncodedEndpoint,
  readAddress,
  reverse,
  sameAddress,
  setDestinationPort,
  setSourcePort,
  signatureWords,
  sourceEndpoint,
  sourceWord,
} from './signature.js'
import type { SourceAddresses } from './source-addresses.js'
import type { VirtualServer } from './virtual-server.js'
import type { VirtualServers } from './virtual-servers.js'

export class Adoption {
  readonly #asked = new Question()
  /** Of the packets of the session's client. */
  readonly #signature = new Int32Array(signatureWords)
  readonly #becomes = new Int32Array(signatureWords)
  readonly #session: FlowView

  constructor(
    private readonly ledger: FlowLedger,
    private readonly pools: Pools,
    private readonly servers: VirtualServers,
    private readonly sources: SourceAddresses,
  ) {
    this.#session = ledger.view()
  }

  /** The flow, which the ledger did not know; noFlow where its session cannot be told from this. */
  adopt(message: StateView): FlowId {
    const { vsId, nodeId } = message.xlat
    const server = this.servers.get(vsId) ?? null
    const node = this.pools.numbered(nodeId) ?? null
    // A session is translated by both or routed by neither.
    const isWhole = server !== null && node !== null
    if (!isWhole && (vsId !== 0 || nodeId !== 0)) return noFlow
    this.#asked.read(message)
    const from = this.#readTranslation(message, isWhole)
    const session = this.#sessionOf(server, node, message.cnt.tOpenNumber / 1000, from)
    if (session === noFlow) return noFlow
    const flow = this.ledger.join(session, this.#asked)
    this.ledger.take(flow, message.cnt)
    return flow
  }

  /** Of what a server sent, the client knows it as what it becomes. @returns where the session's
   *  packets leave from, if not from the client's endpoint */
  #readTranslation({ xlat }: StateView, isWhole: boolean): EncodedEndpoint | undefined {
    const [asked, becomes] = [this.#asked.signature, this.#becomes]
    becomes.set(asked)
    if (xlat.xlatMask & XlatMask.srcAddr) {
      readAddress(xlat.view, xlat.xlatSrcIpaddrOffset, becomes, sourceWord)
    }
    if (xlat.xlatMask & XlatMask.dstAddr) {
      readAddress(xlat.view, xlat.xlatDstIpaddrOffset, becomes, destinationWord)
    }
    if (xlat.xlatMask & XlatMask.srcPort) setSourcePort(becomes, xlat.xlatSrcPort)
    if (xlat.xlatMask & XlatMask.dstPort) setDestinationPort(becomes, xlat.xlatDstPort)
    // What no virtual server takes begins inside: only what is sent to us is an answer.
    const isAnswer = isWhole ? this.#asked.outbound : this.sources.isTo(asked)
    if (isAnswer) {
      reverse(becomes, this.#signature)
      return differing(destinationEndpoint(asked), destinationEndpoint(becomes))
    }
    this.#signature.set(asked)
    return differing(sourceEndpoint(becomes), sourceEndpoint(asked))
  }

  /** It may have another flow here, of another DSCP. */
  #sessionOf(
    server: VirtualServer | null,
    node: Node | null,
    openedAt: number,
    from: EncodedEndpoint | undefined,
  ): FlowId {
    const { ledger } = this
    const known = ledger.session(this.#signature)
    if (known !== noFlow) {
      const session = this.#session.at(known)
      if (session.state === SessionState.deciding) return noFlow
      if (session.server === server && session.node === node) return known
      ledger.supersede(known, this.#asked.signature)
    }
    return ledger.adopt(this.#signature, server, node, openedAt, from)
  }
}

/** The first one, where the second is another. */
function differing(one: EncodedEndpoint, other: EncodedEndpoint): EncodedEndpoint | undefined {
  const same = one.port === other.port && sameAddress(one.address, other.address, 0)
  return same ? undefined : one
}
