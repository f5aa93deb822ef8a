/** Tells of refused flows in bulk: how many in the last second, by reason, where there were any. */
import type { Logger } from '../logger.js'
import type { DecisionCounters } from './status.js'

const intervalMs = 1000
const reasons = [
  'rejected',
  'unavailable',
  'limited',
  'exhausted',
  'collided',
  'unknown',
  'late',
] as const

export class RefusalNews {
  readonly #read: () => DecisionCounters
  readonly #log: Logger
  #told: Readonly<Record<string, number>> = {}
  #timer: NodeJS.Timeout | undefined

  constructor(read: () => DecisionCounters, log: Logger) {
    this.#read = read
    this.#log = log
  }

  start(): void {
    this.#timer = setInterval(() => this.#tell(), intervalMs).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #tell(): void {
    const now = this.#read()
    const more = reasons.map((reason) => [reason, now[reason] - (this.#told[reason] ?? 0)] as const)
    this.#told = { ...now }
    const some = more.filter(([, count]) => count > 0)
    if (some.length === 0) return
    this.#log.debug({ event: 'refusals', ...Object.fromEntries(some) }, 'flows were refused')
  }
}
