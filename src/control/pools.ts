/** The pools of an engine, by name, through changes of the configuration. */
import { formatEndpoint } from '../bus/address.js'
import { type Clock, systemClock } from '../clock.js'
import type { ResolvedNode, ResolvedPool } from '../config/resolved.js'
import { SluiceError } from '../errors.js'
import type { CheckedNodes } from '../health/monitor.js'
import { type Logger, silentLogger } from '../logger.js'
import type { NodeState, PoolFigures } from '../policy/new-flow.js'
import { Node, type NodeSettings } from './node.js'
import type { NodeMode } from './node-condition.js'
import { Pool, reportNodes } from './pool.js'
import type { PoolStatus } from './status.js'

/** A client waits for each that does not answer. */
const mostServers = 3
/** Node numbers are 16 bits on the bus, 0 being none. */
const mostIds = 0xffff

export class Pools {
  readonly #clock: Clock
  readonly #log: Logger
  #byName = new Map<string, Pool>()
  /** Also those that leave. */
  #byId = new Map<number, Node>()
  /** Nodes that the configuration no longer has, while they have flows. */
  #leaving: readonly Node[] = []
  #lastId = 0
  /** The pools by name, for policies. */
  figures: Readonly<Record<string, PoolFigures>> = {}

  constructor(
    pools: readonly ResolvedPool[],
    clock: Clock = systemClock,
    log: Logger = silentLogger,
    /** Called with a node that goes down in a pool whose flows are to end then. */
    private readonly resetFlows: (node: Node) => void = () => {},
  ) {
    this.#clock = clock
    this.#log = log
    this.replace(pools)
  }

  /**
   * Takes other pools. A node that stays in its pool keeps its figures, its condition and its mode;
   * one that does not gets no new flows, and its live ones go on.
   */
  replace(pools: readonly ResolvedPool[]): void {
    const next = pools.map((pool) => {
      const known = this.#byName.get(pool.name)
      return new Pool(pool, this.#nodesOf(pool, known), known)
    })
    const staying = new Set(next.flatMap(({ nodes }) => nodes))
    const before = [...this].flatMap(({ nodes }) => nodes)
    const gone = [...before, ...this.#leaving].filter((node) => !staying.has(node))
    for (const node of gone) node.condition.setMode('draining', 'taken out of the configuration')
    this.#leaving = gone.filter(({ connections }) => connections > 0)
    this.#byId = new Map([...staying, ...this.#leaving].map((node) => [node.id, node]))
    this.#byName = new Map(next.map((pool) => [pool.name, pool]))
    this.figures = Object.freeze(
      Object.assign(Object.create(null), Object.fromEntries(this.#byName)),
    )
  }

  [Symbol.iterator](): IterableIterator<Pool> {
    return this.#byName.values()
  }

  get(name: string): Pool | undefined {
    return this.#byName.get(name)
  }

  /** The node with this 'address:port', in the first pool that has it. */
  node(name: string): Node | undefined {
    for (const pool of this) {
      const node = pool.nodes.find((candidate) => candidate.name === name)
      if (node) return node
    }
    return undefined
  }

  /**
   * In the place of a node that did not take a connection: one of the same pool, or of those that
   * stand in for it, that was not tried (HS-20).
   */
  another(node: Node, tried: readonly Node[]): Node | undefined {
    if (tried.length >= mostServers) return undefined
    let pool = this.get(node.pool)
    let next = pool?.after(node, (other) => !tried.includes(other))
    while (!next && pool?.settings.fallback !== undefined) {
      pool = this.get(pool.settings.fallback)
      next = pool?.nodes.find((other) => other.available && !tried.includes(other))
    }
    return next
  }

  /** The nodes of each pool that is checked. */
  get checked(): CheckedNodes[] {
    return [...this].flatMap(({ nodes, settings: { check } }) => (check ? [{ nodes, check }] : []))
  }

  /** The node with this number on the bus, also one that the configuration no longer has. */
  numbered(id: number): Node | undefined {
    return this.#byId.get(id)
  }

  /**
   * An operator's word on a node, in one pool or in all that have it.
   * @throws {SluiceError} `ERR_SLUICE_NODE` where there is none
   */
  order(address: string, mode: NodeMode, poolName?: string): void {
    const pools = [...this].filter(({ name, nodes }) =>
      poolName === undefined ? nodes.some((node) => node.name === address) : name === poolName,
    )
    if (pools.length === 0) throw noSuchNode(address, poolName)
    for (const pool of pools) {
      if (mode === 'active') pool.activate(address)
      else if (mode === 'draining') pool.drain(address)
      else pool.maintain(address)
    }
  }

  /** What nodes moved of late becomes less recent; to be called every ten seconds. */
  age(): void {
    for (const { nodes } of this) for (const node of nodes) node.age()
  }

  /** A pool that was removed is told while nodes of it have flows. */
  report(): PoolStatus[] {
    const leaving = this.#leaving.filter(({ connections }) => connections > 0)
    const of = (name: string) => leaving.filter(({ pool }) => pool === name)
    const removed = new Set(leaving.map(({ pool }) => pool).filter((name) => !this.get(name)))
    return [
      ...[...this].map((pool) => pool.report(of(pool.name))),
      ...[...removed].map((name) => ({
        name,
        balance: 'removed',
        available: 0,
        refused: 0,
        ...reportNodes(of(name)),
      })),
    ]
  }

  #nodesOf(pool: ResolvedPool, known: Pool | undefined): Node[] {
    const leaving = this.#leaving.filter((node) => node.pool === pool.name)
    return pool.nodes.map((config, index) => {
      const settings = settingsOf(pool, config)
      const name = formatEndpoint(config.endpoint)
      const named = (node: Node) => node.name === name
      const old = known?.nodes.find(named)
      if (old) return old.configure(settings, index)
      const back = leaving.find(named)?.configure(settings, index)
      back?.condition.setMode('active', 'back in the configuration')
      if (back) return back
      const node = this.#make(pool, config, settings, index)
      if (known) node.condition.startSlowly()
      return node
    })
  }

  #make(
    pool: ResolvedPool,
    { endpoint }: ResolvedNode,
    settings: NodeSettings,
    index: number,
  ): Node {
    const changed = (...change: [Node, NodeState, string]) => this.#report(...change)
    const id = this.#nextId()
    const node = new Node(id, pool.name, endpoint, settings, this.#clock, changed)
    this.#byId.set(id, node)
    return node.configure(settings, index)
  }

  #report(node: Node, before: NodeState, reason: string): void {
    const { pool, name, state } = node
    const details = { event: 'node', pool, node: name, before, state, reason } as const
    if (state !== 'down') {
      this.#log.info(details, `a node is ${state}`)
      return
    }
    if (this.get(pool)?.settings.onDown === 'reset') this.resetFlows(node)
    this.#log.warn({ ...details, code: 'ERR_SLUICE_NODE_DOWN' }, 'a node is down')
  }

  /** A long-lived engine comes round to old numbers; only when all are in use two nodes share one. */
  #nextId(): number {
    do this.#lastId = (this.#lastId % mostIds) + 1
    while (this.#byId.has(this.#lastId) && this.#byId.size < mostIds)
    return this.#lastId
  }
}

function noSuchNode(address: string, pool: string | undefined): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_NODE',
    pool === undefined ? `No pool has a node ${address}.` : `There is no pool ${pool}.`,
    '`sluice pools` lists the nodes of each pool.',
  )
}

function settingsOf(pool: ResolvedPool, node: ResolvedNode): NodeSettings {
  const { weight, connectionLimit, nextHop } = node
  const { slowStartMs, check, passive } = pool
  return { weight, connectionLimit, nextHop, slowStartMs, check, passive }
}
