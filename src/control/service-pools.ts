/** Pools for services: a node by the pool's balance for a client, counted while its connection lives. */
import type { EventEmitter } from 'node:events'
import type { PlacedFlow } from '../balance/balancer.js'
import { hashAddress } from '../balance/hash.js'
import type { Endpoint } from '../endpoint.js'
import { SluiceError } from '../errors.js'
import type { ActivityRanking, NewFlow, PoolFigures } from '../policy/new-flow.js'
import { DatagramSocket } from '../socket/datagram-socket.js'
import type { PickedNode, ServicePools } from '../socket/service.js'
import type { Socket } from '../socket/socket.js'
import { noData } from './arriving-flow.js'
import type { Node } from './node.js'
import type { Pools } from './pools.js'
import { encodeEndpoint } from './signature.js'

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
  readonly http = noData.http
  readonly cookie = undefined
  readonly tls = noData.tls

  constructor(
    inbound: Socket | DatagramSocket,
    readonly pools: Readonly<Record<string, PoolFigures>>,
    readonly activity: ActivityRanking,
  ) {
    const { address, port, family } = inbound.identity
    this.client = { address, port, family }
    this.protocol = inbound instanceof DatagramSocket ? 'udp' : 'tcp'
    this.destination = { address: inbound.localAddress, port: inbound.localPort, family }
    this.virtualServer = inbound.virtualServer ?? ''
    this.openedAt = inbound.openedAt
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
  #release: (() => void) | undefined

  constructor({ name, address, port }: Node, release: () => void) {
    this.name = name
    this.address = address
    this.port = port
    this.#release = release
  }

  release(): void {
    this.#release?.()
    this.#release = undefined
  }
}

export class PoolsForServices implements ServicePools {
  constructor(
    private readonly pools: Pools,
    private readonly activity: ActivityRanking,
  ) {}

  get figures(): Readonly<Record<string, PoolFigures>> {
    return this.pools.figures
  }

  pick(name: string, inbound: Socket | DatagramSocket): PickedNode | undefined {
    const node = this.#choose(name, new InboundFlow(inbound, this.figures, this.activity))
    if (!node) return undefined
    node.opened(Date.now())
    const closing: EventEmitter = inbound
    const picked = new Picked(node, () => {
      closing.off('close', release)
      node.closed()
    })
    const release = () => picked.release()
    closing.once('close', release)
    if (inbound.destroyed) release()
    return picked
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
