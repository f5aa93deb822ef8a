/**
 * Moves messages about sockets between this process's sockets and a data flow segment: what was
 * written in a turn of the event loop in one call, and what came in pieces of up to a buffer.
 */
import type { NativeSegment } from '../native.js'
import { StreamReader, type StreamSink } from './stream-reader.js'
import type { MessageWriter } from './writer.js'

/** Large payload stays where it was read to, and is handed on from there: then another buffer is taken. */
const bufferBytes = 256 * 1024
/** The segment fills no less (native.ts). */
const leastRoom = 65_536
/** With more than this unsent, nothing more is read: the memory stays bounded. */
const maxUnsent = 16 * 1024 * 1024
/** The segment says when it has messages, not when it has room: a full ring is tried again. */
const retryMs = 1

export type StreamSegment = Pick<NativeSegment, 'readStreams' | 'writeStreams'>

export class StreamChannel {
  readonly #segment: StreamSegment
  readonly #sink: StreamSink
  #buffer = Buffer.allocUnsafeSlow(bufferBytes)
  readonly #reader = new StreamReader(this.#buffer)
  /** Of the buffer, bytes that somebody has. */
  #used = 0
  #turn: NodeJS.Immediate | undefined
  #retry: NodeJS.Timeout | undefined
  #sendScheduled = false
  #reading = false
  #stopped = false

  /** @param writer of what is to be sent */
  constructor(
    segment: StreamSegment,
    sink: StreamSink,
    private readonly writer: MessageWriter,
  ) {
    this.#segment = segment
    this.#sink = sink
  }

  get invalid(): number {
    return this.#reader.invalid
  }

  /** The segment has messages. */
  readonly wake = (): void => {
    if (this.#turn === undefined) this.#read()
  }

  /** What the writer has goes out before this turn of the event loop is over. */
  sendSoon(): void {
    // What is written while messages are read leaves when they are.
    if (this.#reading || this.#sendScheduled) return
    this.#sendScheduled = true
    process.nextTick(this.#sendNow)
  }

  /** What the writer has is sent, as far as there is room; nothing more after that. */
  stop(): void {
    this.#send()
    this.#stopped = true
    clearImmediate(this.#turn)
    clearTimeout(this.#retry)
  }

  readonly #sendNow = (): void => {
    this.#sendScheduled = false
    this.#send()
  }

  /** Once a turn: whoever gets bytes acts on them before more are read. */
  readonly #read = (): void => {
    this.#turn = undefined
    if (this.#stopped || this.writer.length > maxUnsent) return
    if (bufferBytes - this.#used < leastRoom) this.#takeBuffer()
    const room = this.#buffer.subarray(this.#used)
    const length = this.#segment.readStreams(room)
    if (length > 0) {
      this.#reading = true
      const isShared = this.#reader.read(this.#used, this.#used + length, this.#sink)
      this.#reading = false
      if (isShared) this.#used += length
      // What comes from now on wakes us; there may be more only where it did not fit.
      if (length > room.length - leastRoom) this.#turn = setImmediate(this.#read)
    }
    this.#send()
  }

  #takeBuffer(): void {
    this.#buffer = Buffer.allocUnsafeSlow(bufferBytes)
    this.#reader.use(this.#buffer)
    this.#used = 0
  }

  #send(): void {
    const { writer } = this
    if (this.#stopped || writer.length === 0 || this.#retry !== undefined) return
    const { pending } = writer
    writer.taken(this.#segment.writeStreams(pending, pending.length))
    if (writer.length === 0) return
    this.#retry = setTimeout(() => {
      this.#retry = undefined
      this.#send()
      this.wake()
    }, retryMs)
  }
}
