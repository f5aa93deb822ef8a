/**
 * A TCP connection of the engine, as a stream: everything of net.Socket, and its place in a pair.
 */
import { Duplex } from 'node:stream'
import { formatEndpoint } from '../bus/address.js'
import type { Endpoint } from '../endpoint.js'
import { SocketOption } from '../generated/streams.js'
import { ChunkLengths, chunksOf } from './chunks.js'
import { IdleTimeout } from './idle-timeout.js'
import type { Line } from './line.js'
import type { LineEnd } from './line-end.js'
import type { SocketPair } from './pair.js'
import type { Course } from './shortcut.js'
import type { Sockets } from './sockets.js'
import type {
  Abortable,
  ClientIdentity,
  ParkedHandle,
  ParkOptions,
  SocketUse,
  TcpInfo,
} from './types.js'
import { until } from './until.js'

/** Bytes in either buffer of the stream from which on it says that it has enough. */
const highWaterMark = 131_072

/** What a socket is made of. */
export interface SocketParts {
  readonly line: Line
  readonly sockets: Sockets
  readonly local: Endpoint
  readonly remote: Endpoint
  readonly allowHalfOpen: boolean
  /** Of the virtual server that it came to, for one that a client opened. */
  readonly virtualServer?: string
  /** Whether the server is to see the client, where nobody says otherwise. */
  readonly preserveClient?: boolean
  /** It is reset when not a byte passed for so long; 0 for never. */
  readonly idleTimeoutMs?: number
}

type Done = (error?: Error | null) => void

/** The line of a socket, for the folder alone. */
export const lineOf: unique symbol = Symbol('sluice.line')
export const joinPair: unique symbol = Symbol('sluice.joinPair')
export const takeApart: unique symbol = Symbol('sluice.takeApart')
/** Event of a socket that hands out text from now on. */
export const decodes: unique symbol = Symbol('sluice.decodes')

/** A socket comes from `Stack.connect`, a `Server` or a service, and is connected. */
export class Socket extends Duplex implements LineEnd {
  readonly [lineOf]: Line
  /** Name of the virtual server that it came to; undefined for what was opened from here. */
  readonly virtualServer: string | undefined
  readonly preserveClient: boolean
  /** Milliseconds since 1970. */
  readonly openedAt = Date.now()
  /** Milliseconds of `setTimeout`; undefined for none. */
  timeout: number | undefined
  readonly #parts: SocketParts
  #pair: SocketPair | undefined
  #isReserved = false
  /** `allowHalfOpen`, where it is in no pair. */
  #aloneHalfOpen = false
  /** Of `setTimeout`: its user's. */
  #timer: IdleTimeout | undefined
  /** Of its virtual server. */
  readonly #idle: IdleTimeout | undefined
  #isReset = false
  /** Its connection is the parking lot's, or already somebody else's. */
  #isParked = false
  #activeAt = this.openedAt
  readonly #one: Uint8Array[] = []
  /** Of the chunks that wait, once somebody iterates. */
  #lengths: ChunkLengths | undefined

  constructor(parts: SocketParts) {
    const { line, allowHalfOpen, idleTimeoutMs = 0 } = parts
    super({ allowHalfOpen, emitClose: false, highWaterMark })
    this[lineOf] = line
    this.#parts = parts
    this.virtualServer = parts.virtualServer
    this.preserveClient = parts.preserveClient ?? true
    line.end = this
    if (idleTimeoutMs > 0) {
      this.#idle = new IdleTimeout(this, idleTimeoutMs, () => this.resetAndDestroy())
    }
  }

  get id(): number {
    return this[lineOf].id
  }

  /** The client, where it is a client's: the endpoint at the other end. */
  get identity(): ClientIdentity {
    const { address, port, family } = this.#parts.remote
    return { address, port, family, socketId: this.id }
  }

  /** The engine hands nothing of it up: its bytes are moved, or about to be. */
  get isHeld(): boolean {
    return this[lineOf].isHeld
  }

  get use(): SocketUse {
    if (this.#isParked) return 'parked'
    if (this.destroyed || this[lineOf].isOver) return 'closed'
    return this.#pair || this.#isReserved ? 'paired' : 'free'
  }

  get pair(): SocketPair | undefined {
    return this.#pair
  }

  get localAddress(): string {
    return this.#parts.local.address
  }
  get localPort(): number {
    return this.#parts.local.port
  }
  get localFamily(): string {
    return `IPv${this.#parts.local.family}`
  }
  get remoteAddress(): string {
    return this.#parts.remote.address
  }
  get remotePort(): number {
    return this.#parts.remote.port
  }
  get remoteFamily(): string {
    return `IPv${this.#parts.remote.family}`
  }

  /** The end here. */
  address(): { address: string; family: string; port: number } {
    return { address: this.localAddress, family: this.localFamily, port: this.localPort }
  }

  /** Bytes received, by JavaScript or by the engine for the other side of its pair. */
  get bytesRead(): number {
    return this[lineOf].bytesReceived + this[lineOf].bytesRelayed
  }

  /** Bytes written, by JavaScript, those that wait included, or by the engine. */
  get bytesWritten(): number {
    return this[lineOf].bytesSent + this[lineOf].bytesFed + this.#bytesWaiting
  }

  /** When bytes passed last: milliseconds since 1970. */
  get lastActiveAt(): number {
    return Math.max(this.#activeAt, this[lineOf].movedAt)
  }

  /** Received and not read, or written and not the engine's. */
  get bytesHeld(): number {
    return this.readableLength + this.#bytesWaiting
  }

  /** Written and not the engine's. */
  get #bytesWaiting(): number {
    return this.writableLength - this[lineOf].bytesUnderWay
  }

  /** It is connected before anybody has it. */
  get connecting(): boolean {
    return false
  }
  get pending(): boolean {
    return false
  }
  get readyState(): 'open' | 'readOnly' | 'writeOnly' | 'closed' {
    if (this.readable && this.writable) return 'open'
    if (this.readable) return 'readOnly'
    return this.writable ? 'writeOnly' : 'closed'
  }

  /**
   * What its TCP says of it. The engine is asked, hence a promise.
   * @throws {SluiceError} `ERR_SLUICE_CLOSED`, `ERR_SLUICE_STOPPED`; the reason of `signal`
   */
  async info({ signal }: Abortable = {}): Promise<TcpInfo> {
    signal?.throwIfAborted()
    const state = await until(this[lineOf].ask(), signal)
    const { idleMs, bytesReceived: _, bytesSent: __, ...info } = state
    return { ...info, openedAt: this.openedAt, lastActiveAt: Date.now() - idleMs }
  }

  setNoDelay(noDelay = true): this {
    this[lineOf].set(SocketOption.noDelay, Number(noDelay))
    return this
  }

  /**
   * Whether a silent peer is probed (RFC 9293 3.8.4): every 75 s, or so often, nine times.
   * @param initialDelay milliseconds of silence before that, in whole seconds; default two hours
   */
  setKeepAlive(enable = false, initialDelay = 0): this {
    const seconds = initialDelay > 0 ? Math.ceil(initialDelay / 1000) : 7200
    this[lineOf].set(SocketOption.keepAlive, enable ? seconds : 0)
    return this
  }

  /** @param value the differentiated services code point, 0 to 63 */
  setDscp(value: number): this {
    this[lineOf].set(SocketOption.tos, (value & 63) << 2)
    return this
  }

  /** 'timeout' is emitted when nothing was read or written for so long; 0 ends that. */
  setTimeout(ms: number, callback?: () => void): this {
    this.timeout = ms > 0 ? ms : undefined
    this.#timer?.stop()
    this.#timer = undefined
    if (ms > 0) {
      this.#timer = new IdleTimeout(this, ms, () => this.emit('timeout'))
      if (callback) this.once('timeout', callback)
    } else if (callback) {
      this.off('timeout', callback)
    }
    return this
  }

  /** The engine keeps the process alive, not its sockets: there for net.Socket's sake. */
  ref(): this {
    return this
  }
  unref(): this {
    return this
  }

  /** Ends it, and destroys it when all is written. */
  destroySoon(): void {
    if (this.writable) this.end()
    if (this.writableFinished || this.destroyed) this.destroy()
    else this.once('finish', () => this.destroy())
  }

  /** Closes it by a RST, whatever is on its way. */
  resetAndDestroy(): this {
    this.#isReset = true
    this.destroy()
    return this
  }

  /**
   * Puts the connection aside, for whoever takes it from `stack.parking` or connects with `reuseParked`.
   * This object is gone then: 'parked', and 'close'.
   * @throws {SluiceError} `ERR_SLUICE_PARK_DIRTY` where bytes are unread, unsent or not acknowledged, or
   * an end has come or gone; `ERR_SLUICE_IN_USE`, `ERR_SLUICE_CLOSED`; the reason of `signal`
   */
  park(options: ParkOptions = {}): Promise<ParkedHandle> {
    return this.#parts.sockets.parking.park(this, options)
  }

  override toString(): string {
    return `${formatEndpoint(this.#parts.remote)} at ${formatEndpoint(this.#parts.local)}`
  }

  /**
   * Chunk by chunk as they came, without joining them. The end of the loop leaves what was written to
   * go its way; leaving it before that destroys the socket, as with any stream.
   */
  override [Symbol.asyncIterator](): AsyncGenerator<Buffer, undefined> {
    this.#lengths ??= new ChunkLengths(this.readableLength)
    return chunksOf(this, this.#lengths)
  }

  // -- of stream.Duplex

  override read(size?: number) {
    const chunk = super.read(size)
    if (chunk !== null) this[lineOf].grant()
    else this[lineOf].drained()
    return chunk
  }

  override pipe<Target extends NodeJS.WritableStream>(
    target: Target,
    options?: { end?: boolean },
  ): Target {
    super.pipe(target, options)
    const course = this.listeners('data').at(-1)
    if (course && target instanceof Socket) this.#pair?.piped(this, target, course as Course)
    return target
  }

  override setEncoding(encoding: BufferEncoding): this {
    super.setEncoding(encoding)
    this.emit(decodes)
    return this
  }

  override _read(): void {
    this[lineOf].grant()
  }

  /** @throws {SluiceError} `ERR_SLUICE_UNPROXIED`; so does end() */
  override write(chunk: unknown, encoding?: BufferEncoding | Done, done?: Done): boolean {
    this.#assertOurs()
    return super.write(chunk, encoding as BufferEncoding, done)
  }

  override end(chunk?: unknown, encoding?: BufferEncoding | (() => void), done?: () => void): this {
    this.#assertOurs()
    return super.end(chunk, encoding as BufferEncoding, done)
  }

  override _write(chunk: Buffer, _encoding: string, done: Done): void {
    this.#one[0] = chunk
    this.active()
    this[lineOf].write(this.#one, done)
  }

  override _writev(entries: { chunk: Buffer }[], done: Done): void {
    this.active()
    const chunks = entries.map(({ chunk }) => chunk)
    this[lineOf].write(chunks, done)
  }

  override _final(done: Done): void {
    this[lineOf].shut()
    done()
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#timer?.stop()
    this.#idle?.stop()
    // Bytes that nobody has read are lost: the peer has to know (RFC 2525 2.17), as with those that
    // are still with the engine.
    const isLoss = this.#isReset || this.readableLength > 0
    if (!this.#isParked) this[lineOf].letGo(isLoss ? 'abort' : 'close')
    done(error)
    process.nextTick(() => this.emit('close', error !== null))
  }

  // -- of its line

  active(): void {
    this.#activeAt = Date.now()
    this.#timer?.refresh(this.#activeAt)
    this.#idle?.refresh(this.#activeAt)
  }

  received(bytes: Buffer): void {
    this.active()
    this.#lengths?.add(bytes.length)
    try {
      this.push(bytes)
    } catch (error) {
      // A listener of 'data' threw. Its connection pays, and no other (design: services).
      this.destroyBy(error)
    }
  }

  peerEnded(): void {
    this.push(null)
    // Where nobody reads, an end behind no bytes is told all the same.
    this.read(0)
  }

  lineClosed(error: Error | undefined): void {
    if (error || this[lineOf].isHeld) this.destroy(error)
    // The engine has passed on the other side's end.
    else if (!this.writableEnded) super.end()
  }

  /** What its user threw: a RST, and an 'error' for who listens. */
  destroyBy(error: unknown): void {
    this.#isReset = true
    this.destroy(error instanceof Error ? error : new Error(String(error)))
  }

  /** In a relay the engine writes, and nobody else. */
  #assertOurs(): void {
    if (this[lineOf].isFed && !this.destroyed) this.#pair?.giveWay(this)
  }

  /** Leaves the connection to somebody else. */
  [takeApart](): SocketParts {
    this.#isParked = true
    this.emit('parked')
    this.destroy()
    return this.#parts
  }

  /** Into a pair, out of it, or kept for one. */
  [joinPair](pair: SocketPair | 'reserved' | undefined): void {
    const isPair = pair !== undefined && pair !== 'reserved'
    this.#isReserved = pair === 'reserved'
    if (isPair === (this.#pair !== undefined)) return
    this.#pair = isPair ? pair : undefined
    // Each end is the service's to pass on, or not (SOCK-23).
    if (isPair) this.#aloneHalfOpen = this.allowHalfOpen
    this.allowHalfOpen = isPair || this.#aloneHalfOpen
    this.emit(isPair ? 'paired' : 'unpaired')
  }
}
