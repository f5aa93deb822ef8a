/**
 * What flows tell of a node: one that refuses connections in a row is taken out for a while. Only
 * what the node itself said counts, a RST in answer to a SYN: that a client stays silent, or floods
 * it with SYNs, is not the node's doing.
 */
import type { Clock } from '../clock.js'

export interface PassiveSettings {
  /** Refused connections in a row. */
  readonly fall: number
  /** How long it gets no new flows then. */
  readonly forMs: number
}

export class Refusals {
  readonly #clock: Clock
  readonly #suspend: (suspended: boolean, reason: string) => void
  #settings: PassiveSettings | undefined
  #inARow = 0
  #cancel: (() => void) | undefined

  constructor(clock: Clock, suspend: (suspended: boolean, reason: string) => void) {
    this.#clock = clock
    this.#suspend = suspend
  }

  configure(settings: PassiveSettings | undefined): void {
    this.#settings = settings
    if (!settings) this.#release('its flows are no longer watched')
  }

  /** It accepted a connection. */
  served(): void {
    this.#inARow = 0
  }

  refused(): void {
    if (!this.#settings || this.#cancel || ++this.#inARow < this.#settings.fall) return
    this.#suspend(true, `it refused ${this.#inARow} connections in a row`)
    this.#inARow = 0
    this.#cancel = this.#clock.after(this.#settings.forMs, () =>
      this.#release('it is given another chance'),
    )
  }

  #release(reason: string): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#suspend(false, reason)
  }
}
