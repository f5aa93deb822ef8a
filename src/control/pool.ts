/** Nodes with an algorithm that chooses among them. */
import type { Balancer, PlacedFlow } from '../balance/balancer.js'
import type { ResolvedPool } from '../config/resolved.js'
import { SluiceError } from '../errors.js'
import type { PoolFigures } from '../policy/new-flow.js'
import type { Node } from './node.js'
import type { NodeMode } from './node-condition.js'
import type { PoolStatus } from './status.js'
import { reportTraffic, TrafficTotals } from './traffic.js'

/**
 * Users' functions get it and its list as they are: both are frozen, and one that sorts the list
 * throws instead of changing whose turn it is.
 */
export class Pool implements PoolFigures {
  readonly nodes: readonly Node[]
  readonly #settings: ResolvedPool
  readonly #balancer: Balancer<Node>
  #refused: number

  /** @param before the pool of this name until now: what it has counted and learned stays */
  constructor(settings: ResolvedPool, nodes: readonly Node[], before?: Pool) {
    this.nodes = Object.freeze([...nodes])
    this.#settings = settings
    this.#balancer = settings.balance(this.nodes)
    this.#refused = before?.refused ?? 0
    if (before) this.#balancer.succeed?.(before.#balancer)
    Object.freeze(this)
  }

  get name(): string {
    return this.#settings.name
  }
  get settings(): ResolvedPool {
    return this.#settings
  }
  get connections(): number {
    return this.nodes.reduce((sum, node) => sum + node.connections, 0)
  }
  get totalConnections(): number {
    return this.nodes.reduce((sum, node) => sum + node.totalConnections, 0)
  }
  /** Flows that came while neither it nor its fallback had a node for them. */
  get refused(): number {
    return this.#refused
  }

  /**
   * The node for a new flow; undefined where none takes any. Where that could not tell the flow from
   * another, the next one that can, unless the flow is tied to its node.
   * @throws {ForeignNode} and what a user's function throws
   */
  choose(flow: PlacedFlow<Node>): Node | undefined {
    const node = this.#balancer.choose(flow)
    if (!node || this.#balancer.isTied || flow.fits(node)) return node
    return this.after(node, (other) => flow.fits(other)) ?? node
  }

  /** The next node in its list that takes flows and is meant. */
  after(node: Node, isMeant: (other: Node) => boolean): Node | undefined {
    const next = [...this.nodes.slice(node.index + 1), ...this.nodes.slice(0, node.index)]
    return next.find((other) => other.available && isMeant(other))
  }

  /** A node gave its client this id of a session (LB-16). */
  learn(session: string, node: Node): void {
    this.#balancer.learn?.(session, node)
  }

  /** A flow was refused for want of a node. */
  refuse(): void {
    this.#refused++
  }

  /**
   * No new flows for a node; its live ones go on to their end, for which `idle()` of what it returns
   * waits. It is still checked.
   * @param node its 'address:port'
   * @throws {SluiceError} `ERR_SLUICE_NODE` where the pool has no such node; so do the next two
   */
  drain(node: string): Node {
    return this.#setMode(node, 'draining', 'drained by the operator')
  }

  /** No new flows for a node and no checks: whatever happens to the server is expected. */
  maintain(node: string): Node {
    return this.#setMode(node, 'maintenance', 'in maintenance by the operator')
  }

  /** Ends `drain` or `maintain`. After maintenance a node that is checked has to pass first. */
  activate(node: string): Node {
    return this.#setMode(node, 'active', 'activated by the operator')
  }

  /** @param leaving nodes that it had and whose flows go on */
  report(leaving: readonly Node[] = []): PoolStatus {
    return {
      name: this.name,
      balance: this.#settings.balanceName,
      available: this.nodes.filter(({ available }) => available).length,
      refused: this.#refused,
      ...reportNodes([...this.nodes, ...leaving]),
    }
  }

  #setMode(name: string, mode: NodeMode, reason: string): Node {
    const node = this.nodes.find((candidate) => candidate.name === name)
    if (!node) {
      const names = this.nodes.map((candidate) => candidate.name).join(', ')
      throw new SluiceError(
        'ERR_SLUICE_NODE',
        `Pool ${this.name} has no node ${name}.`,
        `Name one of ${names}.`,
      )
    }
    node.condition.setMode(mode, reason)
    return node
  }
}

/** Nodes, and what they have together. */
export function reportNodes(nodes: readonly Node[]) {
  const totals = new TrafficTotals()
  for (const node of nodes) totals.add(node.traffic)
  return {
    connections: nodes.reduce((sum, node) => sum + node.connections, 0),
    totalConnections: nodes.reduce((sum, node) => sum + node.totalConnections, 0),
    ...reportTraffic(totals),
    nodes: nodes.map((node) => node.report()),
  }
}
