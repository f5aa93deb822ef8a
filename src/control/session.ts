/**
 * A session is one conversation of a client, with one decision. To the data flow segment it is one
 * flow, or several: a packet with another DSCP, or one that comes after an eviction, makes a flow
 * of its own and asks again (DFS-03, FLOWLIFE-16). The session lasts until its last flow ends.
 */
import { formatEndpoint } from '../bus/address.js'
import { QueryReason, type QueryView, SsmbFlags } from '../generated/messages.js'
import type { Node } from './pools.js'
import { protocolName } from './protocol.js'
import { destinationOf, protocolOf, type Signature, sourceOf } from './signature.js'
import type { FlowRecord } from './status.js'
import { reportTraffic, TrafficTotals } from './traffic.js'
import type { VirtualServer } from './virtual-servers.js'

/**
 * The serial of a flow as a signed number: on the bus it is unsigned with its top bit set, which V8
 * would keep as an object of its own, once for each flow.
 */
export type Serial = number

export function serialOf(message: { readonly serial: number }): Serial {
  return message.serial | 0
}

/** One flow of a session: what its QUERY said, and as totals what was told of it last. */
export class SessionFlow extends TrafficTotals {
  readonly serial: Serial
  readonly tos: number
  readonly vlanTci: number
  readonly outbound: boolean
  readonly midSession: boolean

  /** @param signature of the packet that asked: of the client, or of the server */
  constructor(
    readonly session: Session,
    readonly signature: Signature,
    query: QueryView,
  ) {
    super()
    this.serial = serialOf(query)
    this.tos = query.sig.tos
    this.vlanTci = query.sig.vlanTci
    this.outbound = (query.flags & SsmbFlags.outbound) !== 0
    this.midSession = query.reason === QueryReason.midSession
  }

  /** It began with a packet of the server: its `in` is the session's `out`. */
  get fromServer(): boolean {
    return this.signature !== this.session.signature
  }
}

/**
 * - `deciding`: no node yet; its flows wait.
 * - `open`: it has flows.
 * - `dormant`: its flows were evicted for lack of room, the conversation may go on.
 * - `ended`: it is in no table any more.
 */
export type SessionState = 'deciding' | 'open' | 'dormant' | 'ended'

const none: readonly SessionFlow[] = []

/** Its totals are those of all the flows that it had. Written by FlowLedger alone. */
export class Session extends TrafficTotals {
  state: SessionState = 'deciding'
  /** Where its packets go; null while deciding, and where they are only routed. */
  node: Node | null = null
  /** Replaced as a whole: nearly every session has one, and a list of one is small. */
  flows: readonly SessionFlow[] = none
  /** Another session has its signature now. */
  replaced = false
  /** Milliseconds since 1970, as told by the data flow segment. */
  lastActiveAt: number
  /** Bytes since the statistics before the last ones, which were then. */
  recentBytes = 0
  recentSince: number

  /**
   * @param signature of the client's packets
   * @param server null where no virtual server takes them
   * @param initialSequence of the SYN, signed: tells a repeated SYN from a new session
   * @param openedAt milliseconds since 1970
   */
  constructor(
    readonly signature: Signature,
    readonly server: VirtualServer | null,
    readonly initialSequence: number,
    readonly openedAt: number,
  ) {
    super()
    this.lastActiveAt = openedAt
    this.recentSince = openedAt
  }

  report(): FlowRecord {
    const listen = formatEndpoint(destinationOf(this.signature))
    return {
      client: formatEndpoint(sourceOf(this.signature)),
      virtualServer: this.server?.name ?? null,
      listen,
      server: this.node?.name ?? listen,
      protocol: protocolName(protocolOf(this.signature)),
      mode: 'translate',
      ...reportTraffic(this),
      openedAt: new Date(this.openedAt).toISOString(),
      lastActiveAt: new Date(this.lastActiveAt).toISOString(),
    }
  }
}
