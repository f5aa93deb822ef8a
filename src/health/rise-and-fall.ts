/** How many results in a row change what is thought of a node. */
export interface Thresholds {
  /** Passed checks until it is up. */
  readonly rise: number
  /** Failed checks until it is down. */
  readonly fall: number
}

/** What is thought of a node by its checks. It is up until they say otherwise. */
export class RiseAndFall {
  #up = true
  /** Results in a row that speak against that. */
  #against = 0
  /** Nothing but an assumption: the next result decides alone. */
  #assumed = true

  get up(): boolean {
    return this.#up
  }

  assume(up: boolean): void {
    this.#up = up
    this.#against = 0
    this.#assumed = true
  }

  take(passed: boolean, { rise, fall }: Thresholds): void {
    this.#against = passed === this.#up ? 0 : this.#against + 1
    const needed = passed ? rise : fall
    if (this.#against >= (this.#assumed ? 1 : needed)) {
      this.#up = passed
      this.#against = 0
    }
    this.#assumed = false
  }
}
