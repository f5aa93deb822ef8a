/**
 * The control segment's own table of sessions, by signature and by the serials of their flows
 * (CS-04). It counts connections and traffic for nodes and virtual servers, each once.
 */
import type { CntView, QueryView } from '../generated/messages.js'
import type { ActivityRanking, FlowActivity } from '../policy/new-flow.js'
import type { Node } from './pools.js'
import { type Serial, Session, SessionFlow } from './session.js'
import { isFrom, reversed, type Signature, sourceOf, towards } from './signature.js'
import { TrafficTotals } from './traffic.js'
import type { VirtualServer } from './virtual-servers.js'

export class FlowLedger implements ActivityRanking {
  readonly #bySignature = new Map<Signature, Session>()
  readonly #bySerial = new Map<Serial, SessionFlow>()
  /** When each dormant session is given up, in milliseconds since 1970; oldest first. */
  readonly #dormant = new Map<Session, number>()
  readonly #scratch = new TrafficTotals()

  /**
   * @param maxDormant sessions kept after their eviction
   * @param now milliseconds since 1970
   */
  constructor(
    private readonly maxDormant: number,
    private readonly now: () => number,
  ) {}

  get size(): number {
    return this.#bySignature.size
  }

  flow(serial: Serial): SessionFlow | undefined {
    return this.#bySerial.get(serial)
  }

  /** The session whose client sends packets of this signature. */
  session(signature: Signature): Session | undefined {
    return this.#bySignature.get(signature)
  }

  /** The session whose server sends packets of this signature. */
  sessionOfServer(signature: Signature, servers: Iterable<VirtualServer>): Session | undefined {
    const answered = reversed(signature)
    const routed = this.#bySignature.get(answered)
    if (routed && !routed.node) return routed
    for (const server of servers) {
      const session = this.#bySignature.get(towards(answered, server.encoded))
      if (session?.node && isFrom(signature, session.node.encoded)) return session
    }
    return undefined
  }

  /** Enters a session that waits for its decision. */
  open(
    signature: Signature,
    server: VirtualServer | null,
    initialSequence: number,
    openedAt: number,
  ): Session {
    const session = new Session(signature, server, initialSequence, openedAt)
    this.#bySignature.set(signature, session)
    return session
  }

  /** The decision: a node, or null for a session that is only routed. Counted here, and once. */
  assign(session: Session, node: Node | null): void {
    session.node = node
    session.state = 'open'
    node?.opened()
    if (session.server) {
      session.server.connections++
      session.server.totalConnections++
    }
  }

  /** Adds the flow that asks to a session, in the place of one of the same signature and DSCP. */
  join(session: Session, signature: Signature, query: QueryView): SessionFlow {
    const flow = new SessionFlow(session, signature, query)
    this.#forgetLike(session, signature, flow.tos)
    session.flows = session.flows.length === 0 ? [flow] : [...session.flows, flow]
    this.#bySerial.set(flow.serial, flow)
    if (session.state === 'dormant') {
      this.#dormant.delete(session)
      session.state = 'open'
    }
    return flow
  }

  /** Takes the totals of a flow, which are since its start; what is new in them is counted. */
  update(flow: SessionFlow, totals: CntView): void {
    const { session } = flow
    const more = this.#scratch
    more.packetsIn = totals.pktsInNumber - flow.packetsIn
    more.bytesIn = totals.bytesInNumber - flow.bytesIn
    more.packetsOut = totals.pktsOutNumber - flow.packetsOut
    more.bytesOut = totals.bytesOutNumber - flow.bytesOut
    flow.add(more)
    if (flow.fromServer) more.swap()
    session.add(more)
    session.server?.traffic.add(more)
    session.node?.count(more)
    this.#noteActivity(session, more.bytesIn + more.bytesOut, totals.tLastNumber / 1000)
  }

  /** A flow ended; its session does with the last one. */
  endFlow(flow: SessionFlow): void {
    this.#forget(flow)
    if (flow.session.flows.length === 0) this.end(flow.session)
  }

  /** A flow was evicted; its session may ask again until `keepMs` have passed. */
  evictFlow(flow: SessionFlow, keepMs: number): void {
    const { session } = flow
    const canResume = session.state === 'open' && !session.replaced
    if (!canResume || session.flows.length > 1) {
      this.endFlow(flow)
      return
    }
    this.#forget(flow)
    session.state = 'dormant'
    this.#dormant.set(session, this.now() + keepMs)
    const [oldest] = this.#dormant.keys()
    if (this.#dormant.size > this.maxDormant) this.end(oldest)
  }

  /**
   * The client opened another session with the signature of this one. What the data flow segment
   * still has of it, flows of another DSCP than the new SYN, it will report.
   */
  supersede(session: Session, tos: number): void {
    this.#forgetLike(session, session.signature, tos)
    if (session.flows.length === 0) {
      this.end(session)
      return
    }
    this.#bySignature.delete(session.signature)
    session.replaced = true
  }

  /** Takes a session out of every table. */
  end(session: Session): void {
    if (session.state === 'open' || session.state === 'dormant') {
      session.node?.closed()
      if (session.server) session.server.connections--
    }
    if (session.state === 'dormant') this.#dormant.delete(session)
    session.state = 'ended'
    for (const flow of session.flows) this.#bySerial.delete(flow.serial)
    session.flows = []
    if (!session.replaced) this.#bySignature.delete(session.signature)
  }

  /** Gives up dormant sessions whose time is over. */
  sweep(): void {
    const now = this.now()
    for (const [session, until] of this.#dormant) if (until <= now) this.end(session)
  }

  busiest(count: number): FlowActivity[] {
    return this.#ranked(count, (a, b) => b.bytesPerSecond - a.bytesPerSecond)
  }

  quietest(count: number): FlowActivity[] {
    return this.#ranked(count, (a, b) => a.lastActiveAt - b.lastActiveAt)
  }

  #ranked(count: number, order: (a: FlowActivity, b: FlowActivity) => number): FlowActivity[] {
    const now = this.now()
    const open = [...this.#bySignature.values()].filter((session) => session.state === 'open')
    return open
      .map((session) => activityOf(session, now))
      .sort(order)
      .slice(0, count)
  }

  #noteActivity(session: Session, bytes: number, lastActiveAt: number): void {
    if (lastActiveAt > session.lastActiveAt) {
      session.recentSince = session.lastActiveAt
      session.recentBytes = 0
      session.lastActiveAt = lastActiveAt
    }
    session.recentBytes += bytes
  }

  /** That a signature and DSCP asks again means that the data flow segment has lost its flow. */
  #forgetLike(session: Session, signature: Signature, tos: number): void {
    const old = session.flows.find((flow) => flow.tos === tos && flow.signature === signature)
    if (old) this.#forget(old)
  }

  #forget(flow: SessionFlow): void {
    this.#bySerial.delete(flow.serial)
    flow.session.flows = flow.session.flows.filter((other) => other !== flow)
  }
}

function activityOf(session: Session, now: number): FlowActivity {
  const seconds = Math.max(now - session.recentSince, 1) / 1000
  return {
    client: sourceOf(session.signature),
    virtualServer: session.server?.name ?? null,
    openedAt: session.openedAt,
    lastActiveAt: session.lastActiveAt,
    bytesPerSecond: session.recentBytes / seconds,
  }
}
