/**
 * The control segment's own table of flows and sessions, by signature and by serial (CS-04). It counts
 * connections and traffic for nodes and virtual servers, each once.
 *
 * A session is one conversation of a client, with one decision. To the data flow segment it is one
 * flow, or several: a packet with another DSCP, or one that comes after an eviction, makes a flow of
 * its own and asks again (DFS-03, FLOWLIFE-16). The session has the record of the flow that began it
 * and lasts until its last flow ends.
 */
import type { CntView } from '../generated/messages.js'
import type { ActivityRanking } from '../policy/new-flow.js'
import { AnswerIndex } from './answer-index.js'
import { ClientIndex } from './client-index.js'
import { DormantSessions } from './dormant-sessions.js'
import { ActivityOfFlows, noteActivity } from './flow-activity.js'
import {
  FlowFlags,
  type FlowId,
  FlowTable,
  type FlowView,
  noFlow,
  SessionState,
} from './flow-table.js'
import type { Node } from './node.js'
import type { Question } from './question.js'
import { SerialIndex } from './serial-index.js'
import { type EncodedEndpoint, protocolOf, sameSession, tosOf } from './signature.js'
import { SignatureHash } from './signature-hash.js'
import type { SourceAddresses } from './source-addresses.js'
import { noSource, type SourceEndpoint } from './source-endpoint.js'
import { mirrored, type TcpOffsets } from './tcp-offsets.js'
import { TrafficTotals } from './traffic.js'
import type { VirtualServer } from './virtual-server.js'

export class FlowLedger {
  readonly #table = new FlowTable()
  readonly #serials = new SerialIndex()
  readonly #clients: ClientIndex
  readonly #answers: AnswerIndex
  readonly activity: ActivityRanking
  readonly #dormant = new DormantSessions()
  /** Of the few sessions that have any, as their client's packets are moved. */
  readonly #offsets = new Map<FlowId, TcpOffsets>()
  readonly #flow = this.#table.view()
  readonly #session = this.#table.view()
  readonly #totals = new TrafficTotals()
  readonly #more = new TrafficTotals()
  /** The turn of the reaper (reaper.ts), in 16 bits, in which something is heard of flows now. */
  turn = 0

  /**
   * @param maxDormant sessions kept after their eviction
   * @param now milliseconds since 1970
   */
  constructor(
    private readonly maxDormant: number,
    private readonly now: () => number,
    private readonly sources: SourceAddresses,
  ) {
    const hash = new SignatureHash()
    this.#clients = new ClientIndex(this.#table, hash)
    this.#answers = new AnswerIndex(this.#table, hash, sources)
    this.activity = new ActivityOfFlows(this.#table, now)
  }

  /** Sessions that a signature finds. */
  get size(): number {
    return this.#clients.size
  }

  /** Records, used or not: the number of each is below this. */
  get records(): number {
    return this.#table.size
  }

  /** The first flow from `from` on, below `end`, of which nothing was heard in so many turns and
   *  that was not asked about; `end` where there is none. */
  firstSilent(from: FlowId, end: FlowId, turns: number): FlowId {
    return this.#table.firstSilent(from, end, this.turn, turns)
  }

  /** A view of the caller's own, to be moved to any flow. */
  view(): FlowView {
    return this.#table.view()
  }

  /** The flow with a serial, as a signed number; noFlow where there is none. */
  flow(serial: number): FlowId {
    return this.#serials.find(serial)
  }

  /** The session whose client sends packets of this signature; noFlow where there is none. */
  session(signature: Int32Array): FlowId {
    return this.#clients.find(signature)
  }

  /** The session whose server sends packets of this signature; noFlow where there is none. */
  sessionOfServer(signature: Int32Array): FlowId {
    return this.#answers.find(signature)
  }

  /** Whether the server of another session sends what that of this one would (SOCK-10). */
  isTaken(sessionId: FlowId, node: Node | null, source: SourceEndpoint = noSource): boolean {
    return this.#answers.isTaken(this.#session.at(sessionId), node, source)
  }

  /** Enters a flow as a session that waits for its decision. */
  open(asked: Question, server: VirtualServer | null): FlowId {
    const id = this.#table.allocate()
    const session = this.#session.at(id)
    this.#enter(session, id, asked)
    session.sequence = asked.sequence
    session.state = SessionState.deciding
    this.#begin(session, asked.signature, server, asked.openedAt)
    return id
  }

  /**
   * Takes in a session that was decided and of which nothing is known here any more (FLOWLIFE-09);
   * its flows are to join it. It was counted among all connections when it opened.
   * @param from where its packets leave from, if not from the client's endpoint
   */
  adopt(
    signature: Int32Array,
    server: VirtualServer | null,
    node: Node | null,
    openedAt: number,
    from: EncodedEndpoint | undefined,
  ): FlowId {
    const id = this.#table.allocate()
    const session = this.#session.at(id)
    session.signature = signature
    session.session = id
    this.#begin(session, signature, server, openedAt)
    session.node = node
    session.state = SessionState.open
    if (from) session.source = this.sources.claim(session, from.address, from.port)
    this.#answers.enter(session)
    node?.regained()
    if (server) server.connections++
    return id
  }

  /** Adds a flow to a session, in the place of one of the same signature and DSCP. */
  join(sessionId: FlowId, asked: Question): FlowId {
    this.#forgetLike(sessionId, asked.signature)
    const session = this.#session.at(sessionId)
    if (session.state === SessionState.dormant) {
      this.#dormant.delete(sessionId)
      session.state = SessionState.open
    }
    const fromServer = !sameSession(session.words, session.signatureAt, asked.signature)
    if (!fromServer && !session.has(FlowFlags.live)) {
      session.beginFlow()
      this.#enter(session, sessionId, asked)
      return sessionId
    }
    const id = this.#table.allocate()
    const flow = this.#flow.at(id)
    this.#enter(flow, sessionId, asked)
    if (fromServer) flow.raise(FlowFlags.fromServer)
    flow.next = session.next
    session.next = id
    return id
  }

  /** The decision: a node, or null for a session that is only routed. Counted here, and once. */
  assign(sessionId: FlowId, node: Node | null, source: SourceEndpoint = noSource): void {
    const session = this.#session.at(sessionId)
    session.source = source
    session.node = node
    this.#opened(session)
  }

  /** The same, where somebody else has decided. @param from as of `adopt` */
  assignAs(sessionId: FlowId, node: Node | null, from: EncodedEndpoint | undefined): void {
    const session = this.#session.at(sessionId)
    session.node = node
    if (from) session.source = this.sources.claim(session, from.address, from.port)
    this.#opened(session)
  }

  /** Whether a flow is all that its session has had since it was decided. */
  isFirst(id: FlowId): boolean {
    const { session } = this.#flow.at(id)
    const begins = this.firstFlow(session) === id && this.nextFlow(id) === noFlow
    return begins && !this.#flow.at(id).has(FlowFlags.resumes)
  }

  /** Takes back a decision that could not be carried out, as if it had not been counted. */
  withdraw(sessionId: FlowId): void {
    const session = this.#session.at(sessionId)
    const { node, server } = session
    this.#answers.remove(session)
    if (session.source !== noSource) this.sources.giveBack(session)
    session.source = noSource
    session.node = null
    session.state = SessionState.deciding
    node?.withdrawn()
    server?.withdrawn()
  }

  /**
   * Takes the totals of a flow, which are since its start; what is new in them is counted.
   * @returns the node of its session
   */
  update(id: FlowId, totals: CntView): Node | null {
    const { server, node } = this.take(id, totals)
    server?.traffic.add(this.#more)
    node?.count(this.#more, totals.tLastNumber / 1000)
    return node
  }

  /** Takes the totals of a flow of which node and virtual server know already (STAT-06). */
  take(id: FlowId, totals: CntView): FlowView {
    const [flow, told, more] = [this.#flow.at(id), this.#totals, this.#more]
    told.packetsIn = totals.pktsInNumber
    told.bytesIn = totals.bytesInNumber
    told.packetsOut = totals.pktsOutNumber
    told.bytesOut = totals.bytesOutNumber
    flow.count(told, more)
    flow.hear(this.turn)
    if (flow.has(FlowFlags.fromServer)) more.swap()
    const session = this.#session.at(flow.session)
    session.add(more)
    noteActivity(session, more.bytesIn + more.bytesOut, totals.tLastNumber / 1000)
    return session
  }

  /** What the data flow segment says of a flow is kept as long as its session (FLOWLIFE-06). */
  setOffsets(id: FlowId, offsets: TcpOffsets): void {
    const flow = this.#flow.at(id)
    const fromServer = flow.has(FlowFlags.fromServer)
    this.#offsets.set(flow.session, fromServer ? mirrored(offsets) : offsets)
  }

  /** As the data flow segment is to move the packets of this flow; undefined where it is not. */
  offsets(id: FlowId): TcpOffsets | undefined {
    const flow = this.#flow.at(id)
    const offsets = this.#offsets.get(flow.session)
    return offsets && flow.has(FlowFlags.fromServer) ? mirrored(offsets) : offsets
  }

  /** A flow ended; its session does with the last one. */
  endFlow(id: FlowId): void {
    const { session } = this.#flow.at(id)
    this.#forget(id, session)
    if (!this.#hasFlows(session)) this.end(session)
  }

  /** A flow was evicted; its session, a connection or not, may ask again until `keepMs` have passed. */
  evictFlow(id: FlowId, keepMs: number, isConnection: boolean): void {
    const { session: sessionId } = this.#flow.at(id)
    this.#forget(id, sessionId)
    if (this.#hasFlows(sessionId)) return
    const session = this.#session.at(sessionId)
    if (session.state !== SessionState.open || session.has(FlowFlags.replaced)) {
      this.end(sessionId)
      return
    }
    session.state = SessionState.dormant
    this.#dormant.add(sessionId, this.now() + keepMs, isConnection)
    const { first } = this.#dormant
    if (this.#dormant.size > this.maxDormant && first !== undefined) this.end(first)
  }

  /**
   * The client opened another session with the signature of this one. What the data flow segment
   * still has of it, flows of another DSCP than the new SYN, it will report.
   */
  supersede(sessionId: FlowId, signature: Int32Array): void {
    this.#forgetLike(sessionId, signature)
    if (!this.#hasFlows(sessionId)) {
      this.end(sessionId)
      return
    }
    const session = this.#session.at(sessionId)
    this.#clients.remove(session)
    session.raise(FlowFlags.replaced)
  }

  /** Takes a session and its flows out of every table. */
  end(sessionId: FlowId): void {
    const session = this.#session.at(sessionId)
    const { state, node, server } = session
    if (state !== SessionState.deciding) {
      node?.closed()
      if (server) server.connections--
    }
    if (state === SessionState.dormant) this.#dormant.delete(sessionId)
    if (this.#offsets.size > 0) this.#offsets.delete(sessionId)
    this.#answers.remove(session)
    if (session.source !== noSource) this.sources.giveBack(session)
    if (!session.has(FlowFlags.replaced)) this.#clients.remove(session)
    for (let id = session.next; id !== noFlow; id = session.next) this.#forget(id, sessionId)
    if (session.has(FlowFlags.live)) this.#forget(sessionId, sessionId)
    this.#table.release(sessionId)
  }

  /** Ends every session, or those of a virtual server. */
  endAll(of?: VirtualServer): void {
    const view = this.view()
    for (const id of this.#table.sessions()) {
      if (of === undefined || view.at(id).server === of) this.end(id)
    }
  }

  /** Gives up the dormant sessions that are meant. */
  endDormant(isMeant: (session: FlowView) => boolean): void {
    for (const [id] of this.#dormant) if (isMeant(this.#session.at(id))) this.end(id)
  }

  /** The flows of a session, one after the other, until noFlow. */
  firstFlow(sessionId: FlowId): FlowId {
    const session = this.#session.at(sessionId)
    return session.has(FlowFlags.live) ? sessionId : session.next
  }
  nextFlow(id: FlowId): FlowId {
    return this.#flow.at(id).next
  }

  /** Gives up dormant sessions whose time is over. */
  sweep(): void {
    const now = this.now()
    for (const [session, until] of this.#dormant) if (until <= now) this.end(session)
  }

  /** What every session has from its beginning. */
  #begin(
    session: FlowView,
    signature: Int32Array,
    server: VirtualServer | null,
    openedAt: number,
  ): void {
    session.next = noFlow
    session.server = server
    if (server && !server.settings.translateAddress) session.raise(FlowFlags.keepsAddress)
    if (server && !server.translatesPort(protocolOf(signature))) session.raise(FlowFlags.keepsPort)
    session.openedAt = openedAt
    session.lastActiveAt = openedAt
    session.recentSince = openedAt
    this.#clients.enter(session, signature)
  }

  #opened(session: FlowView): void {
    const { server, node } = session
    session.state = SessionState.open
    this.#answers.enter(session)
    node?.opened(session.openedAt)
    server?.opened()
  }

  #enter(flow: FlowView, session: FlowId, asked: Question): void {
    flow.signature = asked.signature
    flow.serial = asked.serial
    flow.session = session
    flow.raise(FlowFlags.live)
    flow.hear(this.turn)
    if (asked.outbound) flow.raise(FlowFlags.outbound)
    if (asked.bridged) flow.raise(FlowFlags.bridged)
    if (asked.resumes && !asked.inHandshake) flow.raise(FlowFlags.resumes)
    if (asked.again) flow.raise(FlowFlags.another)
    this.#serials.enter(asked.serial, flow.id)
  }

  #hasFlows(sessionId: FlowId): boolean {
    const session = this.#session.at(sessionId)
    return session.has(FlowFlags.live) || session.next !== noFlow
  }

  /** That a signature and DSCP asks again means that the data flow segment has lost its flow. */
  #forgetLike(sessionId: FlowId, signature: Int32Array): void {
    for (let id = this.firstFlow(sessionId); id !== noFlow; id = this.nextFlow(id)) {
      const { words, signatureAt } = this.#flow.at(id)
      const sameTos = tosOf(words, signatureAt) === tosOf(signature)
      if (sameTos && sameSession(words, signatureAt, signature)) {
        this.#forget(id, sessionId)
        return
      }
    }
  }

  /** The record of the flow that began the session stays as long as the session. */
  #forget(id: FlowId, sessionId: FlowId): void {
    const flow = this.#flow.at(id)
    this.#serials.remove(flow.serial, id)
    if (id === sessionId) {
      flow.lower(FlowFlags.live | FlowFlags.asked)
      return
    }
    const before = this.#session.at(sessionId)
    while (before.next !== id) before.at(before.next)
    before.next = flow.next
    this.#table.release(id)
    this.#session.at(sessionId)
  }
}
