/** The drain of a whole engine: no new flows, and an end when the last has ended or time is up. */
import type { Engine } from '../index.js'

/** How often it is looked whether the last flow has ended. */
const lookMs = 100

export class Draining implements Disposable {
  #look: NodeJS.Timeout | undefined
  #deadline: NodeJS.Timeout | undefined

  /** @param over is called once */
  constructor(
    private readonly engine: Pick<Engine, 'drain' | 'connections'>,
    private readonly over: () => void,
  ) {}

  /** A second call changes the time that is left. */
  begin(timeoutMs: number): void {
    this[Symbol.dispose]()
    this.engine.drain()
    this.#deadline = setTimeout(this.over, timeoutMs)
    this.#look = setInterval(() => {
      if (this.engine.connections === 0) this.over()
    }, lookMs)
  }

  [Symbol.dispose](): void {
    clearInterval(this.#look)
    clearTimeout(this.#deadline)
  }
}
