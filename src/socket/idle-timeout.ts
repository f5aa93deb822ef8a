/** Tells when not a byte of a connection passed for so long, once for each such time. */
import type { Socket } from './socket.js'

/** Two looks at when the engine moved bytes last may differ by so much, though it moved none between. */
const clockErrorMs = 1

export class IdleTimeout {
  readonly #socket: Socket
  readonly #ms: number
  readonly #expired: () => void
  #timer: NodeJS.Timeout
  /** The timer is for the whole time, not for the rest of it. */
  #isWhole = true
  /** When bytes had passed last as the timer was started. */
  #activeAt: number
  /** Since then it is known that the time has passed. */
  #isTold = false

  constructor(socket: Socket, ms: number, expired: () => void) {
    this.#socket = socket
    this.#ms = ms
    this.#expired = expired
    this.#activeAt = Date.now()
    this.#timer = this.#start(ms)
  }

  /** A byte passed. @param now milliseconds since 1970 */
  refresh(now: number): void {
    this.#activeAt = now
    this.#isTold = false
    if (this.#isWhole) {
      this.#timer.refresh()
    } else {
      this.stop()
      this.#timer = this.#start(this.#ms)
    }
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #start(ms: number): NodeJS.Timeout {
    this.#isWhole = ms === this.#ms
    return setTimeout(() => this.#look(), ms).unref()
  }

  /** Of what the engine moves nobody tells; it is asked, also when the time has passed once. */
  #look(): void {
    const { lastActiveAt } = this.#socket
    const hasPassed = lastActiveAt - this.#activeAt > clockErrorMs
    const restMs = hasPassed ? this.#ms - (Date.now() - lastActiveAt) : 0
    if (hasPassed) this.#isTold = false
    this.#activeAt = lastActiveAt
    // Whoever is told may stop it.
    this.#timer = this.#start(restMs > 0 ? Math.min(restMs, this.#ms) : this.#ms)
    if (restMs > 0 || this.#isTold) return
    this.#isTold = true
    this.#expired()
  }
}
