/** Tells when not a byte of a pair moved for so long, either way: whoever passes a body waits for that, too. */
import type { SocketPair } from '../socket/pair.js'

/** Two looks at when bytes moved last may differ by so much, though none moved between. */
const clockErrorMs = 1
/** As long as a timer can be. */
const longestMs = 2 ** 31 - 1

export class Progress {
  readonly #pair: SocketPair
  #ms = 0
  /** One for all bodies: that it is left to go off is cheaper than setting it for each. */
  #timer: NodeJS.Timeout | undefined
  readonly #watchers = new Set<() => void>()
  /** When bytes had moved last, at the last look. */
  #movedAt = 0
  /** On the clock of performance.now(): nothing has moved since. */
  #since = 0

  constructor(pair: SocketPair) {
    this.#pair = pair
  }

  /** Resolves with `passing`. @param late makes the error of who is to blame @throws that, where nothing
   *  moved for so long before */
  async watch(passing: Promise<void>, ms: number, late: () => Promise<Error>): Promise<void> {
    let expire = () => {}
    const expired = new Promise<never>((_, reject) => {
      expire = () => void late().then(reject, reject)
    })
    this.#watchers.add(expire)
    this.#begin(ms)
    try {
      await Promise.race([passing, expired])
    } finally {
      this.#watchers.delete(expire)
    }
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#watchers.clear()
  }

  #begin(ms: number): void {
    this.#ms = ms
    this.#movedAt = this.#lastMovedAt
    this.#since = performance.now()
    if (!this.#timer) this.#start(ms)
  }

  /** By JavaScript, or by the engine, which is asked. */
  get #lastMovedAt(): number {
    const { inbound, outbound } = this.#pair
    return Math.max(inbound.lastActiveAt, outbound.lastActiveAt)
  }

  #start(ms: number): void {
    this.#timer = setTimeout(() => this.#look(), Math.min(ms, longestMs)).unref()
  }

  #look(): void {
    this.#timer = undefined
    if (this.#watchers.size === 0) return
    const now = performance.now()
    const movedAt = this.#lastMovedAt
    const hasMoved = Math.abs(movedAt - this.#movedAt) > clockErrorMs
    if (hasMoved) this.#since = now - Math.max(0, Date.now() - movedAt)
    this.#movedAt = movedAt
    const restMs = this.#since + this.#ms - now
    if (restMs > 0) this.#start(restMs)
    else for (const expire of this.#watchers) expire()
  }
}
