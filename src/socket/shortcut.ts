/**
 * One direction of a pair whose bytes JavaScript merely passes on: they go by the engine meanwhile, as
 * those of a splice(2). The streams notice nothing. Their one consumer stays where it is, their ends
 * come by way of them, and whoever wants bytes, or writes, has the streams again at that byte.
 */
import { RelayEnds } from '../generated/streams.js'
import { decodes, lineOf, type Socket } from './socket.js'

/** Who passes the bytes on: a listener of 'data'. */
export type Course = (...chunk: never[]) => void

/**
 * - `off`: the bytes go by the streams.
 * - `entering`: the engine hands no more up; what it has goes its way through the streams.
 * - `on`: they go by the engine.
 * - `leaving`: the engine is told that it shall hand them up again.
 */
type State = 'off' | 'entering' | 'on' | 'leaving'

/** Bytes that pass by the streams before it is tried again: who writes now and then is left alone. */
const patience = 262_144

export class Shortcut {
  readonly source: Socket
  readonly target: Socket
  #course: Course | undefined
  #state: State = 'off'
  #isHeld = false
  /** Times that it was entered: the answer to an earlier one is none to this. */
  #entered = 0
  #isLookDue = false
  #isSuspended = false
  /** When the source has received so many. */
  #nextTry = 0
  #whenOff: (() => void)[] = []

  constructor(source: Socket, target: Socket) {
    this.source = source
    this.target = target
  }

  /** From now on this passes the bytes of the source on to the target, as they are. */
  follow(course: Course): void {
    this.#course = course
    if (this.#state === 'off') this.#enter()
  }

  /** Not any more. */
  forget(): void {
    this.#course = undefined
    this.leave()
  }

  /** The source handed bytes up. */
  received(): void {
    if (this.#state === 'off' && this.#course && this.#from.bytesReceived >= this.#nextTry) {
      this.#enter()
    }
  }

  /** The source has been read to its end, or the target written. */
  moved(): void {
    if (this.#state !== 'entering' || !this.#isHeld || this.#isLookDue) return
    this.#isLookDue = true
    // Whoever is called before sees to its flow first.
    process.nextTick(() => this.#look())
  }

  /** The bytes go by the streams again. What is written to the target from now on follows those that
   *  did not; the source has what comes behind them. */
  leave(): void {
    if (this.#state === 'entering') {
      this.#off()
    } else if (this.#state === 'on') {
      this.#state = 'leaving'
      this.#listen('off')
      this.#from.unrelay()
    }
  }

  /** The engine moves the source's bytes no longer, or the source is over. */
  ended(): void {
    if (this.#state === 'on') this.#listen('off')
    if (this.#state !== 'off') this.#off()
  }

  /** Resolves when the bytes go by the streams, as they will until resume(). */
  suspend(): Promise<void> {
    this.#isSuspended = true
    this.leave()
    if (this.#state === 'off') return Promise.resolve()
    return new Promise((resolve) => this.#whenOff.push(resolve))
  }

  resume(): void {
    this.#isSuspended = false
    if (this.#state === 'off' && this.#course) this.#enter()
  }

  // -- inside

  get #from() {
    return this.source[lineOf]
  }

  #enter(): void {
    const line = this.#from
    this.#nextTry = line.bytesReceived + patience
    if (this.#isSuspended || !this.#isPossible) return
    this.#state = 'entering'
    this.#isHeld = false
    const entered = ++this.#entered
    const held = () => {
      if (entered !== this.#entered) return
      this.#isHeld = true
      this.#look()
    }
    line.hold().then(held, ignore)
  }

  #look(): void {
    this.#isLookDue = false
    if (this.#state !== 'entering' || !this.#isHeld) return
    const { source, target } = this
    if (!this.#isPossible) {
      this.#off()
    } else if (source.readableFlowing && source.readableLength + target.writableLength === 0) {
      this.#state = 'on'
      this.#listen('on')
      this.#from.relayTo(target[lineOf], RelayEnds.stay)
    }
  }

  #off(): void {
    this.#state = 'off'
    const line = this.#from
    this.#nextTry = line.bytesReceived + patience
    if (!this.source.destroyed) line.release()
    for (const resolve of this.#whenOff.splice(0)) resolve()
  }

  /** Whether nobody but the course has the source's bytes, and the target takes them. */
  get #isPossible(): boolean {
    const { source, target } = this
    const [from, to] = [source[lineOf], target[lineOf]]
    if (from.id >>> 24 !== to.id >>> 24) return false
    if (source.destroyed || from.isOver || from.hasPeerEnded) return false
    if (target.destroyed || to.isOver || target.writableEnded) return false
    if (from.isRelayed || to.isFed) return false
    if (source.readableEncoding !== null || target.writableCorked > 0) return false
    if (source.listenerCount('readable') > 0 || source.listenerCount('data') !== 1) return false
    return source.listeners('data')[0] === this.#course
  }

  #listen(how: 'on' | 'off'): void {
    const { source } = this
    for (const event of ['newListener', 'removeListener', 'pause', decodes]) {
      source[how](event, this.#consumersChange)
    }
  }

  /** There is another consumer or one less; or, told without a name, the source was paused or decodes. */
  readonly #consumersChange = (event = 'data'): void => {
    if (event === 'data' || event === 'readable') this.leave()
  }
}

/** The line is over, which is told by itself. */
const ignore = () => {}
