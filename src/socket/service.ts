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

export interface ServicePools {
  /**
   * The node of a pool that its balance gives the client of this connection; undefined where none
   * takes any. It counts as one of the node's connections until `release()`, or the end of `inbound`.
   * @throws {SluiceError} `ERR_SLUICE_POOL` where there is no such pool
   */
  pick(pool: string, inbound: Socket | DatagramSocket): PickedNode | undefined
  /** As policies see them. */
  readonly figures: Readonly<Record<string, PoolFigures>>
}

export interface PickedNode {
  /** 'address:port'. */
  readonly name: string
  readonly address: string
  readonly port: number
  /** The connection to it is over, or never came to be. Idempotent. */
  release(): void
}
