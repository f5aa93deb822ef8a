/**
 * Whether a node takes new flows, and why. An operator's word goes before what checks say; what they
 * say is remembered meanwhile.
 */
import type { Clock } from '../clock.js'
import { type PassiveSettings, Refusals } from '../health/refusals.js'
import { RiseAndFall, type Thresholds } from '../health/rise-and-fall.js'
import type { CheckSettings } from '../health/settings.js'
import type { NodeState } from '../policy/new-flow.js'

/** What an operator wants of a node. */
export type NodeMode = 'active' | 'draining' | 'maintenance'

export interface ConditionSettings {
  readonly weight: number
  /** A node that comes back, or joins, has its full weight after so long. */
  readonly slowStartMs: number
  /** Undefined where nobody checks whether it is up. */
  readonly check: CheckSettings | undefined
  readonly passive: PassiveSettings | undefined
}

/** Is told after each change of state, with its reason in words. */
export type StateListener = (before: NodeState, reason: string) => void

/** Of its weight a node that comes back has at least so much: a weight is never zero. */
const leastWarmth = 0.01

export class NodeCondition {
  readonly #checks = new RiseAndFall()
  readonly #refusals: Refusals
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
    this.#refusals = new Refusals(clock, (...change) => this.#suspend(...change))
    this.#refusals.configure(settings.passive)
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
  /** Whatever happens to it is expected. */
  get inMaintenance(): boolean {
    return this.#mode === 'maintenance'
  }
  get weight(): number {
    return this.#warmAt === 0 ? this.#settings.weight : this.#growingWeight()
  }

  configure(settings: ConditionSettings): void {
    this.#settings = settings
    this.#refusals.configure(settings.passive)
    if (settings.check || this.#checks.up) return
    this.#checks.assume(true)
    this.#update('it is no longer checked')
  }

  /** From maintenance a node comes back when a check has passed; nobody knows what was done to it. */
  setMode(mode: NodeMode, reason: string): void {
    if (this.#mode === 'maintenance' && mode !== 'maintenance' && this.#settings.check) {
      this.#checks.assume(false)
    }
    this.#mode = mode
    this.#update(reason)
  }

  takeCheck(passed: boolean, thresholds: Thresholds, reason: string): void {
    const wasUp = this.#checks.up
    this.#checks.take(passed, thresholds)
    this.#update(reason)
    // Down already, for what its flows told: that is over in a while, this is not.
    if (wasUp && !this.#checks.up && this.#state === 'down') this.#reason = reason
  }

  /** What its flows tell of it counts. */
  get isWatched(): boolean {
    return this.#settings.passive !== undefined
  }

  /** One of its flows ended, or another was served. */
  takeFlow(refused: boolean): void {
    if (refused) this.#refusals.refused()
    else this.#refusals.served()
  }

  /** It begins with little weight: it has come back, or joins those that are at work. */
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

  #suspend(suspended: boolean, reason: string): void {
    this.#suspended = suspended
    this.#update(reason)
  }

  #growingWeight(): number {
    const { weight, slowStartMs } = this.#settings
    const left = this.#warmAt - this.#clock.now()
    if (left <= 0) this.#warmAt = 0
    return left <= 0 ? weight : weight * Math.max(1 - left / slowStartMs, leastWarmth)
  }
}
