/** Two sockets that belong together: a client's, and the one that was opened for it. */
import { EventEmitter } from 'node:events'
import { StreamEnd } from '../generated/streams.js'
import { connect, connectBeside } from './connect.js'
import { closed, unproxied, wrongState } from './errors.js'
import type { Line } from './line.js'
import type { LineWatcher } from './line-end.js'
import { PairModes } from './pair-modes.js'
import type { Pairs } from './pairs.js'
import { Passage } from './passage.js'
import type { Course } from './shortcut.js'
import { joinPair, lineOf, type Socket } from './socket.js'
import type { TransformCall } from './transform-calls.js'
import type {
  Abortable,
  Boundary,
  CloseSideOptions,
  ConnectOptions,
  DisassociateOptions,
  PairInfo,
  PairMode,
  PairStats,
  PairTransforms,
  PeerClose,
  RedirectOptions,
  Side,
  SideCloseReason,
  UnproxyOptions,
  UnproxyResult,
  UnproxyUntilOptions,
} from './types.js'

export interface PairOptions {
  readonly id: number
  readonly inbound: Socket
  readonly outbound: Socket
  readonly onPeerClose: PeerClose
  /** Where it is one of. */
  readonly pairs: Pairs
  /** Called when it is over. */
  readonly ended: (pair: SocketPair) => void
}

export interface SocketPairEvents {
  mode: [before: PairMode, now: PairMode]
  /** From here on somebody else has the bytes: the engine, or the service again. */
  boundary: [boundary: Boundary]
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
  readonly #pairs: Pairs
  readonly #ended: (pair: SocketPair) => void
  readonly #passage: Passage
  readonly #modes: PairModes
  /** 'sideclose' events that wait for that. */
  #untold: (() => void)[] = []

  constructor({ id, inbound, outbound, onPeerClose, pairs, ended }: PairOptions) {
    super()
    this.id = id
    this.inbound = inbound
    this.outbound = outbound
    this.#onPeerClose = onPeerClose
    this.#pairs = pairs
    this.#ended = ended
    this.#passage = new Passage(inbound, outbound, onPeerClose === 'close')
    this.#modes = new PairModes({
      ...{ inbound, outbound, onPeerClose, passage: this.#passage },
      entered: (before, now) => void this.emit('mode', before, now),
      cameBack: () => {
        for (const tell of this.#untold.splice(0)) tell()
      },
      boundary: (boundary) => void this.emit('boundary', boundary),
    })
    for (const socket of [inbound, outbound]) {
      socket[joinPair](this)
      socket[lineOf].watcher = this
      // What happens to one side is told as 'sideclose'; it is not to end the process, not even behind
      // the end of the pair, when what was written may still be on its way.
      socket.off('error', ignore).on('error', ignore)
    }
  }

  get mode(): PairMode {
    return this.#modes.mode
  }

  /**
   * From now on bytes pass by themselves from each socket to the other, through the transforms where
   * there are any; where there is none the engine moves them, unless somebody else reads or writes. So
   * does the end of a side, unless `onPeerClose` is 'hold'; a side that is reset resets the other.
   * @throws {SluiceError} `ERR_SLUICE_STATE` where it is not proxied, or is processed already
   */
  process(transforms: PairTransforms = {}): this {
    this.#modes.assert('proxied')
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
  unproxy(options: UnproxyOptions = {}): Promise<UnproxyResult> {
    return this.#modes.unproxy(options, this.#passage.call)
  }

  /**
   * So many bytes move in the engine, which stops at that very one: then the pair is proxied again, and
   * what the service has next begins behind it. Resolves with where that is. What comes to change the
   * mode meanwhile waits for it, but proxy(), get() and what ends the pair, which end it.
   * @throws {SluiceError} as unproxy(), and `ERR_SLUICE_BYTE_COUNT`; `ERR_SLUICE_CLOSED` where a side
   * ended first, or `ERR_SLUICE_STATE` where proxy() was called, with `passed`; the reason of `signal`,
   * and the pair is on its way back, as proxy() says
   */
  unproxyUntil(options: UnproxyUntilOptions): Promise<Boundary> {
    return this.#modes.unproxyUntil(options, this.#passage.call)
  }

  /**
   * The service has the bytes again, from the boundary on. At once where it is proxied.
   * @throws {SluiceError} `ERR_SLUICE_CLOSED`, also where a side of a splice has ended; the reason of `signal`: where they were
   * on their way back they go on with it by themselves. It is reproxying then, which may last while all connection blocks
   * are in use, and what changes the mode waits for it
   */
  async proxy({ signal }: Abortable = {}): Promise<Boundary> {
    const boundary = await this.#modes.take(() => this.#modes.proxy(signal), signal)
    signal?.throwIfAborted()
    return boundary
  }

  /**
   * Ends the pair; its sockets are free. The bytes of one that was unproxied are with JavaScript again,
   * and what its transforms have goes to the sockets first.
   * @throws {SluiceError} `ERR_SLUICE_CLOSED`, `ERR_SLUICE_REENTRANT`; the reason of `signal`, and it is
   * as it was, proxied, or on its way back, as proxy() says
   */
  async disassociate({ close = false, signal }: DisassociateOptions = {}) {
    const { call } = this.#passage
    await this.#modes.take(
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
    await this.#modes.take(() => {
      const settles = isFlushed && this.#passage.isProcessed
      return this.#part(settles, keepOther, signal, call)
    }, signal)
    const [socket, other] = this.#sidesFrom(side)
    if (how === 'rst') socket.resetAndDestroy()
    else if (isFlushed) socket.destroySoon()
    else socket.destroy()
    return other
  }

  /**
   * Gives one side's place to another connection, and the other side notices nothing: a server's, as a rule,
   * that the client's next message is for. The connection is opened first, then this pair ends, and the
   * other socket is in the next one, `socket.pair` of the answer; transforms stay with this one. The old
   * socket is closed behind what was written to it. That this is a border of messages is the caller's duty.
   * @throws {SluiceError} as `Stack.connect` and disassociate(), and the pair is as disassociate() leaves it
   */
  async redirect(
    side: Side,
    to: Omit<ConnectOptions, 'associateWith'>,
    { at = 'now', signal }: RedirectOptions = {},
  ): Promise<Socket> {
    const { call } = this.#passage
    if (this.mode === 'closed') throw closed('The pair is over.')
    const [old, kept] = this.#sidesFrom(side)
    const host = { sockets: old[lineOf].sockets, pairs: this.#pairs }
    const options = signal ? { ...to, signal } : to
    const isServer = side === 'outbound'
    const fresh = await (isServer ? connectBeside(host, options, kept) : connect(host, options))
    try {
      if (typeof at === 'object') await this.#modes.passTo(at, signal)
      await this.#modes.take(() => this.#part(at === 'drained', true, signal, call), signal)
      if (kept.use !== 'free') throw closed('The other side is over.')
    } catch (error) {
      fresh.resetAndDestroy()
      throw error
    }
    old.destroySoon()
    if (isServer) this.#pairs.join(kept, fresh, this.#onPeerClose)
    else this.#pairs.join(fresh, kept, this.#onPeerClose)
    return fresh
  }

  /** In one turn: what waits for its own finds a pair that is over, where it unlinks. */
  async #part(
    settles: boolean,
    unlinks: boolean,
    signal: AbortSignal | undefined,
    call: TransformCall | undefined,
  ): Promise<void> {
    await this.#modes.proxy(signal)
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
    if (this.mode === 'closed') return
    try {
      await this.disassociate({ close: 'both' })
    } catch (error) {
      // Let go for good: one cannot be ended without the other.
      if (this.mode !== 'splice') throw error
      this.inbound.destroy()
    }
  }

  stats(): PairStats {
    const [a, b] = this.#lines
    return {
      bytes: this.#modes.boundary,
      jsBytes: { c2s: BigInt(a.bytesReceived), s2c: BigInt(b.bytesReceived) },
      transitions: this.#modes.transitions,
      heldByApp: this.inbound.bytesHeld + this.outbound.bytesHeld,
    }
  }

  report(): Omit<PairInfo, 'protocol'> {
    const { address, port, family } = this.outbound.identity
    return {
      id: this.id,
      mode: this.mode,
      identity: this.inbound.identity,
      server: { address, port, family },
      service: this.inbound.virtualServer,
      bytes: this.#modes.boundary,
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
    if (this.#modes.isFed(target)) throw unproxied()
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
    this.#modes.written()
  }

  spliced(_line: Line, block: number): void {
    this.#modes.spliced(block)
  }

  unrelayed(line: Line): void {
    this.#passage.unrelayed(line)
    this.#modes.unrelayed()
  }

  // -- inside

  get #lines(): readonly [Line, Line] {
    return [this.inbound[lineOf], this.outbound[lineOf]]
  }

  /** Where a relay ends with it the service is told when it has the bytes again. */
  #tellClose(line: Line, how: SideCloseReason): void {
    const tell = () => void this.emit('sideclose', this.#sideOf(line), how)
    const isHeld = this.mode === 'reproxying' || this.#modes.isUnproxied
    if (isHeld && this.#modes.holdsEnds) this.#untold.push(tell)
    else tell()
  }

  #sideOf(line: Line): Side {
    return line === this.inbound[lineOf] ? 'inbound' : 'outbound'
  }

  /** The engine passes ends on by itself. */
  get #passesEnds(): boolean {
    return this.#modes.isUnproxied && !this.#modes.holdsEnds
  }

  /** The other side of one that is over. */
  #follow(line: Line): void {
    const [socket, other] = this.#sidesFrom(this.#sideOf(line))
    const isFinished = line.reason === StreamEnd.finished
    const isOurs = this.#passage.isProcessed && this.#onPeerClose === 'close'
    if (!this.#passesEnds && (!isOurs || isFinished)) return
    // The engine ends both sides of a relay by itself; this is for what a user ended.
    // What it has still to send goes first: the engine has it.
    const isStreams = this.mode === 'proxied' || this.mode === 'draining'
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
    if (this.mode === 'closed') return
    for (const tell of this.#untold.splice(0)) tell()
    this.#passage.end()
    for (const socket of [this.inbound, this.outbound]) {
      socket[lineOf].watcher = undefined
      socket[joinPair](undefined)
    }
    this.#modes.enter('closed')
    this.#ended(this)
    this.emit('close')
  }
}

const ignore = () => {}
