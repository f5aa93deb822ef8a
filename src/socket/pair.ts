/** Two sockets that belong together: a client's, and the one that was opened for it. */
import { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import { StreamEnd } from '../generated/streams.js'
import { buffered, closed, wrongState } from './errors.js'
import type { Line, LineWatcher } from './line.js'
import { type Pump, passOn, pumpsOf } from './pump.js'
import { joinPair, lineOf, type Socket } from './socket.js'
import type {
  Abortable,
  Boundary,
  CloseSideOptions,
  DisassociateOptions,
  PairInfo,
  PairMode,
  PairStats,
  Side,
  UnproxyOptions,
  UnproxyResult,
} from './types.js'
import { until } from './until.js'

/** What a direction's bytes pass through. */
export interface PairTransforms {
  /** From the client to the server. */
  readonly c2s?: Duplex
  /** From the server to the client. */
  readonly s2c?: Duplex
}

export interface PairOptions {
  readonly id: number
  readonly inbound: Socket
  readonly outbound: Socket
  readonly onPeerClose: 'close' | 'hold'
  /** Called when it is over. */
  readonly ended: (pair: SocketPair) => void
}

export interface SocketPairEvents {
  mode: [before: PairMode, now: PairMode]
  sideclose: [side: Side, how: 'end' | 'reset' | 'timeout']
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
  readonly #onPeerClose: 'close' | 'hold'
  readonly #ended: (pair: SocketPair) => void
  #mode: PairMode = 'proxied'
  #transitions = 0
  #pumps: readonly Pump[] = []
  #transforms: PairTransforms = {}
  #last: Promise<unknown> = Promise.resolve()
  #wake: (() => void) | undefined

  constructor({ id, inbound, outbound, onPeerClose, ended }: PairOptions) {
    super()
    this.id = id
    this.inbound = inbound
    this.outbound = outbound
    this.#onPeerClose = onPeerClose
    this.#ended = ended
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
   * there are any. So does the end of a side, unless `onPeerClose` is 'hold'; a side that is reset
   * resets the other.
   * @throws {SluiceError} `ERR_SLUICE_STATE` where it is not proxied, or is processed already
   */
  process(transforms: PairTransforms = {}): this {
    this.#assertMode('proxied')
    if (this.#pumps.length > 0) {
      throw wrongState('The pair is processed already.', 'Call process() once.')
    }
    const { inbound, outbound } = this
    const passesEnd = this.#onPeerClose === 'close'
    const { c2s, s2c } = transforms
    for (const transform of [c2s, s2c]) transform?.on('error', (error) => this.#fail(error))
    this.#transforms = transforms
    this.#pumps = [
      ...pumpsOf({ source: inbound, target: outbound, transform: c2s, passesEnd }, this.#moved),
      ...pumpsOf({ source: outbound, target: inbound, transform: s2c, passesEnd }, this.#moved),
    ]
    for (const pump of this.#pumps) pump.start()
    // Over before: it was told when nobody would have acted on it.
    for (const line of this.#lines) if (line.isOver) this.#follow(line)
    return this
  }

  /**
   * From the boundary on the bytes move in the engine, and the service sees nothing of them. What it
   * was handed and has not read goes first: through the transforms, or as it is where there are none.
   * @throws {SluiceError} `ERR_SLUICE_STATE`, `ERR_SLUICE_BUFFERED`, `ERR_SLUICE_CLOSED`; the reason of
   * `signal`. The pair is proxied then.
   */
  unproxy(options: UnproxyOptions = {}): Promise<UnproxyResult> {
    return this.#inTurn(() => this.#unproxy(options), options.signal)
  }

  async #unproxy({ depth = 'auto', drain = 'flush', signal }: UnproxyOptions) {
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
      await until(Promise.all([a.hold(), b.hold()]), signal)
      this.#assertMode('draining')
      if (drain === 'reject' && !this.#isIdle) throw buffered('The service has bytes of the pair.')
      await this.#flush(signal)
      this.#assertMode('draining')
    } catch (error) {
      this.#goOn()
      throw error
    }
    for (const pump of this.#pumps) pump.stop()
    a.relayTo(b)
    this.#enter('relay')
    const result: UnproxyResult = { mode: 'relay', boundary: this.#boundary }
    return depth === 'relay' ? result : { ...result, reasonNotSpliced: 'options' as const }
  }

  /**
   * The service has the bytes again, from the boundary on. At once where it is proxied.
   * @throws {SluiceError} `ERR_SLUICE_CLOSED`; the reason of `signal`: where they were on their way
   * back they have come, and it is proxied
   */
  async proxy({ signal }: Abortable = {}): Promise<Boundary> {
    const boundary = await this.#inTurn(() => this.#proxy(), signal)
    signal?.throwIfAborted()
    return boundary
  }

  async #proxy(): Promise<Boundary> {
    if (this.#mode === 'closed') throw closed('The pair is over.')
    if (this.#mode === 'relay') {
      const [a, b] = this.#lines
      this.#enter('reproxying')
      const done = Promise.all([a.untilUnrelayed(), b.untilUnrelayed()])
      a.unrelay()
      await done.finally(() => this.#goOn())
    }
    return this.#boundary
  }

  /**
   * Ends the pair; its sockets are free. The bytes of one that was unproxied are with JavaScript again.
   * @throws {SluiceError} `ERR_SLUICE_CLOSED`
   */
  async disassociate({ close = false, signal }: DisassociateOptions = {}) {
    await this.#free(signal)
    const { inbound, outbound } = this
    if (close === 'both' || close === 'inbound') inbound.destroySoon()
    if (close === 'both' || close === 'outbound') outbound.destroySoon()
    return { inbound, outbound }
  }

  /** Closes one side, and answers with the other socket, which is free unless `keepOther` says else. */
  async closeSide(side: Side, options: CloseSideOptions = {}): Promise<Socket> {
    const { how = 'fin', flush = true, keepOther = true, signal } = options
    const isFlushed = flush && how === 'fin'
    await this.#inTurn(async () => {
      await this.#proxy()
      if (isFlushed && this.#pumps.length > 0) await this.#settle(signal)
      signal?.throwIfAborted()
      if (keepOther) this.#unlink()
    }, signal)
    const [socket, other] = this.#sidesFrom(side)
    if (how === 'rst') socket.resetAndDestroy()
    else if (isFlushed) socket.destroySoon()
    else socket.destroy()
    return other
  }

  /** What was handed up comes through the transforms, and nothing behind it; or a side is over. */
  async #settle(signal: AbortSignal | undefined): Promise<void> {
    const [a, b] = this.#lines
    try {
      await until(Promise.all([a.hold(), b.hold()]), signal)
      await this.#flush(signal)
    } catch (error) {
      if (!this.#lines.some(({ isOver }) => isOver)) throw error
    } finally {
      a.release()
      b.release()
    }
  }

  /** In one turn: what waits for its own finds a pair that is over. */
  #free(signal: AbortSignal | undefined): Promise<void> {
    return this.#inTurn(async () => {
      await this.#proxy()
      signal?.throwIfAborted()
      this.#unlink()
    }, signal)
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

  // -- of its lines

  peerEnded(line: Line): void {
    this.emit('sideclose', this.#sideOf(line), 'end')
  }

  closed(line: Line, reason: number): void {
    const how = reason === StreamEnd.timedOut ? 'timeout' : 'reset'
    if (reason !== StreamEnd.finished) this.emit('sideclose', this.#sideOf(line), how)
    this.#follow(line)
    this.#moved()
    if (this.#lines.every(({ isOver }) => isOver)) this.#unlink()
  }

  written(): void {
    this.#moved()
  }

  // -- inside

  get #lines(): readonly [Line, Line] {
    return [this.inbound[lineOf], this.outbound[lineOf]]
  }

  get #boundary(): Boundary {
    const [a, b] = this.#lines
    const received = ({ bytesReceived, bytesRelayed }: Line) => BigInt(bytesReceived) + bytesRelayed
    return { c2s: received(a), s2c: received(b) }
  }

  get #isIdle(): boolean {
    if (this.#pumps.length > 0) return this.#pumps.every((pump) => pump.isIdle)
    return this.inbound.bytesHeld + this.outbound.bytesHeld === 0
  }

  /** What JavaScript was handed goes to the other side, an end that it was told of, too. */
  async #flush(signal: AbortSignal | undefined): Promise<void> {
    const { inbound, outbound } = this
    if (this.#pumps.length === 0) {
      passOn(inbound, outbound)
      passOn(outbound, inbound)
    }
    while (
      !(this.#isIdle && this.#passedEnd(inbound, outbound) && this.#passedEnd(outbound, inbound))
    ) {
      if (this.#lines.some(({ isOver }) => isOver)) throw closed('A side of the pair is over.')
      const moved = new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      await until(moved, signal)
    }
  }

  /** Whether the target has ended, where the source has; pumps pass that on by themselves. */
  #passedEnd(source: Socket, target: Socket): boolean {
    if (!source[lineOf].hasPeerEnded || target[lineOf].isShut) return true
    const isPassedOn = this.#pumps.length > 0 && this.#onPeerClose === 'close'
    if (!isPassedOn && !target.writableEnded) target.end()
    return target[lineOf].isShut
  }

  readonly #moved = (): void => {
    this.#wake?.()
    this.#wake = undefined
  }

  /** The engine hands up again, and bytes are processed where they were. */
  #goOn(): void {
    for (const line of this.#lines) line.release()
    if (this.#mode !== 'closed') this.#enter('proxied')
    for (const pump of this.#pumps) pump.start()
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
  }

  /** The other side of one that is over. */
  #follow(line: Line): void {
    const [socket, other] = this.#sidesFrom(this.#sideOf(line))
    const isFinished = line.reason === StreamEnd.finished
    const isOurs = this.#pumps.length > 0 && this.#onPeerClose === 'close'
    if (this.#mode !== 'relay' && (!isOurs || isFinished)) return
    // The engine ends both sides of a relay by itself; this is for what a user ended.
    // What it has still to send goes first: the engine has it.
    const isWhole = line.hasPeerEnded && this.#mode !== 'relay' && !other[lineOf].isRelayed
    if (isFinished) other.destroy()
    else if (isWhole) this.#finish(socket, other)
    else other.resetAndDestroy()
  }

  /** A side had said all before it was cut off: that is not to be lost, what it did not take is. */
  #finish(socket: Socket, other: Socket): void {
    for (const pump of this.#pumps) {
      if (pump.source === socket) pump.finish()
      else if (pump.source === other) pump.stop()
    }
    other.resume()
    if (other.writableFinished) other.destroy()
    else other.once('finish', () => other.destroy())
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
    for (const pump of this.#pumps) pump.stop()
    this.#pumps = []
    this.#transforms.c2s?.destroy()
    this.#transforms.s2c?.destroy()
    for (const socket of [this.inbound, this.outbound]) {
      socket[lineOf].watcher = undefined
      socket[joinPair](undefined)
    }
    this.#enter('closed')
    this.#moved()
    this.#ended(this)
    this.emit('close')
  }

  /** One change of the mode after the other. @param signal ends the waiting for its turn */
  #inTurn<Result>(run: () => Promise<Result>, signal: AbortSignal | undefined): Promise<Result> {
    const result = until(this.#last, signal).then(run)
    this.#last = Promise.allSettled([this.#last, result])
    return result
  }
}

const ignore = () => {}
