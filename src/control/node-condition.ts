/**
 * Whether a node takes new flows, and why. An operator's word goes before what checks say; what they
 * say is remembered meanwhile.
 */
import type { Clock } from '../clock.js'
import { RiseAndFall, type Thresholds } from '../health/rise-and-fall.js'
import type { NodeState } from '../policy/new-flow.js'

/** What an operator wants of a node. */
export type NodeMode = 'active' | 'draining' | 'maintenance'

export interface ConditionSettings {
  readonly weight: number
  /** A node that comes back has its full weight after so long. */
  readonly slowStartMs: number
  /** There are checks that say whether it is up. */
  readonly checked: boolean
}

/** Is told after each change of state, with its reason in words. */
export type StateListener = (before: NodeState, reason: string) => void

/** Of its weight a node that comes back has at least so much: a weight is never zero. */
const leastWarmth = 0.01

export class NodeCondition {
  readonly #checks = new RiseAndFall()
  readonly #clock: Clock
  readonly #changed: StateListener
  #settings: ConditionSettings
  #mode: NodeMode = 'active'
  #suspended = false
  #state: NodeState = 'up'
  #since: number
  #reason = 'configured'
  /** Its full weight is due then, milliseconds since 1970; 0 where it has it. */
  #warmAt = 0

  constructor(settings: ConditionSettings, clock: Clock, changed: StateListener) {
    this.#settings = settings
    this.#clock = clock
    this.#changed = changed
    this.#since = clock.now()
  }

  get state(): NodeState {
    return this.#state
  }
  /** When it came to that, milliseconds since 1970. */
  get since(): number {
    return this.#since
  }
  get reason(): string {
    return this.#reason
  }
  get configuredWeight(): number {
    return this.#settings.weight
  }
  get weight(): number {
    return this.#warmAt === 0 ? this.#settings.weight : this.#growingWeight()
  }

  configure(settings: ConditionSettings): void {
    this.#settings = settings
    if (settings.checked || this.#checks.up) return
    this.#checks.assume(true)
    this.#update('it is no longer checked')
  }

  /** From maintenance a node comes back when a check has passed; nobody knows what was done to it. */
  setMode(mode: NodeMode, reason: string): void {
    if (this.#mode === 'maintenance' && mode !== 'maintenance' && this.#settings.checked) {
      this.#checks.assume(false)
    }
    this.#mode = mode
    this.#update(reason)
  }

  takeCheck(passed: boolean, thresholds: Thresholds, reason: string): void {
    this.#checks.take(passed, thresholds)
    this.#update(reason)
  }

  /** What is seen of its flows takes it out, or lets it in again. */
  suspend(suspended: boolean, reason: string): void {
    this.#suspended = suspended
    this.#update(reason)
  }

  /** It begins with little weight, as one that comes back. */
  startSlowly(): void {
    const { slowStartMs } = this.#settings
    this.#warmAt = slowStartMs > 0 ? this.#clock.now() + slowStartMs : 0
  }

  #update(reason: string): void {
    const before = this.#state
    const healthy = this.#checks.up && !this.#suspended
    const active = healthy ? 'up' : 'down'
    const state = this.#mode === 'active' ? active : this.#mode
    if (state === before) return
    this.#state = state
    this.#since = this.#clock.now()
    this.#reason = reason
    if (state === 'up') this.startSlowly()
    this.#changed(before, reason)
  }

  #growingWeight(): number {
    const { weight, slowStartMs } = this.#settings
    const left = this.#warmAt - this.#clock.now()
    if (left <= 0) this.#warmAt = 0
    return left <= 0 ? weight : weight * Math.max(1 - left / slowStartMs, leastWarmth)
  }
}
