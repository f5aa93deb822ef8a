/** Time that passes when a test says so. */
import type { Clock } from '../../src/clock.js'

interface Timer {
  readonly at: number
  readonly run: () => void
}

export class VirtualClock implements Clock {
  #now = Date.UTC(2026, 0, 1)
  #timers: Timer[] = []

  now = (): number => this.#now

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  /** Timers that have not run. */
  get pending(): number {
    return this.#timers.length
  }

  /** Lets so much time pass; what comes due runs in its order, with all that follows at once from it. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    await settled()
    for (let next = this.#next(end); next; next = this.#next(end)) {
      this.#now = next.at
      this.#timers = this.#timers.filter((other) => other !== next)
      next.run()
      await settled()
    }
    this.#now = end
  }

  #next(end: number): Timer | undefined {
    const due = this.#timers.filter(({ at }) => at <= end)
    return due.reduce<Timer | undefined>(
      (first, timer) => (first && first.at <= timer.at ? first : timer),
      undefined,
    )
  }
}

/** Every promise that can settle without time or I/O has. */
const settled = () => new Promise((resolve) => setImmediate(resolve))
