/**
 * All sockets of an engine, by their numbers: news of the engine goes to the one concerned. A place is
 * forgotten when the engine has nothing more to say of it, and only then used again.
 */
import type { StreamOrders } from '../bus/stream-orders.js'
import type { StreamSink } from '../bus/stream-reader.js'
import type {
  AcceptedMessage,
  CannotOpenMessage,
  ClosedMessage,
  ConnectedMessage,
  OpeningMessage,
  SocketStateMessage,
  TimeWaitMessage,
  UnrelayedMessage,
} from '../generated/streams.js'
import { closed, stopped } from './errors.js'
import type { Line } from './line.js'
import type { AnyOpening } from './opening.js'
import { ParkingLot } from './parking.js'
import type { RelayProgress } from './relay-link.js'
import { type SocketState, socketStateOf } from './socket-state.js'
import { WriteRoom } from './write-room.js'

/** What is done with the others of the stream messages. */
export interface StreamEvents {
  /** @param bytes of the buffer under the addresses of the message */
  accepted(message: AcceptedMessage, bytes: Uint8Array): void
  timeWait(message: TimeWaitMessage): void
  /** As NativeSegment has it. */
  readProgress(socket: number, into: BigUint64Array): void
}

/** What JavaScript may be handed of one socket before it has read any of that. */
export const window = { most: 1_048_576, least: 16_384 } as const
/** One socket has no more than this part of what is left of the memory. */
const greatestPart = 1 / 16

interface Question {
  readonly socket: number
  resolve(state: SocketState): void
  reject(error: Error): void
}

export class Sockets implements StreamSink {
  /** Messages about sockets that there are not. */
  stale = 0
  /** Bytes that JavaScript was handed and has not read, or may be handed. */
  committed = 0
  /** Sockets that were ever opened, by whom. */
  readonly totals = { accepted: 0, connected: 0, failed: 0 }
  /** Number of the turn of the event loop in which bytes come. */
  turn = 0
  readonly parking = new ParkingLot()
  readonly #lines = new Map<number, Line>()
  /** Those on their way, by their number. */
  readonly #opening = new Map<number, AnyOpening>()
  /** Those that have no number yet, by request. */
  readonly #requested = new Map<number, AnyOpening>()
  readonly #questions = new Map<number, Question>()
  /** One for each worker. */
  readonly #rooms: WriteRoom[] = []
  readonly #progress = new BigUint64Array(2)
  #onEmpty: (() => void)[] = []
  #isTurnOpen = false
  #lastRequest = 0
  #isStopped = false

  /** @param memory that JavaScript may hold of what was received, in bytes, for all sockets */
  constructor(
    readonly orders: StreamOrders,
    private readonly memory: number,
    private readonly events: StreamEvents,
  ) {}

  [Symbol.iterator](): IterableIterator<Line> {
    return this.#lines.values()
  }

  get size(): number {
    return this.#lines.size
  }

  get(id: number): Line | undefined {
    return this.#lines.get(id)
  }

  /** What a socket may have in JavaScript now. */
  get window(): number {
    const part = Math.floor((this.memory - this.committed) * greatestPart)
    return Math.max(window.least, Math.min(window.most, part))
  }

  /** In JavaScript, of all sockets. */
  get bytesHeld(): number {
    let sum = 0
    for (const { end } of this.#lines.values()) sum += end.bytesHeld
    return sum
  }

  /** What the engine has moved of the bytes that a socket received, now. */
  progressOf(socket: number): RelayProgress {
    this.#progress.fill(0n)
    this.events.readProgress(socket, this.#progress)
    const [bytes, at] = this.#progress
    if (at === 0n) return { bytes: Number(bytes), movedAt: 0 }
    const agoMs = Number(process.hrtime.bigint() - at) / 1e6
    return { bytes: Number(bytes), movedAt: Date.now() - agoMs }
  }

  /** Resolves when there is none, or so long has passed. */
  empty(ms: number): Promise<void> {
    if (this.#lines.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#onEmpty.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  add(line: Line): void {
    this.#lines.set(line.id, line)
  }

  /** @throws {SluiceError} `ERR_SLUICE_STOPPED` */
  open(opening: AnyOpening): number {
    if (this.#isStopped) throw stopped()
    const request = this.#nextRequest()
    this.#requested.set(request, opening)
    return request
  }

  /** Those on their way fail for that reason, as soon as the engine is done with them. */
  abortOpenings(why: Error): void {
    for (const opening of [...this.#requested.values(), ...this.#opening.values()]) {
      opening.abort(why)
    }
  }

  /** What its TCP has to say of a socket. @throws {SluiceError} `ERR_SLUICE_CLOSED`, `ERR_SLUICE_STOPPED` */
  ask(socket: number): Promise<SocketState> {
    if (this.#isStopped) throw stopped()
    if (!this.#lines.has(socket)) throw gone()
    const request = this.#nextRequest()
    this.orders.ask(socket, request)
    return new Promise((resolve, reject) => {
      this.#questions.set(request, { socket, resolve, reject })
    })
  }

  stop(): void {
    this.#isStopped = true
    const error = stopped()
    for (const opening of [...this.#requested.values(), ...this.#opening.values()]) {
      opening.fail(error)
    }
    for (const { reject } of this.#questions.values()) reject(error)
    for (const line of this.#lines.values()) line.stop()
    this.#requested.clear()
    this.#opening.clear()
    this.#questions.clear()
    this.#lines.clear()
  }

  data(socket: number, bytes: Buffer): void {
    if (!this.#isTurnOpen) this.#openTurn()
    const line = this.#lines.get(socket)
    if (line) line.data(bytes)
    else this.stale++
  }

  #openTurn(): void {
    this.#isTurnOpen = true
    this.turn++
    process.nextTick(this.#endTurn)
  }

  readonly #endTurn = (): void => {
    this.#isTurnOpen = false
  }

  ended(socket: number): void {
    this.#known(socket)?.ended()
  }

  writable(socket: number, credit: number): void {
    this.#known(socket)?.writable(credit)
  }

  room(worker: number, chunks: number): void {
    this.roomOf(worker).grant(chunks)
  }

  /** What the sockets of this one's worker may write together. */
  roomOf(socket: number): WriteRoom {
    const worker = (socket >>> 24) & 0x7f
    this.#rooms[worker] ??= new WriteRoom()
    return this.#rooms[worker]
  }

  held(socket: number): void {
    this.#known(socket)?.held()
  }

  spliced(socket: number, block: number): void {
    this.#known(socket)?.spliced(block)
  }

  unrelayed(message: UnrelayedMessage): void {
    this.#known(message.socket)?.unrelayed(message.bytesNumber, message.datagramsNumber)
  }

  accepted(message: AcceptedMessage, bytes: Uint8Array): void {
    this.totals.accepted++
    this.events.accepted(message, bytes)
  }

  timeWait(message: TimeWaitMessage): void {
    this.events.timeWait(message)
  }

  opening({ request, socket }: OpeningMessage): void {
    const opening = this.#requested.get(request)
    if (!opening) {
      this.stale++
      return
    }
    this.#requested.delete(request)
    this.#opening.set(socket, opening)
    opening.began(socket)
  }

  cannotOpen({ request, reason }: CannotOpenMessage): void {
    const opening = this.#requested.get(request)
    this.#requested.delete(request)
    this.totals.failed++
    if (opening) opening.refused(reason)
    else this.stale++
  }

  connected(message: ConnectedMessage, bytes: Uint8Array): void {
    const { socket } = message
    const opening = this.#opening.get(socket)
    this.#opening.delete(socket)
    this.totals.connected++
    if (opening) opening.connected(message, bytes)
    else this.stale++
  }

  closed(message: ClosedMessage): void {
    const { socket, reason } = message
    const opening = this.#opening.get(socket)
    const line = this.#lines.get(socket)
    this.#opening.delete(socket)
    this.#lines.delete(socket)
    this.orders.forget(socket)
    if (this.#lines.size === 0) for (const resolve of this.#onEmpty.splice(0)) resolve()
    this.#forgetQuestions(socket)
    if (opening) {
      this.totals.failed++
      opening.refused(reason)
    } else if (line) {
      line.closed(reason, message)
    } else {
      this.stale++
    }
  }

  socketState(message: SocketStateMessage): void {
    const question = this.#questions.get(message.request)
    this.#questions.delete(message.request)
    if (question) question.resolve(socketStateOf(message))
    else this.stale++
  }

  #known(socket: number): Line | undefined {
    const line = this.#lines.get(socket)
    if (!line) this.stale++
    return line
  }

  /** A socket that is gone answers no more. */
  #forgetQuestions(socket: number): void {
    if (this.#questions.size === 0) return
    for (const [request, question] of this.#questions) {
      if (question.socket !== socket) continue
      this.#questions.delete(request)
      question.reject(gone())
    }
  }

  #nextRequest(): number {
    this.#lastRequest = (this.#lastRequest + 1) >>> 0
    return this.#lastRequest
  }
}

const gone = () => closed('The connection is over.')
