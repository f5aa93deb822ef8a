/**
 * SIGTERM, SIGINT and the end of a drain as a promise. The first asks to stop in good order, a second stops at once.
 */
import { constants } from 'node:os'

export type StopReason = 'SIGTERM' | 'SIGINT' | 'drained'

/** npm passes on the SIGINT that a terminal has sent to the whole group: one key, two signals. */
const sameKeyMs = 300

export class StopRequest {
  /** Resolves to the first reason; stays pending if none comes. */
  readonly requested: Promise<StopReason>
  #resolve: (reason: StopReason) => void = () => {}
  #requestedAt: number | undefined

  /** Catches the signals from now on, until `forget`. */
  constructor() {
    this.requested = new Promise((resolve) => {
      this.#resolve = resolve
    })
    process.on('SIGTERM', this.#onSignal)
    process.on('SIGINT', this.#onSignal)
  }

  /** The engine has drained. */
  drained(): void {
    this.#resolve('drained')
  }

  forget(): void {
    process.off('SIGTERM', this.#onSignal)
    process.off('SIGINT', this.#onSignal)
  }

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    const now = performance.now()
    if (this.#requestedAt === undefined) {
      this.#requestedAt = now
      this.#resolve(signal as StopReason)
    } else if (now - this.#requestedAt > sameKeyMs) {
      process.exit(128 + constants.signals[signal])
    }
  }
}
