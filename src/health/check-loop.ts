/** Looks at one node again and again, and tells what it saw. */
import type { Clock } from '../clock.js'
import type { CheckQueue } from './check-queue.js'
import type { Probe, Target } from './probe.js'
import type { CheckSettings } from './settings.js'

/** A node as its checks know it. */
export interface CheckedNode extends Target {
  /** It is not to be checked now. */
  readonly exempt: boolean
  passed(settings: CheckSettings, tookMs: number): void
  failed(settings: CheckSettings, reason: string): void
}

export interface CheckEnvironment {
  readonly clock: Clock
  /** From 0 to 1. */
  readonly random: () => number
  readonly queue: CheckQueue
}

/** The first check comes within so long, and each of the others up to a tenth sooner or later than
 *  the interval says: nodes that begin together are not looked at together. */
const firstWithinMs = 1000
const jitter = 0.1

export class CheckLoop {
  readonly #node: CheckedNode
  readonly #environment: CheckEnvironment
  #settings: CheckSettings
  #probe: Probe
  #attempt: AbortController | undefined
  #stopped = false
  #cancel: () => void

  constructor(
    node: CheckedNode,
    settings: CheckSettings,
    probe: Probe,
    environment: CheckEnvironment,
  ) {
    this.#node = node
    this.#settings = settings
    this.#probe = probe
    this.#environment = environment
    const within = Math.min(settings.intervalMs, firstWithinMs)
    this.#cancel = this.#after(environment.random() * within)
  }

  /** Takes other settings, from the next check on. */
  configure(settings: CheckSettings, probe: Probe): void {
    this.#settings = settings
    this.#probe = probe
  }

  stop(): void {
    this.#stopped = true
    this.#cancel()
    this.#attempt?.abort()
  }

  #after(ms: number): () => void {
    const { clock, queue } = this.#environment
    return clock.after(ms, () => queue.enter(() => void this.#check().finally(() => queue.end())))
  }

  async #check(): Promise<void> {
    if (this.#stopped) return
    const { clock, random } = this.#environment
    const began = clock.now()
    if (!this.#node.exempt) await this.#look(began)
    if (this.#stopped) return
    const pause = this.#settings.intervalMs * (1 - jitter + 2 * jitter * random())
    this.#cancel = this.#after(Math.max(0, pause - (clock.now() - began)))
  }

  async #look(began: number): Promise<void> {
    const { clock } = this.#environment
    const settings = this.#settings
    const attempt = new AbortController()
    const { signal } = attempt
    this.#attempt = attempt
    const late = new Error(`no answer within ${settings.timeoutMs} ms`)
    const cancel = clock.after(settings.timeoutMs, () => attempt.abort(late))
    let failure: unknown
    try {
      // A function of the user's may not heed the signal.
      await Promise.race([this.#probe(this.#node, signal), aborted(signal)])
    } catch (error) {
      failure = signal.aborted ? signal.reason : error
    } finally {
      cancel()
    }
    if (this.#stopped || this.#node.exempt) return
    if (failure === undefined) this.#node.passed(settings, clock.now() - began)
    else this.#node.failed(settings, failure instanceof Error ? failure.message : String(failure))
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}
