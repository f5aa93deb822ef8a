/**
 * A data flow segment that does nothing but ask and end: QUERYs of new flows as fast as they are
 * read, and a DELETE for each flow when so many others have begun. What it costs itself is a copy of
 * bytes that were made before.
 */
import { DeleteView, EndReason, QueryView, ReplyView } from '../../src/generated/messages.js'
import { FakeSegment } from '../../test/helpers/fake-segment.js'
import { deleteMessage, queryMessage } from '../../test/helpers/messages.js'

/** Flows with serials and signatures of their own; then they come round. */
const FLOWS = 1 << 16
/** Those that live at the same time. */
const LIVE = 20_000

export class QuerySource extends FakeSegment {
  decided = 0
  readonly #queries = Buffer.alloc(FLOWS * QueryView.size)
  readonly #deletes = Buffer.alloc(FLOWS * DeleteView.size)
  #asked: QueryView | undefined
  #begun = 0
  #ended = 0
  #until = 0
  #over: (() => void) | undefined

  constructor(destination: string) {
    super()
    for (let flow = 0; flow < FLOWS; flow++) {
      const source = `198.51.${100 + (flow >> 15)}.${flow & 0xff}:${1024 + ((flow >> 8) & 0x7f)}`
      const fields = { serial: 0x80000000 + flow, source, destination }
      this.#queries.set(queryMessage({ ...fields, vsId: 1 }), flow * QueryView.size)
      const end = deleteMessage({ ...fields, reason: EndReason.fin, packetsIn: 6, packetsOut: 5 })
      this.#deletes.set(end, flow * DeleteView.size)
    }
  }

  get asked(): number {
    return this.#begun
  }

  /** Asks for so many seconds; resolves when all that was asked has been read. */
  async flood(seconds: number, wake: () => void): Promise<void> {
    this.#until = performance.now() + seconds * 1000
    const over = new Promise<void>((resolve) => {
      this.#over = resolve
    })
    wake()
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
    if (performance.now() > this.#until) {
      this.#over()
      return 0
    }
    const asked = this.#viewOf(into)
    const now = Math.floor((performance.timeOrigin + performance.now()) * 1000)
    let at = 0
    while (at + QueryView.size + DeleteView.size <= into.length) {
      asked.at = at
      at += copy(this.#queries, this.#begun++ % FLOWS, QueryView.size, into, at)
      asked.timestampNumber = now
      if (this.#begun - this.#ended > LIVE) {
        at += copy(this.#deletes, this.#ended++ % FLOWS, DeleteView.size, into, at)
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
