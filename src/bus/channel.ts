/**
 * Moves messages between a control segment and a data flow segment in this process, whole batches
 * at a time. Neither waits for the other: what the segment has no room for is kept, in order.
 */
import type { NativeSegment } from '../native.js'
import { MessageReader, type MessageSink } from './reader.js'
import { MessageWriter } from './writer.js'

/** Sees whole messages, back to back, in the order in which they pass. They are good until it returns. */
export interface BusWatcher {
  /** From the control segment to the data flow segment. */
  sent(messages: Uint8Array): void
  /** From the data flow segment to the control segment, which has not read them yet. */
  received(messages: Uint8Array): void
}

/** Some 40 questions: their answers leave before the next ones are read. */
const drainBytes = 4096
/** Then other work of this process gets its turn. */
const turnMs = 10
/** With more than this unsent, no more questions are taken: the memory stays bounded. */
const maxUnsent = 4 * 1024 * 1024
/** The segment says when it has messages, not when it has room: a full ring is tried again. */
const retryMs = 1

export class BusChannel {
  readonly writer = new MessageWriter()
  /** The bytes under the views that the sink gets. */
  readonly received = Buffer.allocUnsafeSlow(drainBytes)
  readonly #segment: NativeSegment
  readonly #sink: MessageSink
  readonly #reader = new MessageReader(this.received)
  #watchers: readonly BusWatcher[] = []
  #turn: NodeJS.Immediate | undefined
  #retry: NodeJS.Timeout | undefined
  #sendScheduled = false
  #backlogged = false
  #draining = false
  #stopped = false

  constructor(segment: NativeSegment, sink: MessageSink) {
    this.#segment = segment
    this.#sink = sink
  }

  get invalid(): number {
    return this.#reader.invalid
  }

  /** More may wait behind what is read now: it was as much as fits. */
  get backlogged(): boolean {
    return this.#backlogged
  }

  /** The segment has messages. */
  readonly wake = (): void => {
    if (this.#turn === undefined) this.#drain()
  }

  /** What it returns ends that. */
  watch(watcher: BusWatcher): () => void {
    this.#watchers = [...this.#watchers, watcher]
    return () => {
      this.#watchers = this.#watchers.filter((one) => one !== watcher)
    }
  }

  /** What the writer has goes out before this turn of the event loop is over. */
  sendSoon(): void {
    // A drain sends after each batch; only what is written outside of one needs a turn.
    if (this.#draining || this.#sendScheduled) return
    this.#sendScheduled = true
    process.nextTick(() => {
      this.#sendScheduled = false
      this.#send()
    })
  }

  stop(): void {
    this.#stopped = true
    clearImmediate(this.#turn)
    clearTimeout(this.#retry)
  }

  #drain(): void {
    this.#turn = undefined
    const end = performance.now() + turnMs
    do {
      this.#send()
      if (this.#stopped || this.writer.length > maxUnsent) return
      const length = this.#segment.drain(this.received)
      if (length === 0) return
      this.#backlogged = length > drainBytes - this.#reader.longest
      for (const watcher of this.#watchers) watcher.received(this.received.subarray(0, length))
      this.#draining = true
      this.#reader.read(length, this.#sink)
      this.#draining = false
    } while (performance.now() < end)
    this.#send()
    this.#turn = setImmediate(() => this.#drain())
  }

  #send(): void {
    const { writer } = this
    if (this.#stopped || writer.length === 0 || this.#retry !== undefined) return
    const { pending } = writer
    const taken = this.#segment.submit(pending, pending.length)
    for (const watcher of this.#watchers) watcher.sent(pending.subarray(0, taken))
    writer.taken(taken)
    if (writer.length === 0) return
    this.#retry = setTimeout(() => {
      this.#retry = undefined
      this.#send()
      this.wake()
    }, retryMs)
  }
}
