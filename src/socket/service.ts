/** What a service is, and what it is given beside the connection. */
import type { Logger } from '../logger.js'
import type { PoolFigures } from '../policy/new-flow.js'
import type { Stack } from '../stack.js'
import type { DatagramSocket } from './datagram-socket.js'
import type { Socket } from './socket.js'

/**
 * Has the connections of a virtual server. One that throws resets its own connection, and that is
 * logged; nothing else happens. Its return alone closes nothing.
 */
export type ServiceFunction = (inbound: Socket, context: ServiceContext) => void | Promise<void>

/** The same for a virtual server of UDP, called for each flow that begins. */
export type DatagramServiceFunction = (
  inbound: DatagramSocket,
  context: ServiceContext,
) => void | Promise<void>

export type AnyServiceFunction = ServiceFunction | DatagramServiceFunction

export interface ServiceContext {
  /** The virtual server. */
  readonly name: string
  readonly stack: Stack
  readonly pools: ServicePools
  /** Aborts when the connection is closed, or the engine stops. */
  readonly signal: AbortSignal
  readonly log: Logger
}

/** A request of HTTP, as far as a pool's balance sees it. */
export interface ServiceRequest {
  readonly method: string
  /** As it was sent: a path, and a query. */
  readonly target: string
  readonly httpVersion: string
  /** By their names in small letters; of several of one name, the values behind each other. */
  readonly headers: Readonly<Record<string, string>>
}

export interface ServicePools {
  /**
   * The node of a pool that its balance gives the client of this connection, or the request on it;
   * undefined where none takes any. It counts as one of the node's connections until `release()`,
   * or the end of `inbound`.
   * @throws {SluiceError} `ERR_SLUICE_POOL` where there is no such pool
   */
  pick(
    pool: string,
    inbound: Socket | DatagramSocket,
    request?: ServiceRequest,
  ): PickedNode | undefined
  /** As policies see them. */
  readonly figures: Readonly<Record<string, PoolFigures>>
}

export interface PickedNode {
  /** 'address:port'. */
  readonly name: string
  readonly address: string
  readonly port: number
  /** It took the connection: `passive` of its pool counts anew. */
  served(): void
  /**
   * It did not, which `passive` counts, and it is released. The next node of its pool that takes
   * connections and was not tried, of three at most; undefined where there is none.
   */
  failed(): PickedNode | undefined
  /** The connection to it is over, or never came to be. Idempotent. */
  release(): void
}
