/**
 * The latest refusals by the serials of their flows. A refused flow is in no ledger, so that a
 * repetition of its QUERY, sent before the answer came, would be decided and counted once more.
 */
import type { Refusal } from './decider.js'

/** A power of two; many more than repetitions can be under way. */
const places = 4096

export class RecentRefusals {
  readonly #serials = new Int32Array(places)
  readonly #refusals: (Refusal | undefined)[] = new Array(places)

  /** @param serial as in `Question`, never 0 */
  add(serial: number, refusal: Refusal): void {
    const place = serial & (places - 1)
    this.#serials[place] = serial
    this.#refusals[place] = refusal
  }

  get(serial: number): Refusal | undefined {
    const place = serial & (places - 1)
    return this.#serials[place] === serial ? this.#refusals[place] : undefined
  }
}
