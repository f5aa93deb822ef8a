/** What is done one after the other, each when all before it has come to its end. */
import { until } from './until.js'

export class Turns {
  #last: Promise<unknown> = Promise.resolve()

  /** Runs when all that came before it is done. @param signal ends the waiting for its turn */
  take<Result>(run: () => Promise<Result>, signal?: AbortSignal): Promise<Result> {
    const result = until(this.#last, signal).then(run)
    // What came of them is nobody's here: held on to, each would keep the one before it.
    this.#last = Promise.allSettled([this.#last, result]).then(ignore)
    return result
  }
}

const ignore = () => {}
