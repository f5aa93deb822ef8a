/** Tells when not a byte of a connection passed for so long, once for each such time. */
import type { Socket } from './socket.js'

export class IdleTimeout {
  readonly #socket: Socket
  readonly #ms: number
  readonly #expired: () => void
  #timer: NodeJS.Timeout
  /** The timer is for the whole time, not for the rest of it. */
  #isWhole = true

  constructor(socket: Socket, ms: number, expired: () => void) {
    this.#socket = socket
    this.#ms = ms
    this.#expired = expired
    this.#timer = this.#start(ms)
  }

  /** A byte passed. */
  refresh(): void {
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

  /** Of what the engine moves nobody tells; it is asked. */
  #look(): void {
    const socket = this.#socket
    const idleMs = Date.now() - socket.lastActiveAt
    if (idleMs >= this.#ms || !socket.isMoved) this.#expired()
    else this.#timer = this.#start(this.#ms - idleMs)
  }
}
