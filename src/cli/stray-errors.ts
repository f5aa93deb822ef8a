/**
 * Errors that no caller is left to catch: a policy's timer throws, or a promise that it did not await
 * is rejected. They cost a log line, not the engine and everybody's flows.
 */
import type { EventEmitter } from 'node:events'
import type { Logger } from '../index.js'

const events = ['uncaughtException', 'unhandledRejection'] as const

export class StrayErrors implements Disposable {
  #count = 0

  constructor(
    private readonly log: Logger,
    private readonly process: EventEmitter = globalThis.process,
  ) {}

  /** From now on, until it is disposed of; before that an error ends the process, as ever. */
  catch(): void {
    for (const event of events) this.process.on(event, this.#onError)
  }

  [Symbol.dispose](): void {
    for (const event of events) this.process.off(event, this.#onError)
  }

  readonly #onError = (err: unknown): void => {
    this.#count++
    // Each flow may bring one: the 1st, 2nd, 4th, 8th is logged, with how many there were.
    if ((this.#count & (this.#count - 1)) !== 0) return
    const details = { event: 'strayError', code: 'ERR_SLUICE_STRAY', err } as const
    this.log.error(
      { ...details, strayErrors: this.#count },
      'an error that nothing caught: going on',
    )
  }
}
