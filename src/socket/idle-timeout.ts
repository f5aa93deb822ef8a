/** Resets a connection of which not a byte passed for too long (`idleTimeoutMs`). */
import type { Socket } from './socket.js'

export class IdleTimeout {
  readonly #timer: NodeJS.Timeout

  constructor(socket: Socket, ms: number) {
    this.#timer = setTimeout(() => void this.#expire(socket, ms), ms).unref()
  }

  /** A byte passed. */
  refresh(): void {
    this.#timer.refresh()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  async #expire(socket: Socket, ms: number): Promise<void> {
    // In a relay the engine alone knows, and where it is gone there is nothing to end.
    const idleMs = socket.isHeld ? await socket.info().then(idleTime, never) : ms
    if (socket.destroyed) return
    if (idleMs < ms) this.#timer.refresh()
    else socket.resetAndDestroy()
  }
}

const idleTime = ({ lastActiveAt }: { lastActiveAt: number }) => Date.now() - lastActiveAt
const never = () => 0
