/** Walks a buffer of whole messages about sockets, as read from a data flow segment. */
import {
  AcceptedMessage,
  CannotOpenMessage,
  ClosedMessage,
  ConnectedMessage,
  DataMessage,
  EndedMessage,
  HeldMessage,
  OpeningMessage,
  RoomMessage,
  SocketStateMessage,
  SplicedMessage,
  TimeWaitMessage,
  UnrelayedMessage,
  WritableMessage,
} from '../generated/streams.js'

/** Takes the messages in order. A message is good until the method returns; bytes are yours to keep. */
export interface StreamSink {
  /** @param bytes of the buffer under the addresses of the message */
  accepted(message: AcceptedMessage, bytes: Uint8Array): void
  opening(message: OpeningMessage): void
  cannotOpen(message: CannotOpenMessage): void
  /** @param bytes of the buffer under the addresses of the message */
  connected(message: ConnectedMessage, bytes: Uint8Array): void
  data(socket: number, bytes: Buffer): void
  ended(socket: number): void
  writable(socket: number, credit: number): void
  /** @param worker a socket number with the worker's in the upper eight bits */
  room(worker: number, chunks: number): void
  held(socket: number): void
  /** @param block a SpliceBlock: none, or why it never will be */
  spliced(socket: number, block: number): void
  unrelayed(message: UnrelayedMessage): void
  closed(message: ClosedMessage): void
  timeWait(message: TimeWaitMessage): void
  socketState(message: SocketStateMessage): void
}

const headerBytes = DataMessage.size
/** Less is copied: who keeps some bytes keeps no more alive than eight times of them, which is this part of
 *  the channel's buffer. Sharing smaller pieces of larger ones measured no faster. */
const leastShared = 32_768

/** The next message begins at a multiple of 4. */
export const padded = (length: number) => (length + 3) & ~3

export class StreamReader {
  /** Messages of unknown type or wrong length (CS-14). After the latter the rest cannot be found. */
  invalid = 0

  #bytes: Buffer
  #view: DataView
  readonly #accepted: AcceptedMessage
  readonly #opening: OpeningMessage
  readonly #cannotOpen: CannotOpenMessage
  readonly #connected: ConnectedMessage
  readonly #unrelayed: UnrelayedMessage
  readonly #closed: ClosedMessage
  readonly #timeWait: TimeWaitMessage
  readonly #socketState: SocketStateMessage

  constructor(bytes: Buffer) {
    this.#bytes = bytes
    this.#view = viewOf(bytes)
    this.#accepted = new AcceptedMessage(this.#view)
    this.#opening = new OpeningMessage(this.#view)
    this.#cannotOpen = new CannotOpenMessage(this.#view)
    this.#connected = new ConnectedMessage(this.#view)
    this.#unrelayed = new UnrelayedMessage(this.#view)
    this.#closed = new ClosedMessage(this.#view)
    this.#timeWait = new TimeWaitMessage(this.#view)
    this.#socketState = new SocketStateMessage(this.#view)
  }

  /** Reads from another buffer from now on. */
  use(bytes: Buffer): void {
    this.#bytes = bytes
    this.#view = viewOf(bytes)
    this.#accepted.view = this.#opening.view = this.#cannotOpen.view = this.#view
    this.#connected.view = this.#unrelayed.view = this.#closed.view = this.#view
    this.#timeWait.view = this.#socketState.view = this.#view
  }

  /** Reads what stands from `at` to `end`. Whether somebody has bytes of it now. */
  read(at: number, end: number, sink: StreamSink): boolean {
    let isShared = false
    while (at + headerBytes <= end) {
      const length = this.#view.getUint32(at + 8)
      if (length < headerBytes || at + length > end) break
      try {
        if (this.#view.getUint8(at) === DataMessage.code) {
          isShared = this.#readData(at, length, sink) || isShared
        } else {
          this.#readNews(at, length, sink)
        }
      } catch (error) {
        // One socket's trouble loses no other's news.
        process.nextTick(rethrow, error)
      }
      at += padded(length)
    }
    if (at < end) this.invalid++
    return isShared
  }

  #readData(at: number, length: number, sink: StreamSink): boolean {
    const isShared = length >= leastShared
    const bytes = this.#bytes.subarray(at + headerBytes, at + length)
    sink.data(this.#view.getUint32(at + 4), isShared ? bytes : Buffer.from(bytes))
    return isShared
  }

  #readNews(at: number, length: number, sink: StreamSink): void {
    const code = this.#view.getUint8(at)
    const socket = this.#view.getUint32(at + 4)
    if (length !== sizes[code]) this.invalid++
    else if (code === EndedMessage.code) sink.ended(socket)
    else if (code === WritableMessage.code) sink.writable(socket, this.#view.getUint32(at + 12))
    else if (code === RoomMessage.code) sink.room(socket, this.#view.getUint32(at + 12))
    else if (code === HeldMessage.code) sink.held(socket)
    else if (code === SplicedMessage.code) sink.spliced(socket, this.#view.getUint8(at + 1))
    else this.#readEvent(code, at, sink)
  }

  #readEvent(code: number, at: number, sink: StreamSink): void {
    switch (code) {
      case AcceptedMessage.code:
        sink.accepted(moved(this.#accepted, at), this.#bytes)
        break
      case OpeningMessage.code:
        sink.opening(moved(this.#opening, at))
        break
      case CannotOpenMessage.code:
        sink.cannotOpen(moved(this.#cannotOpen, at))
        break
      case ConnectedMessage.code:
        sink.connected(moved(this.#connected, at), this.#bytes)
        break
      case UnrelayedMessage.code:
        sink.unrelayed(moved(this.#unrelayed, at))
        break
      case ClosedMessage.code:
        sink.closed(moved(this.#closed, at))
        break
      case TimeWaitMessage.code:
        sink.timeWait(moved(this.#timeWait, at))
        break
      case SocketStateMessage.code:
        sink.socketState(moved(this.#socketState, at))
    }
  }
}

function rethrow(error: unknown): never {
  throw error
}

/** Size by code of those messages that do not vary; undefined for a code that is none. */
const sizes: readonly (number | undefined)[] = [
  AcceptedMessage,
  OpeningMessage,
  CannotOpenMessage,
  ConnectedMessage,
  EndedMessage,
  WritableMessage,
  RoomMessage,
  HeldMessage,
  SplicedMessage,
  UnrelayedMessage,
  ClosedMessage,
  TimeWaitMessage,
  SocketStateMessage,
].reduce<(number | undefined)[]>((sizes, { code, size }) => {
  sizes[code] = size
  return sizes
}, [])

const viewOf = (bytes: Buffer) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

function moved<Message extends { at: number }>(message: Message, at: number): Message {
  message.at = at
  return message
}
