/** A virtual server: its settings, whether it takes new flows, and what it has carried. */
import { formatListen, parseAddress } from '../bus/address.js'
import type { ResolvedVirtualServer } from '../config/resolved.js'
import { translatesPorts } from '../protocol.js'
import { type EncodedEndpoint, encodeEndpoint } from './signature.js'
import type { VirtualServerState, VirtualServerStatus } from './status.js'
import { reportTraffic, TrafficTotals } from './traffic.js'

export function listenOf({ protocol, listen }: ResolvedVirtualServer): string {
  return formatListen(protocol, listen)
}

export class VirtualServer {
  readonly addressBytes: Uint8Array
  readonly encoded: EncodedEndpoint
  readonly listen: string
  readonly traffic = new TrafficTotals()
  connections = 0
  totalConnections = 0
  /** Only `up` takes new flows. */
  state: VirtualServerState = 'up'

  /** @param settings replaced as a whole when the configuration changes */
  constructor(
    readonly id: number,
    public settings: ResolvedVirtualServer,
  ) {
    this.addressBytes = parseAddress(settings.listen.address) as Uint8Array
    this.encoded = encodeEndpoint(settings.listen)
    this.listen = listenOf(settings)
  }

  /** Its clients address what its settings do not tell. */
  get isWildcard(): boolean {
    return this.settings.wildcardAddress || this.settings.wildcardPort
  }

  get name(): string {
    return this.settings.name
  }

  /** Its idle time-out in the unit of the bus; 0 for that of the class. */
  get idleSeconds(): number {
    return Math.ceil(this.settings.idleTimeoutMs / 1000)
  }

  /** The engine answers a SYN for it, before anybody is asked. */
  get acceptsAlone(): boolean {
    const { terminates, inspect, protocol } = this.settings
    return terminates || (inspect !== undefined && protocol === 'tcp')
  }

  /** Clients are offered no more than its nodes have shown that they can honour. */
  get learnsOffers(): boolean {
    return this.acceptsAlone && !this.settings.terminates
  }

  /** It has as many flows as it may (LB-20). */
  get isFull(): boolean {
    return this.connections >= this.settings.connectionLimit
  }

  /** A session was given to it. */
  opened(): void {
    this.connections++
    this.totalConnections++
  }
  /** A connection of it that ended here is over; these are its bytes. */
  closed(bytesIn: number, bytesOut: number): void {
    this.connections--
    this.traffic.bytesIn += bytesIn
    this.traffic.bytesOut += bytesOut
  }
  /** That session never came to be. */
  withdrawn(): void {
    this.connections--
    this.totalConnections--
  }

  /** Whether a node's L4 port takes the place of what its clients address.
   *  @param protocol number of it */
  translatesPort(protocol: number): boolean {
    return this.settings.translatePort && translatesPorts(protocol)
  }

  report(): VirtualServerStatus {
    const { decide, terminates } = this.settings
    return {
      name: this.name,
      listen: this.listen,
      state: this.state,
      pool: typeof decide === 'string' ? decide : null,
      terminates,
      connections: this.connections,
      totalConnections: this.totalConnections,
      ...reportTraffic(this.traffic),
    }
  }
}
