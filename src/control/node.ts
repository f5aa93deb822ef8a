/** A server behind the engine: its condition, and how many flows it has. */
import { formatEndpoint, parseAddress } from '../bus/address.js'
import type { Clock } from '../clock.js'
import type { ResolvedNode } from '../config/resolved.js'
import type { Endpoint } from '../endpoint.js'
import type { CheckedNode } from '../health/check-loop.js'
import type { Thresholds } from '../health/rise-and-fall.js'
import type { NodeFigures, NodeState } from '../policy/new-flow.js'
import { type ConditionSettings, NodeCondition, type StateListener } from './node-condition.js'
import { type EncodedEndpoint, encodeEndpoint } from './signature.js'
import type { NodeStatus } from './status.js'
import { reportTraffic, TrafficTotals } from './traffic.js'

export type NodeSettings = ConditionSettings & Pick<ResolvedNode, 'connectionLimit' | 'nextHop'>

/** What a new figure counts in the response time. */
const newShare = 0.25

/** Users see it as NodeFigures; it is frozen, so that they can set nothing on it. */
export class Node implements NodeFigures, CheckedNode {
  readonly name: string
  readonly addressBytes: Uint8Array
  readonly encoded: EncodedEndpoint
  readonly condition: NodeCondition
  readonly #traffic = new TrafficTotals()
  #index = 0
  #up = true
  #connectionLimit: number
  #nextHopBytes: Uint8Array | undefined
  #connections = 0
  #totalConnections = 0
  #recentBytes = 0
  #lastOpenedAt = 0
  #lastActiveAt = 0
  #responseMs: number | undefined
  #waiting: (() => void)[] = []

  /**
   * @param id its number on the bus, 1 to 65535
   * @param pool name of its pool
   */
  constructor(
    readonly id: number,
    readonly pool: string,
    readonly endpoint: Endpoint,
    settings: NodeSettings,
    clock: Clock,
    changed: (node: Node, ...change: Parameters<StateListener>) => void,
  ) {
    this.name = formatEndpoint(endpoint)
    this.addressBytes = parseAddress(endpoint.address) as Uint8Array
    this.encoded = encodeEndpoint(endpoint)
    this.condition = new NodeCondition(settings, clock, (...change) => {
      this.#up = this.condition.state === 'up'
      changed(this, ...change)
    })
    this.#connectionLimit = settings.connectionLimit
    this.#nextHopBytes = bytesOf(settings.nextHop)
    Object.freeze(this)
  }

  get address(): string {
    return this.endpoint.address
  }
  get port(): number {
    return this.endpoint.port
  }
  get index(): number {
    return this.#index
  }
  get connections(): number {
    return this.#connections
  }
  get totalConnections(): number {
    return this.#totalConnections
  }
  get bytesIn(): number {
    return this.#traffic.bytesIn
  }
  get bytesOut(): number {
    return this.#traffic.bytesOut
  }
  get recentBytes(): number {
    return this.#recentBytes
  }
  get lastOpenedAt(): number {
    return this.#lastOpenedAt
  }
  get lastActiveAt(): number {
    return this.#lastActiveAt
  }
  get responseMs(): number | undefined {
    return this.#responseMs
  }
  get weight(): number {
    return this.condition.weight
  }
  get configuredWeight(): number {
    return this.condition.configuredWeight
  }
  get state(): NodeState {
    return this.condition.state
  }
  get available(): boolean {
    return this.#up && this.#connections < this.#connectionLimit
  }
  /** Where its packets go instead of by the routes. */
  get nextHopBytes(): Uint8Array | undefined {
    return this.#nextHopBytes
  }
  get traffic(): Readonly<TrafficTotals> {
    return this.#traffic
  }

  /** Takes other settings, and this place in the list of its pool. */
  configure(settings: NodeSettings, index: number): this {
    this.condition.configure(settings)
    this.#connectionLimit = settings.connectionLimit
    this.#nextHopBytes = bytesOf(settings.nextHop)
    this.#index = index
    return this
  }

  /** A session was given to it, whose first packet came then. */
  opened(at: number): void {
    this.#connections++
    this.#totalConnections++
    this.#lastOpenedAt = at
  }
  /** That session never came to it. */
  withdrawn(): void {
    this.closed()
    this.#totalConnections--
  }
  /** A session of its goes on that the ledger had lost; it was counted when it opened. */
  regained(): void {
    this.#connections++
  }
  /** That session ended. */
  closed(): void {
    if (--this.#connections === 0) for (const resolve of this.#waiting.splice(0)) resolve()
  }
  count(more: Readonly<TrafficTotals>, lastActiveAt: number): void {
    this.#traffic.add(more)
    this.#recentBytes += more.bytesIn + more.bytesOut
    if (lastActiveAt > this.#lastActiveAt) this.#lastActiveAt = lastActiveAt
  }
  /** What is recent becomes less so; to be called every ten seconds. */
  age(): void {
    this.#recentBytes /= 2
  }
  /** In maintenance it is not checked. */
  get exempt(): boolean {
    return this.condition.inMaintenance
  }
  passed(thresholds: Thresholds, tookMs: number): void {
    this.#responseMs = tookMs * newShare + (this.#responseMs ?? tookMs) * (1 - newShare)
    this.condition.takeCheck(true, thresholds, 'its checks pass')
  }
  failed(thresholds: Thresholds, reason: string): void {
    this.condition.takeCheck(false, thresholds, reason)
  }

  /** Resolves when it has no flow. @throws the reason of `signal` */
  async idle(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    if (this.#connections === 0) return
    await new Promise<void>((resolve, reject) => {
      const give = () => {
        this.#waiting = this.#waiting.filter((waiting) => waiting !== done)
        reject(signal?.reason)
      }
      const done = () => {
        signal?.removeEventListener('abort', give)
        resolve()
      }
      this.#waiting.push(done)
      signal?.addEventListener('abort', give, { once: true })
    })
  }

  report(): NodeStatus {
    const { state, since, reason, weight } = this.condition
    return {
      address: this.name,
      state,
      since: new Date(since).toISOString(),
      reason,
      weight,
      connectionLimit: Number.isFinite(this.#connectionLimit) ? this.#connectionLimit : null,
      responseMs: this.#responseMs ?? null,
      connections: this.#connections,
      totalConnections: this.#totalConnections,
      ...reportTraffic(this.#traffic),
    }
  }
}

function bytesOf(address: string | undefined): Uint8Array | undefined {
  return address === undefined ? undefined : parseAddress(address)
}
