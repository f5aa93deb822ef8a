/** Time as an argument: what waits or ages gets its clock, and tests own theirs. */
export interface Clock {
  /** Milliseconds since 1970, with fractions; never goes back. */
  now(): number
  /** Calls `run` once, in so many milliseconds; the function that it returns prevents that. */
  after(ms: number, run: () => void): () => void
}

export const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  after(ms, run) {
    // What waits is not what a process lives for.
    const timer = setTimeout(run, ms).unref()
    return () => clearTimeout(timer)
  },
}
