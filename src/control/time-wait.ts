/**
 * The TIME-WAIT compactor. A connection that the engine closed first gives its blocks back and leaves
 * an entry behind, which answers for it for 2MSL (MEM-08, MEM-09). How long, and which ones end
 * early where there are too many, is said here, in batches; the engine tells of each, and goes by its
 * own time where nobody says otherwise.
 */
import type { StreamOrders } from '../bus/stream-orders.js'
import type { TimeWaitMessage } from '../generated/streams.js'

export interface TimeWaitReport {
  /** Remembered now, as far as they were told of. */
  readonly entries: number
  readonly budget: number
  /** Ever told of. */
  readonly told: number
  /** Bytes of blocks and buffers that these gave back on entering it. */
  readonly bytesFreed: number
  /** Given another time than the engine's own. */
  readonly adjusted: number
  /** Ended before their time, the oldest first, to keep to the budget (MEM-18). */
  readonly endedEarly: number
}

export interface CompactorOptions {
  readonly orders: StreamOrders
  /** Entries at once. */
  readonly budget: number
  /** What the engine goes by where nobody says otherwise. */
  readonly usualMs: number
  /** 2MSL of a virtual server, by its number; undefined where it is the usual. */
  readonly timeOf: (virtualServer: number) => number | undefined
  /** Milliseconds. */
  readonly now: () => number
}

/** Numbers of each: worker, entry, serial. */
const wordsPerEntry = 3
const firstCapacity = 1024

/** Entries in the order in which they came, in arrays: there may be hundreds of thousands. */
class Queue {
  #words = new Uint32Array(firstCapacity * wordsPerEntry)
  #ends = new Float64Array(firstCapacity)
  #first = 0
  length = 0

  get #capacity(): number {
    return this.#ends.length
  }

  add(worker: number, entry: number, serial: number, endsAt: number): void {
    if (this.length === this.#capacity) this.#grow()
    const place = (this.#first + this.length++) % this.#capacity
    this.#words.set([worker, entry, serial], place * wordsPerEntry)
    this.#ends[place] = endsAt
  }

  /** When the oldest one ends by itself. */
  get firstEndsAt(): number {
    return this.#ends[this.#first]
  }

  /** Takes the oldest one out. */
  take(): Uint32Array {
    const place = this.#first * wordsPerEntry
    this.#first = (this.#first + 1) % this.#capacity
    this.length--
    return this.#words.subarray(place, place + wordsPerEntry)
  }

  #grow(): void {
    const [words, ends] = [this.#words, this.#ends]
    const [old, first] = [ends.length, this.#first]
    this.#words = new Uint32Array(words.length * 2)
    this.#ends = new Float64Array(old * 2)
    // Full: from the oldest to the end, then from the beginning.
    this.#words.set(words.subarray(first * wordsPerEntry))
    this.#words.set(words.subarray(0, first * wordsPerEntry), (old - first) * wordsPerEntry)
    this.#ends.set(ends.subarray(first))
    this.#ends.set(ends.subarray(0, first), old - first)
    this.#first = 0
  }
}

export class TimeWaitCompactor {
  readonly #options: CompactorOptions
  /** One for each time that they have: in each the oldest is the first to end. */
  readonly #queues = new Map<number, Queue>()
  #told = 0
  #bytesFreed = 0
  #adjusted = 0
  #endedEarly = 0

  constructor(options: CompactorOptions) {
    this.#options = options
  }

  /** The data flow segment tells of one. */
  take(message: TimeWaitMessage): void {
    const { orders, usualMs, timeOf, now } = this.#options
    const { socket: worker, entry, serial } = message
    const keepMs = timeOf(message.vsId) ?? usualMs
    this.#told++
    this.#bytesFreed += message.bytesFreed
    if (keepMs !== usualMs) {
      this.#adjusted++
      orders.keepTimeWait(worker, entry, serial, keepMs)
    }
    this.#queueOf(keepMs).add(worker, entry, serial, now() + keepMs)
    if (this.#entries > this.#options.budget) this.#compact()
  }

  report(): TimeWaitReport {
    this.#forgetEnded()
    return {
      entries: this.#entries,
      budget: this.#options.budget,
      told: this.#told,
      bytesFreed: this.#bytesFreed,
      adjusted: this.#adjusted,
      endedEarly: this.#endedEarly,
    }
  }

  /** Those whose time is over have ended by themselves; of the others the next to end go. */
  #compact(): void {
    this.#forgetEnded()
    while (this.#entries > this.#options.budget) {
      const [worker, entry, serial] = this.#next().take()
      this.#options.orders.keepTimeWait(worker, entry, serial, 0)
      this.#endedEarly++
    }
  }

  /** To be called now and then, too: nothing of what has ended stays. */
  #forgetEnded(): void {
    const now = this.#options.now()
    for (const queue of this.#queues.values()) {
      while (queue.length > 0 && queue.firstEndsAt <= now) queue.take()
    }
  }

  get #entries(): number {
    let sum = 0
    for (const { length } of this.#queues.values()) sum += length
    return sum
  }

  /** The queue with the one that is the next to end. */
  #next(): Queue {
    const queues = [...this.#queues.values()].filter(({ length }) => length > 0)
    return queues.reduce((first, queue) => (queue.firstEndsAt < first.firstEndsAt ? queue : first))
  }

  #queueOf(keepMs: number): Queue {
    const known = this.#queues.get(keepMs)
    if (known) return known
    const queue = new Queue()
    this.#queues.set(keepMs, queue)
    return queue
  }
}
