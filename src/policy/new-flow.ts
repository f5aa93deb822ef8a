/** What a policy and a balance algorithm see of a new flow, and of the farm as it is now. */
import type { Endpoint } from '../endpoint.js'
import type { Protocol } from '../protocol.js'
import type { HttpRequest } from './http-request.js'
import type { TlsClientHello } from './tls-client-hello.js'

/** A server behind the engine, with what the control segment knows about it now. */
export interface NodeFigures {
  /** 'address:port', or the address alone where it has no port. */
  readonly name: string
  readonly address: string
  /** 0: that which the client addressed. */
  readonly port: number
  /** Its place in the pool's list. */
  readonly index: number
  /** Flows that it has now, those of which the handshake is under way included. */
  readonly connections: number
  /** Flows that it was ever given. */
  readonly totalConnections: number
  /** Bytes from clients to it, as of the last statistics. */
  readonly bytesIn: number
  /** Bytes from it to clients, as of the last statistics. */
  readonly bytesOut: number
  /** Bytes of late, both directions: those that the statistics told, halved every ten seconds. */
  readonly recentBytes: number
  /** When its latest flow was opened, milliseconds since 1970; 0 before the first. */
  readonly lastOpenedAt: number
  /** When one of its flows had traffic last, milliseconds since 1970, as of the last statistics. */
  readonly lastActiveAt: number
  /** Smoothed response time to its checks in milliseconds; undefined while none has passed. */
  readonly responseMs: number | undefined
  /** Its share of the flows beside that of others; less than configured while it starts slowly. */
  readonly weight: number
  readonly configuredWeight: number
  readonly state: NodeState
  /** It takes new flows: it is up and below its connection limit. */
  readonly available: boolean
}

/**
 * - `up`: it takes new flows.
 * - `down`: its checks fail, or it has refused flows; live ones go on as well as they can.
 * - `draining`: an operator lets its live flows come to their end; it is still checked.
 * - `maintenance`: the same, and it is not checked.
 */
export type NodeState = 'up' | 'down' | 'draining' | 'maintenance'

export interface PoolFigures {
  readonly name: string
  readonly connections: number
  readonly totalConnections: number
  readonly nodes: readonly NodeFigures[]
}

/** A live flow, with its times: the basis of decisions that depend on activity (LB-13). */
export interface FlowActivity {
  readonly client: Endpoint
  /** Name of the virtual server; null for a flow that is only routed. */
  readonly virtualServer: string | null
  /** 'address:port' of its node; null for a flow that is only routed. */
  readonly node: string | null
  /** Milliseconds since 1970. */
  readonly openedAt: number
  /** Milliseconds since 1970, as of the last statistics. */
  readonly lastActiveAt: number
  /** Both directions together, over the last statistics interval. */
  readonly bytesPerSecond: number
}

/**
 * Live flows by activity, of all nodes or of one. Each call walks all flows: for policies that need
 * it, not for each flow.
 */
export interface ActivityRanking {
  busiest(count: number, of?: NodeFigures): FlowActivity[]
  quietest(count: number, of?: NodeFigures): FlowActivity[]
}

/**
 * A new flow that waits for its decision. It is valid until it has one: while the policy or balance
 * function runs, and where a policy returns a promise for good. After any other answer the same
 * object shows the next flow; `copy()` gives one to keep. `pools` and `activity` stay live.
 */
export interface NewFlow<Pool extends string = string> {
  /** Its port is 0 where the protocol has none, and of ICMP the identifier. */
  readonly client: Endpoint
  /** What the client addressed: the virtual server. */
  readonly destination: Endpoint
  readonly protocol: Protocol
  /** Differentiated services code point, 0 to 63. */
  readonly dscp: number
  readonly virtualServer: string
  /** When its first packet came, in milliseconds since 1970. */
  readonly openedAt: number
  /** What was read of it, at most 1348 bytes, where the virtual server has `inspect`; else empty: of UDP
   *  what the first datagram carries, of TCP the head of the HTTP request, the value of the cookie,
   *  what `tls` is made of, or what came first of an unknown protocol. Yours to keep. */
  readonly data: Uint8Array
  /** There is more than `data`; of a datagram also where the rest of it comes in further fragments. */
  readonly dataTruncated: boolean
  /** The client's first request, with `inspect: 'http'`; else, and where none could be read, its fields
   *  are empty. */
  readonly http: HttpRequest
  /** The value of the cookie that `inspect` names; undefined where the request has none. */
  readonly cookie: string | undefined
  /** With `inspect: 'tls'`; else, and where none could be read, its fields are empty. */
  readonly tls: TlsClientHello
  readonly pools: Readonly<Record<Pool, PoolFigures>>
  readonly activity: ActivityRanking
  /** The same flow in an object of its own, which stays valid. */
  copy(): NewFlow<Pool>
}
