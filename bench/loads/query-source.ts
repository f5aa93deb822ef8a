/**
 * A data flow segment that does nothing but ask and end: QUERYs of new flows as fast as they are
 * read, and a DELETE for each flow when so many others have begun. What it costs itself is a copy of
 * bytes that were made before.
 */
import { DeleteView, EndReason, QueryView, ReplyView } from '../../src/generated/messages.js'
import type { NativeSegmentOptions } from '../../src/native.js'
import { FakeSegment } from '../../test/helpers/fake-segment.js'
import { deleteMessage, queryMessage } from '../../test/helpers/messages.js'

export interface QuerySourceOptions {
  /** Flows with serials and signatures of their own; then they come round. */
  flows?: number
  /** Those that live at the same time. */
  live?: number
}

export class QuerySource extends FakeSegment {
  decided = 0
  readonly #flows: number
  readonly #live: number
  readonly #queries: Buffer
  readonly #deletes: Buffer
  #asked: QueryView | undefined
  #begun = 0
  #ended = 0
  #last = 0
  #until = 0
  #wake = () => {}
  #over: (() => void) | undefined

  constructor(destination: string, { flows = 1 << 16, live = 20_000 }: QuerySourceOptions = {}) {
    super()
    this.#flows = flows
    this.#live = live
    this.#queries = Buffer.alloc(flows * QueryView.size)
    this.#deletes = Buffer.alloc(live < flows ? flows * DeleteView.size : 0)
    for (let flow = 0; flow < flows; flow++) {
      const source = `198.51.${100 + (flow >> 15)}.${flow & 0xff}:${1024 + ((flow >> 8) & 0x7f)}`
      const fields = { serial: 0x80000000 + flow, source, destination }
      this.#queries.set(queryMessage({ ...fields, vsId: 1 }), flow * QueryView.size)
      if (live >= flows) continue
      const end = deleteMessage({ ...fields, reason: EndReason.fin, packetsIn: 6, packetsOut: 5 })
      this.#deletes.set(end, flow * DeleteView.size)
    }
  }

  get asked(): number {
    return this.#begun
  }

  override start(options: NativeSegmentOptions, wake: () => void): void {
    this.#wake = wake
    super.start(options, wake)
  }

  /** Asks for so many seconds; resolves when all that was asked has been read. */
  async flood(seconds: number): Promise<void> {
    await this.#ask(Number.POSITIVE_INFINITY, performance.now() + seconds * 1000)
  }

  /** Asks until so many flows have begun in all; resolves when all that was asked has been read. */
  async fill(flows: number): Promise<void> {
    await this.#ask(flows, Number.POSITIVE_INFINITY)
  }

  async #ask(last: number, until: number): Promise<void> {
    this.#last = last
    this.#until = until
    const over = new Promise<void>((resolve) => {
      this.#over = resolve
    })
    this.#wake()
    await over
  }

  override submit(messages: Uint8Array, length: number): number {
    if (!this.#over) return super.submit(messages, length)
    for (let at = 0; at < length; at += ReplyView.size) {
      if (messages[at] === ReplyView.code) this.decided++
    }
    return length
  }

  override drain(into: Uint8Array): number {
    if (!this.#over) return super.drain(into)
    if (this.#begun >= this.#last || performance.now() > this.#until) {
      this.#over()
      return 0
    }
    const asked = this.#viewOf(into)
    const now = Math.floor((performance.timeOrigin + performance.now()) * 1000)
    let at = 0
    while (this.#begun < this.#last && at + QueryView.size + DeleteView.size <= into.length) {
      asked.at = at
      at += copy(this.#queries, this.#begun++ % this.#flows, QueryView.size, into, at)
      asked.timestampNumber = now
      if (this.#begun - this.#ended > this.#live) {
        at += copy(this.#deletes, this.#ended++ % this.#flows, DeleteView.size, into, at)
      }
    }
    return at
  }

  #viewOf(into: Uint8Array): QueryView {
    if (this.#asked?.view.buffer !== into.buffer) {
      this.#asked = new QueryView(new DataView(into.buffer, into.byteOffset, into.byteLength))
    }
    return this.#asked
  }
}

function copy(from: Buffer, index: number, size: number, into: Uint8Array, at: number): number {
  from.copy(into, at, index * size, (index + 1) * size)
  return size
}
