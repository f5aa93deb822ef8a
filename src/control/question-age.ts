/**
 * How long a QUERY has been under way. Its timestamp is of the data flow segment's clock, which is
 * ahead of ours, or behind, by an amount that does not change: the fastest QUERY shows it.
 */
import type { QueryView } from '../generated/messages.js'

export class QuestionAge {
  #ahead = Number.POSITIVE_INFINITY

  /** Milliseconds since the flow began, less those that the fastest QUERY took. */
  of(query: QueryView): number {
    const difference = performance.now() - query.timestampNumber / 1000
    if (difference < this.#ahead) this.#ahead = difference
    return difference - this.#ahead
  }
}
