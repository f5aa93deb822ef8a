/** Pools for services: a node by the pool's balance for a client or a request, counted while its
 *  connection lives. */
import type { EventEmitter } from 'node:events'
import type { PlacedFlow } from '../balance/balancer.js'
import { hashAddress } from '../balance/hash.js'
import type { Endpoint } from '../endpoint.js'
import { SluiceError } from '../errors.js'
import { type HttpRequest, noRequest, requestOf } from '../policy/http-request.js'
import type { ActivityRanking, NewFlow, PoolFigures } from '../policy/new-flow.js'
import { DatagramSocket } from '../socket/datagram-socket.js'
import type { PickedNode, ServicePools, ServiceRequest } from '../socket/service.js'
import type { Socket } from '../socket/socket.js'
import { noData } from './arriving-flow.js'
import type { Node } from './node.js'
import type { Pools } from './pools.js'
import { encodeEndpoint } from './signature.js'

type Inbound = Socket | DatagramSocket

/** A service's client, as policies and balance see one. It stays valid. */
class InboundFlow implements PlacedFlow<Node> {
  readonly client: Endpoint
  readonly destination: Endpoint
  readonly protocol: 'tcp' | 'udp'
  readonly dscp = 0
  readonly virtualServer: string
  readonly openedAt: number
  readonly data = noData.data
  readonly dataTruncated = false
  readonly cookie = undefined
  readonly tls = noData.tls
  readonly #request: ServiceRequest | undefined
  #http: HttpRequest | undefined

  constructor(
    inbound: Inbound,
    request: ServiceRequest | undefined,
    readonly pools: Readonly<Record<string, PoolFigures>>,
    readonly activity: ActivityRanking,
  ) {
    this.#request = request
    const { address, port, family } = inbound.identity
    this.client = { address, port, family }
    this.protocol = inbound instanceof DatagramSocket ? 'udp' : 'tcp'
    this.destination = { address: inbound.localAddress, port: inbound.localPort, family }
    this.virtualServer = inbound.virtualServer ?? ''
    this.openedAt = inbound.openedAt
  }

  /** Put together for a balance that asks for it. */
  get http(): HttpRequest {
    this.#http ??= this.#request ? requestOf(this.#request) : noRequest
    return this.#http
  }

  get sourceHash(): number {
    return hashAddress(encodeEndpoint(this.client).address, 0)
  }
  get destinationHash(): number {
    return hashAddress(encodeEndpoint(this.destination).address, 0)
  }

  /** The engine says so when the connection is opened: `ERR_SLUICE_TUPLE_IN_USE`. */
  fits(): boolean {
    return true
  }

  copy(): NewFlow {
    return this
  }
}

class Picked implements PickedNode {
  readonly name: string
  readonly address: string
  readonly port: number
  readonly #node: Node
  readonly #inbound: Inbound
  readonly #pools: Pools
  /** Before this one. */
  readonly #failed: readonly Node[]
  #isOver = false
  readonly #release = () => this.release()

  constructor(node: Node, inbound: Inbound, pools: Pools, failed: readonly Node[]) {
    this.name = node.name
    this.address = node.address
    this.port = node.port
    this.#node = node
    this.#inbound = inbound
    this.#pools = pools
    this.#failed = failed
    node.opened(Date.now())
    const closing: EventEmitter = inbound
    closing.once('close', this.#release)
    if (inbound.destroyed) this.release()
  }

  served(): void {
    const { condition } = this.#node
    if (condition.isWatched) condition.takeFlow(false)
  }

  failed(): PickedNode | undefined {
    // Its client is gone, and nobody knows what would have become of it.
    if (!this.#end()) return undefined
    const node = this.#node
    node.withdrawn()
    if (node.condition.isWatched) node.condition.takeFlow(true)
    const failed = [...this.#failed, node]
    const next = this.#pools.another(node, failed)
    return next && new Picked(next, this.#inbound, this.#pools, failed)
  }

  release(): void {
    if (this.#end()) this.#node.closed()
  }

  /** False where it was over. */
  #end(): boolean {
    if (this.#isOver) return false
    this.#isOver = true
    const closing: EventEmitter = this.#inbound
    closing.off('close', this.#release)
    return true
  }
}

const none: readonly Node[] = []

export class PoolsForServices implements ServicePools {
  constructor(
    private readonly pools: Pools,
    private readonly activity: ActivityRanking,
  ) {}

  get figures(): Readonly<Record<string, PoolFigures>> {
    return this.pools.figures
  }

  pick(name: string, inbound: Inbound, request?: ServiceRequest): PickedNode | undefined {
    const flow = new InboundFlow(inbound, request, this.figures, this.activity)
    const node = this.#choose(name, flow)
    return node && new Picked(node, inbound, this.pools, none)
  }

  /** A node of the pool, or of those that stand in for it. */
  #choose(name: string, flow: PlacedFlow<Node>): Node | undefined {
    const pool = this.pools.get(name)
    if (!pool) throw noSuchPool(name, Object.keys(this.figures))
    let node = pool.choose(flow)
    for (let other = pool.settings.fallback; !node && other !== undefined; ) {
      const standIn = this.pools.get(other)
      node = standIn?.choose(flow)
      other = standIn?.settings.fallback
    }
    if (!node) pool.refuse()
    return node
  }
}

function noSuchPool(name: string, names: readonly string[]): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_POOL',
    `There is no pool ${name}.`,
    `Name one of ${names.join(', ') || 'those under `pools`: there is none yet'}.`,
  )
}
