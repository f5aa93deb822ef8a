/**
 * The modes of a pair and the ways between them, one after the other: who has the bytes, JavaScript
 * or the engine, and until when.
 */
import { RelayCount, RelayEnds, SpliceBlock } from '../generated/streams.js'
import { Count, positionOf } from './count.js'
import { Descent } from './descent.js'
import { buffered, closed, wrongState } from './errors.js'
import type { Line } from './line.js'
import { OneWay } from './one-way.js'
import type { Passage } from './passage.js'
import { lineOf, type Socket } from './socket.js'
import type { TransformCall } from './transform-calls.js'
import { Turns } from './turns.js'
import type {
  Boundary,
  PairMode,
  PeerClose,
  UnproxyOptions,
  UnproxyResult,
  UnproxyUntilOptions,
} from './types.js'
import { until } from './until.js'

/** The pair. */
export interface ModesHost {
  readonly inbound: Socket
  readonly outbound: Socket
  readonly passage: Passage
  readonly onPeerClose: PeerClose
  entered(before: PairMode, now: PairMode): void
  /** JavaScript has the bytes again, or had them all the time. */
  cameBack(): void
  boundary(boundary: Boundary): void
}

/** Something to wait for first. */
const again = Symbol('again')

export class PairModes {
  mode: PairMode = 'proxied'
  transitions = 0
  /** The end of a side of a relay is the service's to act on, which has the bytes again before. */
  holdsEnds = false
  readonly #host: ModesHost
  readonly #turns = new Turns()
  readonly #descent = new Descent()
  /** What ends the relay. */
  #count: Count | undefined
  /** Directions that pass by themselves while it is proxied. */
  readonly #oneWays = new Set<OneWay>()
  /** Brings it back: who came for that may be gone, by his signal, and who comes next waits for it. */
  #back: Promise<void> | undefined
  /** Tells who wants it back that it cannot be. */
  #refuse: (() => void) | undefined
  /** Who waits for it to be proxied, or closed. */
  #waiting: (() => void)[] = []

  constructor(host: ModesHost) {
    this.#host = host
  }

  get boundary(): Boundary {
    const [a, b] = this.#lines
    const received = (line: Line) => BigInt(line.bytesReceived + line.bytesRelayed)
    return { c2s: received(a), s2c: received(b) }
  }

  enter(mode: PairMode): void {
    const before = this.mode
    this.mode = mode
    this.transitions++
    if (mode === 'proxied' || mode === 'closed') {
      for (const resolve of this.#waiting.splice(0)) resolve()
    }
    if (mode !== 'relay') this.#descent.settle()
    this.#host.entered(before, mode)
  }

  /** @throws {SluiceError} `ERR_SLUICE_STATE`, `ERR_SLUICE_CLOSED` */
  assert(wanted: PairMode): void {
    if (this.mode === 'closed') throw closed('The pair is over.')
    if (this.mode === wanted) return
    throw wrongState(`The pair is in mode ${this.mode}.`, `It has to be ${wanted}.`)
  }

  /** None of its bytes come to JavaScript. */
  get isUnproxied(): boolean {
    return this.mode === 'relay' || this.mode === 'splice'
  }

  /** The engine alone writes to it. */
  isFed(target: Socket): boolean {
    if (this.isUnproxied || this.mode === 'reproxying') return true
    for (const way of this.#oneWays) if (way.target === target) return true
    return false
  }

  /** Runs when all that came before is done, and a way back that nobody waits for any more. */
  take<Result>(run: () => Promise<Result>, signal?: AbortSignal): Promise<Result> {
    const turn = async () => {
      while (this.#back) await until(this.#back.catch(ignore), signal)
      return run()
    }
    return this.#turns.take(turn, signal)
  }

  async unproxy(options: UnproxyOptions, call: TransformCall | undefined): Promise<UnproxyResult> {
    const boundary = await this.#begin(async () => {
      await this.#unproxy(options, call)
      return this.boundary
    }, options.signal)
    if (options.depth !== 'splice') return { mode: 'relay', boundary }
    await this.#descent.untilSettled(options)
    if (this.mode === 'splice') return { mode: 'splice', boundary }
    return { mode: 'relay', boundary, reasonNotSpliced: this.#descent.block }
  }

  async unproxyUntil(
    { bytes, direction = 'both', other, ...options }: UnproxyUntilOptions,
    call: TransformCall | undefined,
  ): Promise<Boundary> {
    const { inbound, outbound } = this.#host
    const count = new Count(bytes, direction, inbound, outbound)
    if (other === 'proxied') await this.#passOneWay(count, options.signal)
    else await this.#passBoth(count, options, call)
    return count.boundary
  }

  /** Each direction passes up to there by itself, and no further; what is beyond already is left. */
  async passTo(to: Boundary, signal: AbortSignal | undefined): Promise<void> {
    const { inbound, outbound } = this.#host
    const sources = { c2s: inbound, s2c: outbound } as const
    const pass = async (direction: keyof Boundary) => {
      const bytes = to[direction] - positionOf(sources[direction])
      const more = { bytes, direction, other: 'proxied', signal } as const
      if (bytes > 0n) await this.unproxyUntil(more, undefined)
    }
    await Promise.all([pass('c2s'), pass('s2c')])
  }

  /** In its turn: as proxy() says, and directions that pass by themselves come back, too. */
  async proxy(signal?: AbortSignal): Promise<Boundary> {
    await Promise.all([...this.#oneWays].map((way) => way.end()))
    if (this.mode === 'closed') throw closed('The pair is over.')
    if (this.isUnproxied) {
      this.#back = this.#comeBack().finally(() => {
        this.#back = undefined
      })
      this.#back.catch(ignore)
    }
    if (this.#back) await until(this.#back, signal)
    return this.boundary
  }

  /** @param block a SpliceBlock */
  spliced(block: number): void {
    const isSpliced = block === SpliceBlock.none
    if (this.mode === 'relay' && this.#descent.hears(block)) this.enter('splice')
    // It was taken back, since a half of it ended while bytes were counted.
    else if (this.mode === 'splice' && !isSpliced && block !== SpliceBlock.stays)
      this.enter('relay')
    if (this.mode !== 'reproxying' || block !== SpliceBlock.stays) return
    this.enter('splice')
    this.#refuse?.()
  }

  /** The engine moves its bytes no longer: both directions come back, where one alone makes no sense. */
  unrelayed(): void {
    if (!this.isUnproxied || !(this.holdsEnds || this.#count?.isReached)) return
    this.take(() => this.proxy()).catch(ignore)
  }

  written(): void {
    for (const way of this.#oneWays) way.written()
  }

  // -- inside

  get #lines(): readonly [Line, Line] {
    return [this.#host.inbound[lineOf], this.#host.outbound[lineOf]]
  }

  /** In its turn, and when nothing is counted any more: what comes after waits for that, too. */
  async #begin<Result>(run: () => Promise<Result>, signal?: AbortSignal): Promise<Result> {
    for (;;) {
      if (this.#isCounting) await until(this.#untilCounted(), signal)
      const turn = () => (this.#isCounting ? Promise.resolve(again) : run())
      const result = await this.take<Result | typeof again>(turn, signal)
      if (result !== again) return result as Result
    }
  }

  async #comeBack(): Promise<void> {
    const [a, b] = this.#lines
    this.enter('reproxying')
    const done = Promise.all([a.untilUnrelayed(), b.untilUnrelayed()])
    const refused = new Promise<void>((resolve) => {
      this.#refuse = resolve
    })
    a.unrelay()
    b.unrelay()
    await Promise.race([done, refused]).finally(() => {
      if (this.mode !== 'splice') this.#goOn(this.#count)
    })
    if (this.isUnproxied) throw closed('A side of the pair has ended.')
  }

  get #isCounting(): boolean {
    return this.#count !== undefined || this.#oneWays.size > 0
  }

  async #untilCounted(): Promise<void> {
    await Promise.all([...this.#oneWays].map((way) => way.over))
    if (this.#count) await this.#untilBack()
  }

  #untilBack(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** @param count of bytes, what the service has not read included */
  async #unproxy(
    options: UnproxyOptions,
    call: TransformCall | undefined,
    count?: Count,
  ): Promise<void> {
    const { drain = 'flush', signal } = options
    signal?.throwIfAborted()
    this.assert('proxied')
    this.#assertOneWorker()
    const { passage } = this.#host
    this.enter('draining')
    try {
      await passage.suspend()
      await until(Promise.all(this.#lines.map((line) => line.hold())), signal)
      this.assert('draining')
      if (drain === 'reject' && !passage.isIdle) {
        throw buffered('The service has bytes of the pair.')
      }
      const unread = count && passage.passUnread(count)
      if (!count?.isReached) {
        await passage.flush(signal, call)
        this.assert('draining')
        count?.begin(unread)
      }
    } catch (error) {
      this.#goOn()
      throw error
    }
    if (count?.isReached) this.#goOn(count)
    else this.#relay(options, count)
  }

  #relay({ onPeerClose = this.#host.onPeerClose, depth }: UnproxyOptions, count?: Count): void {
    this.#host.passage.stop()
    this.holdsEnds = onPeerClose === 'hold'
    this.#count = count
    const ends = this.holdsEnds ? RelayEnds.stay : RelayEnds.pass
    const [a, b] = this.#lines
    // Whoever counts comes last, since it may be over at once; who shares its count comes behind it.
    const counted = count && { count: RelayCount.pair, bytes: count.left }
    const more = { depth: this.#descent.begin(depth, this.holdsEnds) }
    if (count?.direction === 'both') {
      a.relayTo(b, ends, { ...more, counted })
      b.relayTo(a, ends, { ...more, counted: { count: RelayCount.shared, bytes: 0n } })
    } else if (count?.direction === 's2c') {
      a.relayTo(b, ends, more)
      b.relayTo(a, ends, { ...more, counted })
    } else {
      b.relayTo(a, ends, more)
      a.relayTo(b, ends, { ...more, counted })
    }
    this.enter('relay')
    this.#host.boundary(this.boundary)
  }

  async #passBoth(count: Count, options: UnproxyOptions, call: TransformCall | undefined) {
    const { signal } = options
    await this.#begin(() => this.#unproxy(options, call, count), signal)
    if (this.#count === count) {
      try {
        await until(this.#untilBack(), signal)
      } catch {
        // Out of turn: whoever has that may wait for the same way back, for as long as he likes.
        if (this.#count === count) await this.proxy(signal).catch(ignore)
      } finally {
        if (this.#count === count) this.#count = undefined
      }
    }
    if (count.isReached) return
    signal?.throwIfAborted()
    throw count.failure()
  }

  async #passOneWay(count: Count, signal: AbortSignal | undefined): Promise<void> {
    if (count.direction === 'both' || this.#host.passage.isUsed) {
      throw wrongState(
        'One direction cannot pass by itself.',
        'Name direction c2s or s2c, of a pair without process() and pipe().',
      )
    }
    const [[, target]] = count.courses as [readonly [Socket, Socket]]
    const before = () => [...this.#oneWays].find((way) => way.target === target)
    for (;;) {
      await until(before()?.over ?? Promise.resolve(), signal)
      const begun = await this.take(
        async () => before() ?? this.#startOneWay(count, signal),
        signal,
      )
      if (begun.count !== count) continue
      await begun.done
      return this.#host.boundary(count.boundary)
    }
  }

  #startOneWay(count: Count, signal: AbortSignal | undefined): OneWay {
    this.assert('proxied')
    this.#assertOneWorker()
    const way = new OneWay(count, signal)
    this.#oneWays.add(way)
    way.over.then(() => this.#oneWays.delete(way))
    return way
  }

  #assertOneWorker(): void {
    const [a, b] = this.#lines
    if (a.id >>> 24 === b.id >>> 24) return
    throw wrongState(
      'The two sockets are with two workers.',
      'Open the one with associateWith: the other.',
    )
  }

  /** The engine hands up again, and bytes are processed where they were. */
  #goOn(count?: Count): void {
    const isBehind = this.mode === 'reproxying' || count?.isReached
    this.#count = undefined
    for (const line of this.#lines) line.rest()
    if (this.mode !== 'closed') this.enter('proxied')
    if (isBehind) this.#host.boundary(count?.boundary ?? this.boundary)
    this.#host.passage.start()
    this.#host.passage.resume()
    this.#host.cameBack()
  }
}

const ignore = () => {}
