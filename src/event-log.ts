/**
 * A log that programs can follow: what happens goes to those who subscribed, too. What
 * repeats itself is kept back, and told with the next that passes.
 */
import type { LogDetails, Logger, TroubleDetails } from './logger.js'

type Level = keyof Logger

/** Something that happened to an engine; all of it is JSON. */
export interface EngineEvent {
  /** Rises by one with each event. */
  readonly id: number
  /** ISO 8601. */
  readonly at: string
  readonly level: Level
  /** Its kind. */
  readonly event: LogDetails['event']
  readonly message: string
  readonly [detail: string]: unknown
}

export interface EventSource {
  /** Calls `listener` with what happens from now on; the function that it returns ends that. */
  subscribe(listener: (event: EngineEvent) => void): () => void
}

/** So many of a kind in so long a time. */
const mostOfKind = 20
const windowMs = 10_000
/** Kinds are told apart by their texts; what is beyond this bound begins to count anew. */
const mostKinds = 4096

interface Repetition {
  since: number
  count: number
  keptBack: number
}

export class EventLog implements Logger, EventSource {
  readonly #log: Logger
  readonly #now: () => number
  readonly #listeners = new Set<(event: EngineEvent) => void>()
  readonly #repetitions = new Map<string, Repetition>()
  #lastId = 0

  /** @param now milliseconds since 1970 */
  constructor(log: Logger, now: () => number = Date.now) {
    this.#log = log
    this.#now = now
  }

  debug(details: LogDetails, message: string): void {
    this.#take('debug', details, message)
  }
  info(details: LogDetails, message: string): void {
    this.#take('info', details, message)
  }
  warn(details: TroubleDetails, message: string): void {
    this.#take('warn', details, message)
  }
  error(details: TroubleDetails, message: string): void {
    this.#take('error', details, message)
  }

  subscribe(listener: (event: EngineEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  #take(level: Level, details: LogDetails | TroubleDetails, message: string): void {
    const repetition = this.#repetition(details, message)
    if (repetition.count++ >= mostOfKind) {
      repetition.keptBack++
      return
    }
    const { keptBack } = repetition
    repetition.keptBack = 0
    const all = keptBack > 0 ? { ...details, keptBack } : details
    // What comes as a trouble goes on as one.
    this.#log[level](all as TroubleDetails, message)
    this.#publish(level, all, message)
  }

  #publish(level: Level, details: object, message: string): void {
    const at = new Date(this.#now()).toISOString()
    const event = { id: ++this.#lastId, at, level, message, ...plain(details) } as EngineEvent
    for (const listener of this.#listeners) listener(event)
  }

  #repetition(details: object, message: string): Repetition {
    const texts = Object.values(details).filter((value) => typeof value === 'string')
    const kind = [message, ...texts].join('\0')
    const now = this.#now()
    const known = this.#repetitions.get(kind)
    if (known && now - known.since < windowMs) return known
    if (this.#repetitions.size >= mostKinds) this.#repetitions.clear()
    const fresh = { since: now, count: 0, keptBack: known?.keptBack ?? 0 }
    this.#repetitions.set(kind, fresh)
    return fresh
  }
}

/** The details that are JSON of themselves, and of an error its text: a policy may throw anything. */
function plain(details: object): object {
  const entries = Object.entries(details).flatMap(([key, value]) => {
    if (value instanceof Error) return [[key, value.message]]
    return value === null || ['string', 'number', 'boolean'].includes(typeof value)
      ? [[key, value]]
      : []
  })
  return Object.fromEntries(entries)
}
