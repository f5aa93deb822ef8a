/** Two sockets that belong together: a client's, and the one that was opened for it. */
import { EventEmitter } from 'node:events'
import { StreamEnd } from '../generated/streams.js'
import { Descent } from './descent.js'
import { buffered, closed, unproxied, wrongState } from './errors.js'
import type { Line, LineWatcher } from './line.js'
import { Passage } from './passage.js'
import type { Course } from './shortcut.js'
import { joinPair, lineOf, type Socket } from './socket.js'
import type { TransformCall } from './transform-calls.js'
import { Turns } from './turns.js'
import type {
  Abortable,
  Boundary,
  CloseSideOptions,
  DisassociateOptions,
  PairInfo,
  PairMode,
  PairStats,
  PairTransforms,
  PeerClose,
  Side,
  SideCloseReason,
  UnproxyOptions,
  UnproxyResult,
} from './types.js'
import { until } from './until.js'

export interface PairOptions {
  readonly id: number
  readonly inbound: Socket
  readonly outbound: Socket
  readonly onPeerClose: PeerClose
  /** Called when it is over. */
  readonly ended: (pair: SocketPair) => void
}

export interface SocketPairEvents {
  mode: [before: PairMode, now: PairMode]
  sideclose: [side: Side, how: SideCloseReason]
  error: [error: Error]
  close: []
}

/** It ends when both its sockets are closed, or when it is disassociated. */
export class SocketPair extends EventEmitter<SocketPairEvents> implements LineWatcher {
  readonly id: number
  readonly inbound: Socket
  readonly outbound: Socket
  /** Milliseconds since 1970. */
  readonly openedAt = Date.now()
  readonly #onPeerClose: PeerClose
  readonly #ended: (pair: SocketPair) => void
  readonly #passage: Passage
  readonly #descent = new Descent()
  /** Changes of the mode. */
  readonly #turns = new Turns()
  #mode: PairMode = 'proxied'
  #transitions = 0
  /** The end of a side of a relay is the service's to act on, which has the bytes again before. */
  #holdsEnds = false
  /** 'sideclose' events that wait for that. */
  #untold: (() => void)[] = []

  constructor({ id, inbound, outbound, onPeerClose, ended }: PairOptions) {
    super()
    this.id = id
    this.inbound = inbound
    this.outbound = outbound
    this.#onPeerClose = onPeerClose
    this.#ended = ended
    this.#passage = new Passage(inbound, outbound, onPeerClose === 'close')
    for (const socket of [inbound, outbound]) {
      socket[joinPair](this)
      socket[lineOf].watcher = this
      // What happens to one side is told as 'sideclose'; it is not to end the process, not even behind
      // the end of the pair, when what was written may still be on its way.
      socket.off('error', ignore).on('error', ignore)
    }
  }

  get mode(): PairMode {
    return this.#mode
  }

  /**
   * From now on bytes pass by themselves from each socket to the other, through the transforms where
   * there are any; where there is none the engine moves them, unless somebody else reads or writes. So
   * does the end of a side, unless `onPeerClose` is 'hold'; a side that is reset resets the other.
   * @throws {SluiceError} `ERR_SLUICE_STATE` where it is not proxied, or is processed already
   */
  process(transforms: PairTransforms = {}): this {
    this.#assertMode('proxied')
    if (this.#passage.isProcessed) {
      throw wrongState('The pair is processed already.', 'Call process() once.')
    }
    this.#passage.process(transforms, (error) => this.#fail(error))
    // Over before: it was told when nobody would have acted on it.
    for (const line of this.#lines) if (line.isOver) this.#follow(line)
    return this
  }

  /**
   * From the boundary on the bytes move in the engine, and the service sees nothing of them. What it
   * was handed and has not read goes first: through the transforms, or as it is where there are none.
   * @throws {SluiceError} `ERR_SLUICE_STATE`, `ERR_SLUICE_BUFFERED`, `ERR_SLUICE_REENTRANT`,
   * `ERR_SLUICE_CLOSED`; the reason of `signal`. The pair is proxied then.
   */
  async unproxy(options: UnproxyOptions = {}): Promise<UnproxyResult> {
    const { call } = this.#passage
    const boundary = await this.#turns.take(() => this.#unproxy(options, call), options.signal)
    if (options.depth !== 'splice') return { mode: 'relay', boundary }
    await this.#descent.untilSettled(options)
    if (this.#mode === 'splice') return { mode: 'splice', boundary }
    return { mode: 'relay', boundary, reasonNotSpliced: this.#descent.block }
  }

  async #unproxy(options: UnproxyOptions, call: TransformCall | undefined): Promise<Boundary> {
    const { drain = 'flush', onPeerClose = this.#onPeerClose, signal } = options
    signal?.throwIfAborted()
    this.#assertMode('proxied')
    const [a, b] = this.#lines
    if (a.id >>> 24 !== b.id >>> 24) {
      throw wrongState(
        'The two sockets are with two workers.',
        'Open the one with associateWith: the other.',
      )
    }
    this.#enter('draining')
    try {
      await this.#passage.suspend()
      await until(Promise.all([a.hold(), b.hold()]), signal)
      this.#assertMode('draining')
      if (drain === 'reject' && !this.#passage.isIdle) {
        throw buffered('The service has bytes of the pair.')
      }
      await this.#passage.flush(signal, call)
      this.#assertMode('draining')
    } catch (error) {
      this.#goOn()
      throw error
    }
    this.#passage.stop()
    this.#holdsEnds = onPeerClose === 'hold'
    const boundary = this.#boundary
    this.#descent.begin(this.#lines, options.depth, this.#holdsEnds)
    this.#enter('relay')
    return boundary
  }

  /**
   * The service has the bytes again, from the boundary on. At once where it is proxied.
   * @throws {SluiceError} `ERR_SLUICE_CLOSED`; the reason of `signal`: where they were on their way
   * back they have come, and it is proxied
   */
  async proxy({ signal }: Abortable = {}): Promise<Boundary> {
    const boundary = await this.#turns.take(() => this.#proxy(), signal)
    signal?.throwIfAborted()
    return boundary
  }

  async #proxy(): Promise<Boundary> {
    if (this.#mode === 'closed') throw closed('The pair is over.')
    if (this.#isUnproxied) {
      const [a, b] = this.#lines
      this.#enter('reproxying')
      const done = Promise.all([a.untilUnrelayed(), b.untilUnrelayed()])
      a.unrelay()
      b.unrelay()
      await done.finally(() => this.#goOn())
    }
    return this.#boundary
  }

  /**
   * Ends the pair; its sockets are free. The bytes of one that was unproxied are with JavaScript again,
   * and what its transforms have goes to the sockets first.
   * @throws {SluiceError} `ERR_SLUICE_CLOSED`, `ERR_SLUICE_REENTRANT`; the reason of `signal`, and it is
   * as it was or proxied
   */
  async disassociate({ close = false, signal }: DisassociateOptions = {}) {
    const { call } = this.#passage
    await this.#turns.take(
      () => this.#part(this.#passage.hasTransforms, true, signal, call),
      signal,
    )
    const { inbound, outbound } = this
    if (close === 'both' || close === 'inbound') inbound.destroySoon()
    if (close === 'both' || close === 'outbound') outbound.destroySoon()
    return { inbound, outbound }
  }

  /**
   * Closes one side, and answers with the other socket, which is free unless `keepOther` says else.
   * @throws {SluiceError} as disassociate()
   */
  async closeSide(side: Side, options: CloseSideOptions = {}): Promise<Socket> {
    const { how = 'fin', flush = true, keepOther = true, signal } = options
    const isFlushed = flush && how === 'fin'
    const { call } = this.#passage
    await this.#turns.take(() => {
      const settles = isFlushed && this.#passage.isProcessed
      return this.#part(settles, keepOther, signal, call)
    }, signal)
    const [socket, other] = this.#sidesFrom(side)
    if (how === 'rst') socket.resetAndDestroy()
    else if (isFlushed) socket.destroySoon()
    else socket.destroy()
    return other
  }

  /** In one turn: what waits for its own finds a pair that is over, where it unlinks. */
  async #part(
    settles: boolean,
    unlinks: boolean,
    signal: AbortSignal | undefined,
    call: TransformCall | undefined,
  ): Promise<void> {
    await this.#proxy()
    await this.#passage.suspend()
    try {
      if (settles) await this.#passage.settle(signal, call)
      signal?.throwIfAborted()
      if (unlinks) this.#unlink()
    } finally {
      this.#passage.resume()
    }
  }

  /** Ends the pair and both its sockets. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#mode !== 'closed') await this.disassociate({ close: 'both' })
  }

  stats(): PairStats {
    const [a, b] = this.#lines
    return {
      bytes: this.#boundary,
      jsBytes: { c2s: BigInt(a.bytesReceived), s2c: BigInt(b.bytesReceived) },
      transitions: this.#transitions,
      heldByApp: this.inbound.bytesHeld + this.outbound.bytesHeld,
    }
  }

  report(): Omit<PairInfo, 'protocol'> {
    const { address, port, family } = this.outbound.identity
    return {
      id: this.id,
      mode: this.#mode,
      identity: this.inbound.identity,
      server: { address, port, family },
      service: this.inbound.virtualServer,
      bytes: this.#boundary,
      openedAt: this.openedAt,
    }
  }

  // -- of its sockets

  /** One pipes into the other. @param course the listener of 'data' that does */
  piped(source: Socket, target: Socket, course: Course): void {
    const isAcross = this.#sidesFrom(this.#sideOf(source[lineOf]))[1] === target
    if (isAcross) this.#passage.piped(source, target, course)
  }

  /**
   * Somebody writes to one, or ends it.
   * @throws {SluiceError} `ERR_SLUICE_UNPROXIED` where the engine alone does
   */
  giveWay(target: Socket): void {
    if (this.#isUnproxied || this.#mode === 'reproxying') throw unproxied()
    this.#passage.giveWay(target)
  }

  // -- of its lines

  received(line: Line): void {
    this.#passage.received(line)
  }

  drained(line: Line): void {
    this.#passage.drained(line)
  }

  peerEnded(line: Line): void {
    this.#tellClose(line, 'end')
  }

  closed(line: Line, reason: number): void {
    const how = reason === StreamEnd.timedOut ? 'timeout' : 'reset'
    if (reason !== StreamEnd.finished) this.#tellClose(line, how)
    this.#passage.unrelayed(line)
    if (!this.#passesEnds) line.tellEnd()
    this.#follow(line)
    if (this.#lines.every(({ isOver }) => isOver)) this.#unlink()
  }

  written(): void {
    this.#passage.written()
  }

  spliced(_line: Line, block: number): void {
    if (this.#mode === 'relay' && this.#descent.hears(block)) this.#enter('splice')
  }

  unrelayed(line: Line): void {
    this.#passage.unrelayed(line)
    // A side of it has ended, or is over.
    if (this.#mode === 'relay' && this.#holdsEnds)
      this.#turns.take(() => this.#proxy()).catch(ignore)
  }

  // -- inside

  get #lines(): readonly [Line, Line] {
    return [this.inbound[lineOf], this.outbound[lineOf]]
  }

  get #boundary(): Boundary {
    const [a, b] = this.#lines
    const received = (line: Line) => BigInt(line.bytesReceived + line.bytesRelayed)
    return { c2s: received(a), s2c: received(b) }
  }

  /** The engine hands up again, and bytes are processed where they were. */
  #goOn(): void {
    for (const line of this.#lines) line.release()
    if (this.#mode !== 'closed') this.#enter('proxied')
    this.#passage.start()
    this.#passage.resume()
    for (const tell of this.#untold.splice(0)) tell()
  }

  /** Where a relay ends with it the service is told when it has the bytes again. */
  #tellClose(line: Line, how: SideCloseReason): void {
    const tell = () => void this.emit('sideclose', this.#sideOf(line), how)
    const isHeld = this.#mode === 'reproxying' || this.#isUnproxied
    if (isHeld && this.#holdsEnds) this.#untold.push(tell)
    else tell()
  }

  #sideOf(line: Line): Side {
    return line === this.inbound[lineOf] ? 'inbound' : 'outbound'
  }

  #assertMode(wanted: PairMode): void {
    if (this.#mode === 'closed') throw closed('The pair is over.')
    if (this.#mode === wanted) return
    throw wrongState(`The pair is in mode ${this.#mode}.`, `It has to be ${wanted}.`)
  }

  #enter(mode: PairMode): void {
    const before = this.#mode
    this.#mode = mode
    this.#transitions++
    this.emit('mode', before, mode)
    if (mode !== 'relay') this.#descent.settle()
  }

  /** Its bytes do not come to JavaScript. */
  get #isUnproxied(): boolean {
    return this.#mode === 'relay' || this.#mode === 'splice'
  }

  /** The engine passes ends on by itself. */
  get #passesEnds(): boolean {
    return this.#isUnproxied && !this.#holdsEnds
  }

  /** The other side of one that is over. */
  #follow(line: Line): void {
    const [socket, other] = this.#sidesFrom(this.#sideOf(line))
    const isFinished = line.reason === StreamEnd.finished
    const isOurs = this.#passage.isProcessed && this.#onPeerClose === 'close'
    if (!this.#passesEnds && (!isOurs || isFinished)) return
    // The engine ends both sides of a relay by itself; this is for what a user ended.
    // What it has still to send goes first: the engine has it.
    const isStreams = this.#mode === 'proxied' || this.#mode === 'draining'
    if (isFinished) other.destroy()
    else if (line.hasPeerEnded && isStreams) this.#passage.finish(socket, other)
    else other.resetAndDestroy()
  }

  #sidesFrom(side: Side): readonly [Socket, Socket] {
    const { inbound, outbound } = this
    return side === 'inbound' ? [inbound, outbound] : [outbound, inbound]
  }

  /** A transform failed: neither side can go on. */
  #fail(error: Error): void {
    if (this.listenerCount('error') > 0) this.emit('error', error)
    for (const socket of [this.inbound, this.outbound]) socket.destroyBy(error)
  }

  #unlink(): void {
    if (this.#mode === 'closed') return
    for (const tell of this.#untold.splice(0)) tell()
    this.#passage.end()
    for (const socket of [this.inbound, this.outbound]) {
      socket[lineOf].watcher = undefined
      socket[joinPair](undefined)
    }
    this.#enter('closed')
    this.#ended(this)
    this.emit('close')
  }
}

const ignore = () => {}
