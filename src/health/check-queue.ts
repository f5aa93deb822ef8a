/** Lets so many work at once; the others wait for their turn. */
export class CheckQueue {
  readonly #most: number
  readonly #waiting: (() => void)[] = []
  #working = 0

  constructor(most: number) {
    this.#most = most
  }

  /** Calls `begin` when there is room. Whoever began says by `end()` that there is again. */
  enter(begin: () => void): void {
    if (this.#working === this.#most) {
      this.#waiting.push(begin)
      return
    }
    this.#working++
    begin()
  }

  end(): void {
    const next = this.#waiting.shift()
    if (next) next()
    else this.#working--
  }
}
