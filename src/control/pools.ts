/** The servers behind the engine, and how many flows each has. */
import type { Balance, BalanceState } from '../balance/balance.js'
import { formatEndpoint, parseAddress } from '../bus/address.js'
import type { ResolvedPool } from '../config/resolved.js'
import type { Endpoint } from '../endpoint.js'
import type { NewFlow, NodeFigures, PoolFigures } from '../policy/new-flow.js'
import { type EncodedEndpoint, encodeEndpoint } from './signature.js'
import type { PoolStatus } from './status.js'
import { reportTraffic, TrafficTotals } from './traffic.js'

/** A server. Users see it as NodeFigures; it is frozen, so that they can set nothing on it. */
export class Node implements NodeFigures {
  readonly name: string
  readonly addressBytes: Uint8Array
  readonly encoded: EncodedEndpoint
  #index = 0
  #connections = 0
  #totalConnections = 0
  readonly #traffic = new TrafficTotals()

  /** @param id its number on the bus, 1 to 65535 */
  constructor(
    readonly id: number,
    readonly endpoint: Endpoint,
  ) {
    this.name = formatEndpoint(endpoint)
    this.addressBytes = parseAddress(endpoint.address) as Uint8Array
    this.encoded = encodeEndpoint(endpoint)
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
  get traffic(): Readonly<TrafficTotals> {
    return this.#traffic
  }

  /** It takes this place in the list of its pool. */
  place(index: number): this {
    this.#index = index
    return this
  }
  /** A session was given to it. */
  opened(): void {
    this.#connections++
    this.#totalConnections++
  }
  /** That session ended. */
  closed(): void {
    this.#connections--
  }
  count(more: Readonly<TrafficTotals>): void {
    this.#traffic.add(more)
  }
}

/**
 * Nodes with an algorithm that chooses among them. Users' functions get it and its list as they are:
 * both are frozen, and one that sorts the list throws instead of changing whose turn it is.
 */
export class Pool implements PoolFigures {
  readonly name: string
  readonly nodes: readonly Node[]
  readonly #members: ReadonlySet<unknown>
  readonly #balance: Balance
  readonly #balanceName: string
  #state: BalanceState = { last: -1 }

  constructor({ name, balance, balanceName }: ResolvedPool, nodes: readonly Node[]) {
    this.name = name
    this.nodes = Object.freeze(nodes.map((node, i) => node.place(i)))
    this.#members = new Set(this.nodes)
    this.#balance = balance
    this.#balanceName = balanceName
    Object.freeze(this)
  }

  get connections(): number {
    return this.nodes.reduce((sum, node) => sum + node.connections, 0)
  }
  get totalConnections(): number {
    return this.nodes.reduce((sum, node) => sum + node.totalConnections, 0)
  }

  /**
   * The node for a new flow; undefined where a user's function chose none of them.
   * @throws what a user's function throws
   */
  choose(flow: NewFlow): Node | undefined {
    const choice: unknown = this.#balance(flow, this.nodes, this.#state)
    if (!(choice instanceof Node) || !this.#members.has(choice)) return undefined
    this.#state = { last: choice.index }
    return choice
  }

  report(): PoolStatus {
    const totals = new TrafficTotals()
    for (const node of this.nodes) totals.add(node.traffic)
    return {
      name: this.name,
      balance: this.#balanceName,
      connections: this.connections,
      totalConnections: this.totalConnections,
      ...reportTraffic(totals),
      nodes: this.nodes.map((node) => ({
        address: node.name,
        connections: node.connections,
        totalConnections: node.totalConnections,
        ...reportTraffic(node.traffic),
      })),
    }
  }
}

export class Pools {
  #byName = new Map<string, Pool>()
  #lastId = 0
  /** The pools by name, for policies. */
  figures: Readonly<Record<string, PoolFigures>> = {}

  constructor(pools: readonly ResolvedPool[]) {
    this.replace(pools)
  }

  /** Takes other pools. A node that stays in its pool keeps its figures. */
  replace(pools: readonly ResolvedPool[]): void {
    const before = this.#byName
    this.#byName = new Map(
      pools.map((pool) => {
        const known = before.get(pool.name)?.nodes ?? []
        const nodes = pool.nodes.map((endpoint) => {
          const name = formatEndpoint(endpoint)
          return known.find((node) => node.name === name) ?? new Node(this.#nextId(), endpoint)
        })
        return [pool.name, new Pool(pool, nodes)]
      }),
    )
    this.figures = Object.freeze(
      Object.assign(Object.create(null), Object.fromEntries(this.#byName)),
    )
  }

  pool(name: string): Pool | undefined {
    return this.#byName.get(name)
  }

  /** The node with this 'address:port', in the first pool that has it. */
  node(name: string): Node | undefined {
    for (const pool of this.#byName.values()) {
      const node = pool.nodes.find((candidate) => candidate.name === name)
      if (node) return node
    }
    return undefined
  }

  report(): PoolStatus[] {
    return [...this.#byName.values()].map((pool) => pool.report())
  }

  /** Node numbers are 16 bits on the bus; a long-lived engine comes round to old ones. */
  #nextId(): number {
    this.#lastId = (this.#lastId % 0xffff) + 1
    return this.#lastId
  }
}
