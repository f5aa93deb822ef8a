/**
 * Asks for flows of which nothing was heard for long (REAP), so that the ledger keeps none that the
 * data flow segment has no more. A flow has no timer here: it remembers, in 16 bits, the turn in
 * which something was heard of it. A turn is one walk over the ledger, a slice at each tick.
 */
import type { MessageWriter } from '../bus/writer.js'
import { ReapView, SsmbFlags, TimeoutView } from '../generated/messages.js'
import type { FlowLedger } from './flow-ledger.js'
import { FlowFlags, type FlowId, type FlowView } from './flow-table.js'
import { writeSignature } from './signature.js'
import type { ReaperCounters } from './status.js'

/** From one tick to the next, and so long an answer may take (requirements 2.2). */
export const reaperTickMs = 200
const mostQuestions = 3
/** Flows asked about at once. */
const mostAsked = 1024
/** Of `reapMs`, at least: by so much it is exceeded at most, and a tick. */
const turns = 64

const turnMask = 0xffff

export class Reaper {
  readonly counters = { asked: 0, alive: 0, gone: 0, unanswered: 0 }
  readonly #ledger: FlowLedger
  readonly #writer: MessageWriter
  readonly #flow: FlowView
  readonly #session: FlowView
  readonly #reap = new ReapView(new DataView(new ArrayBuffer(ReapView.size)))
  readonly #timeout = new TimeoutView(new DataView(new ArrayBuffer(TimeoutView.size)))
  readonly #idleSeconds: number
  readonly #ticksOfTurn: number
  readonly #silentTurns: number
  /** With the number of questions about each. */
  readonly #asked = new Map<FlowId, number>()
  #tick = 0
  #next: FlowId = 0

  /** @param reapMs silence after which a flow is asked about */
  constructor(ledger: FlowLedger, writer: MessageWriter, reapMs: number) {
    this.#ledger = ledger
    this.#writer = writer
    this.#flow = ledger.view()
    this.#session = ledger.view()
    this.#idleSeconds = Math.ceil(reapMs / 1000)
    this.#ticksOfTurn = Math.max(1, Math.floor(reapMs / reaperTickMs / turns))
    this.#silentTurns = Math.ceil(reapMs / reaperTickMs / this.#ticksOfTurn)
  }

  get report(): ReaperCounters {
    return { ...this.counters, waiting: this.#asked.size }
  }

  /** To be called every `reaperTickMs`. */
  tick(): void {
    // What did not leave yet cannot have been answered.
    if (this.#writer.length > 0) return
    this.#askAgain()
    this.#walk()
  }

  /** A flow that was heard of, or that ended, is not marked as asked any more. */
  #askAgain(): void {
    for (const [id, questions] of this.#asked) {
      if (!this.#flow.at(id).has(FlowFlags.asked)) this.#asked.delete(id)
      else if (questions < mostQuestions) this.#ask(id, questions + 1)
      else this.#giveUp(id)
    }
  }

  /** Looks at those records that are due at this tick; those that find no room wait for the next. */
  #walk(): void {
    const ledger = this.#ledger
    this.#tick = Math.min(this.#tick + 1, this.#ticksOfTurn)
    const end = Math.ceil((ledger.records * this.#tick) / this.#ticksOfTurn)
    while (this.#next < end && this.#asked.size < mostAsked) {
      const silent = ledger.firstSilent(this.#next, end, this.#silentTurns)
      this.#next = Math.min(silent + 1, end)
      if (silent === end) break
      this.counters.asked++
      this.#ask(silent, 1)
    }
    if (this.#next < end || this.#tick < this.#ticksOfTurn) return
    ledger.turn = (ledger.turn + 1) & turnMask
    this.#tick = 0
    this.#next = 0
  }

  #ask(id: FlowId, questions: number): void {
    this.#asked.set(id, questions)
    this.#fill(this.#writer.start(this.#reap, ReapView.size), id)
    this.#flow.raise(FlowFlags.asked)
  }

  /** The data flow segment has no such flow, or has no ear for us: if it has, it will say so. */
  #giveUp(id: FlowId): void {
    this.#asked.delete(id)
    this.counters.unanswered++
    this.#fill(this.#writer.start(this.#timeout, TimeoutView.size), id)
    this.#ledger.endFlow(id)
  }

  #fill(message: ReapView | TimeoutView, id: FlowId): void {
    const flow = this.#flow.at(id)
    const { server } = this.#session.at(flow.session)
    message.serial = flow.serial
    message.flags = flow.has(FlowFlags.outbound) ? SsmbFlags.outbound : 0
    writeSignature(flow.words, flow.signatureAt, message.view, message.sig.at)
    // A virtual server may let its flows be silent for longer.
    message.idleSecs = Math.max(this.#idleSeconds, server?.idleSeconds ?? 0)
  }
}
