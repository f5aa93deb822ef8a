/** Walks a buffer of whole messages, as drained from a data flow segment. */
import {
  AckView,
  AppLearnView,
  AppQueryView,
  DeleteView,
  QueryView,
  ResetView,
  StateView,
  StatsView,
} from '../generated/messages.js'
import { csmbSizes, isCsmb, messageSize } from './message-size.js'

/** Takes the messages in order. A view is good until the method returns. */
export interface MessageSink {
  /** @param app the same message with its data, where it is an APP_QUERY */
  query(message: QueryView, app?: AppQueryView): void
  learn(message: AppLearnView): void
  delete(message: DeleteView): void
  stats(message: StatsView): void
  state(message: StateView): void
  reset(message: ResetView): void
  ack(message: AckView): void
}

export class MessageReader {
  /** Messages of unknown type, of a wrong size, or of a type that a data flow segment never sends
   *  (CS-14). Such a message is passed over; where its length cannot be known, so is the rest. */
  invalid = 0

  /** Bytes of the longest message so far, or of the longest that does not vary. */
  longest = StateView.size

  readonly #view: DataView
  readonly #query: QueryView
  readonly #appQuery: AppQueryView
  readonly #learn: AppLearnView
  readonly #delete: DeleteView
  readonly #stats: StatsView
  readonly #state: StateView
  readonly #reset: ResetView
  readonly #ack: AckView

  /** Reads from `buffer`, which the caller fills anew before each read(). */
  constructor(buffer: Uint8Array) {
    this.#view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength)
    this.#query = new QueryView(this.#view)
    this.#appQuery = new AppQueryView(this.#view)
    this.#learn = new AppLearnView(this.#view)
    this.#delete = new DeleteView(this.#view)
    this.#stats = new StatsView(this.#view)
    this.#state = new StateView(this.#view)
    this.#reset = new ResetView(this.#view)
    this.#ack = new AckView(this.#view)
  }

  /** Reads the messages in the first `length` bytes. */
  read(length: number, sink: MessageSink): void {
    let at = 0
    while (at < length) {
      const size = messageSize(this.#view, at, length)
      if (size === 0) {
        this.invalid++
        return
      }
      if (size > this.longest) this.longest = size
      if (isCsmb(this.#view, at)) this.#readCsmb(at, size, sink)
      else this.#readSsmb(at, sink)
      at += size
    }
  }

  #readSsmb(at: number, sink: MessageSink): void {
    switch (this.#view.getUint8(at)) {
      case QueryView.code:
        this.#query.at = at
        sink.query(this.#query)
        break
      case AppQueryView.code:
        // Up to the data it is laid out as a QUERY.
        this.#query.at = at
        this.#appQuery.at = at
        sink.query(this.#query, this.#appQuery)
        break
      case AppLearnView.code:
        this.#learn.at = at
        sink.learn(this.#learn)
        break
      case DeleteView.code:
        this.#delete.at = at
        sink.delete(this.#delete)
        break
      case StatsView.code:
        this.#stats.at = at
        sink.stats(this.#stats)
        break
      case StateView.code:
        this.#state.at = at
        sink.state(this.#state)
        break
      case ResetView.code:
        this.#reset.at = at
        sink.reset(this.#reset)
        break
      default:
        this.invalid++
    }
  }

  #readCsmb(at: number, size: number, sink: MessageSink): void {
    const code = this.#view.getUint16(at)
    if (code !== AckView.code || csmbSizes.get(code) !== size) {
      this.invalid++
      return
    }
    this.#ack.at = at
    sink.ack(this.#ack)
  }
}
