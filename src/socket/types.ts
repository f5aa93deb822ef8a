/** What users say to sockets, and what sockets tell: the shapes of docs/sockets.md. */
import type { Duplex } from 'node:stream'
import type { Endpoint } from '../endpoint.js'
import type { DatagramSocket } from './datagram-socket.js'
import type { Socket } from './socket.js'

/** Who a client is: the endpoint that it connects from, and the socket that it is connected to. */
export interface ClientIdentity extends Endpoint {
  readonly socketId: number
}

export interface FlowKey {
  readonly protocol: 'tcp'
  readonly src: Endpoint
  readonly dst: Endpoint
}

/** What finds a pair of UDP. */
export type DatagramQuery = { readonly protocol: 'udp' } & (
  | Exclude<FlowQuery, FlowKey>
  | Pick<FlowKey, 'src' | 'dst'>
)

/** What a pair is found by: either of its sockets, its own number, or endpoints of either side. */
export type FlowQuery =
  | { readonly socketId: number }
  | { readonly pairId: number }
  | { readonly client: Endpoint; readonly vip?: Endpoint }
  | FlowKey

/** `inbound` is the client's side, `outbound` that of the server. */
export type Side = 'inbound' | 'outbound'

/** From the client to the server, back, or both. */
export type Direction = 'c2s' | 's2c' | 'both'

/** What a direction's bytes pass through. */
export interface PairTransforms {
  /** From the client to the server. */
  readonly c2s?: Duplex
  /** From the server to the client. */
  readonly s2c?: Duplex
}

/** What follows when a peer of a pair ends: the other side ends, too, or is held. */
export type PeerClose = 'close' | 'hold'

export type SideCloseReason = 'end' | 'reset' | 'timeout'

/**
 * - `proxied`: a service has the bytes, or lets them pass.
 * - `draining`: what it was handed is on its way to the other side.
 * - `relay`: the bytes move in the engine.
 * - `splice`: the engine translates the packets; of UDP.
 * - `reproxying`: what the engine moved is counted; the service goes on behind it.
 * - `closed`: there is no pair any more.
 */
export type PairMode = 'proxied' | 'draining' | 'relay' | 'splice' | 'reproxying' | 'closed'

export type SocketUse = 'free' | 'paired' | 'parked' | 'closed'

/** Positions in the bytes of each direction, since it was established. */
export interface Boundary {
  readonly c2s: bigint
  readonly s2c: bigint
}

/** Why a pair is not spliced. */
export const spliceBlocks = [
  'none',
  'options',
  'window',
  'inflight',
  'buffered',
  'fragmenting',
  'closing',
  'apart',
  'stays',
] as const
export type SpliceBlock = Exclude<(typeof spliceBlocks)[number], 'none' | 'stays'>

export interface Abortable {
  /** Ends the call, which then rejects with its reason. */
  readonly signal?: AbortSignal
}

export interface ListenOptions extends Abortable {
  readonly protocol?: 'tcp'
  /** '*' is every IPv4 address that is nobody's else, '::' every such IPv6 address. */
  readonly address: string
  /** '*' is every port that no other virtual server of the address has. */
  readonly port: number | '*'
  /** Whether a socket stays writable when its peer ends; default false. */
  readonly allowHalfOpen?: boolean
  /** Sockets that it has at most; default as many as come. */
  readonly connectionLimit?: number
  /** Connections that wait for the iterator to take them; more are reset. Default 511. */
  readonly backlog?: number
}

/** Takes flows of UDP. `backlog`: those that wait for the iterator; more are closed. */
export interface DatagramListenOptions extends Omit<ListenOptions, 'protocol' | 'allowHalfOpen'> {
  readonly protocol: 'udp'
}

export interface ConnectOptions extends Abortable {
  readonly protocol?: 'tcp'
  readonly address: string
  readonly port: number
  /** The client's socket that it belongs to: makes the pair (SOCK-04). */
  readonly associateWith?: Socket | ClientIdentity
  /** Whether the server sees the client's address and port; default true with `associateWith`. */
  readonly preserveClient?: boolean | { readonly address?: boolean; readonly port?: boolean }
  /**
   * Whether it is opened as the client opened the socket that it belongs to: with no option that the client did not
   * offer, with its window scale and no larger MSS, and, where the server sees the client's address and port, the first
   * time from the client's initial sequence number (HS-21, TCPX-04, TCPX-14). So the client's segments could be sent on
   * almost as they are. Default true with `associateWith`; not where another worker has that socket.
   */
  readonly mirrorOptions?: boolean
  /**
   * Takes a connection from `stack.parking`, where there is one to that server which it would see the same client on,
   * and opens one where there is none. Default false.
   */
  readonly reuseParked?: boolean | ReusePolicy
  /** An address of the engine to connect from; default that of the way there. */
  readonly localAddress?: string
  /** Default one that is free, at random (RFC 6056). */
  readonly localPort?: number
  /** Milliseconds; default 30 000. */
  readonly timeout?: number
  /** Whether it stays writable when its peer ends; default false. One of a pair always does. */
  readonly allowHalfOpen?: boolean
}

/** Opens a flow of UDP. Nothing is sent for that, and nothing awaited. */
export interface DatagramConnectOptions
  extends Omit<
    ConnectOptions,
    'protocol' | 'associateWith' | 'allowHalfOpen' | 'timeout' | 'mirrorOptions' | 'reuseParked'
  > {
  readonly protocol: 'udp'
  readonly associateWith?: DatagramSocket | ClientIdentity
}

export interface AssociateOptions extends Abortable {
  /** The server has to see the client's address and port; default false: what it sees, it sees. */
  readonly preserveClient?: boolean
  /** What follows when a peer of the pair ends, while it is processed or unproxied. Default 'close'. */
  readonly onPeerClose?: PeerClose
  /** Takes sockets with bytes that nobody has read, or that are not written yet; default false. */
  readonly adoptBuffered?: boolean
}

export interface ParkOptions extends Abortable {
  /** Which of a server's connections it is, where they are not all alike; default ''. */
  readonly key?: string
  /** Milliseconds until it is closed; default 60 000. */
  readonly ttl?: number
  /** Users that it has in all, the first one included; default as many as come. */
  readonly maxUses?: number
  /** Whether the server is probed while it is parked; default false. */
  readonly keepAlive?: boolean
}

/** Which parked connection will do. */
export interface ReusePolicy {
  /** As it was parked with; default ''. */
  readonly key?: string
  /** Whether it may be one on which the server sees another client; default false. */
  readonly allowOtherClient?: boolean
}

export interface ParkedMatch extends ReusePolicy {
  /** The server's. */
  readonly address: string
  readonly port: number
  /** Whom the server is to see; default the engine. The port is that of whoever came first. */
  readonly client?: Pick<Endpoint, 'address'>
}

/** A connection that is parked. */
export interface ParkedHandle {
  /** As the socket's was, and will be. */
  readonly id: number
  readonly key: string
  readonly server: Endpoint
  /** Milliseconds since 1970. */
  readonly expiresAt: number
  /** Closes it. */
  cancel(): void
}

export interface ParkedInfo extends ParkedHandle {
  /** Whom the server sees. */
  readonly identity: ClientIdentity
  /** Users that it has had. */
  readonly uses: number
  readonly idleMs: number
}

/**
 * Why a parked connection is closed: its time is over, the lot is full, it has had all its users, it was drained or
 * cancelled, bytes or an end came from its server, it broke, or the stack is closed.
 */
export type EvictReason =
  | 'ttl'
  | 'full'
  | 'uses'
  | 'drained'
  | 'cancelled'
  | 'data'
  | 'end'
  | 'reset'
  | 'stopped'

export interface UnproxyOptions extends Abortable {
  /**
   * How far down the bytes move. 'relay': the engine runs both connections. 'splice': the hosts at the ends run one, whose
   * headers are shifted; the call resolves when they do, or never will (requirements 3.3). Default 'auto': it resolves with a
   * relay, which becomes a splice as soon as it can, unless it is for less than a million bytes.
   */
  readonly depth?: 'relay' | 'splice' | 'auto'
  /** Milliseconds that 'splice' waits at most, and resolves with a relay that goes on; default no limit. */
  readonly spliceTimeout?: number
  /** What becomes of bytes that the service has: they go first, or the call fails. Default 'flush'. */
  readonly drain?: 'flush' | 'reject'
  /** With 'hold' the end of a side ends this, too: the pair is proxied, and the other side as it was.
   *  Default that of the pair. */
  readonly onPeerClose?: PeerClose
}

export interface UnproxyUntilOptions extends UnproxyOptions {
  /** Of payload, one at least. What the service has not read is the first of it. */
  readonly bytes: number | bigint
  /** Which are counted; of both the sum. Default 'both'. */
  readonly direction?: Direction
  /**
   * What becomes of the direction that is not counted: unproxied, too, or the service goes on reading it and writing to
   * its source's other side. With 'proxied' the pair stays so, the end of a side goes no further, `onPeerClose`, `depth`
   * and `drain` mean nothing, and both directions may be counted at the same time, each by a call of its own.
   * Default 'unproxied'.
   */
  readonly other?: 'unproxied' | 'proxied'
}

export interface UnproxyResult {
  readonly mode: 'relay' | 'splice'
  /** From here on the service saw nothing. */
  readonly boundary: Boundary
  /** Why it is a relay where 'splice' was asked for. */
  readonly reasonNotSpliced?: SpliceBlock
}

export interface DatagramUnproxyResult {
  readonly mode: 'splice'
  /** From here on the service saw nothing. */
  readonly boundary: Boundary
}

export interface DisassociateOptions extends Abortable {
  /** What is closed then; default nothing. */
  readonly close?: false | 'both' | Side
}

export interface CloseSideOptions extends Abortable {
  /** Default 'fin'. */
  readonly how?: 'fin' | 'rst'
  /** Whether what was written goes first; default true. A RST does not wait for it. */
  readonly flush?: boolean
  /** Whether the pair ends, and the other socket is free; default true. */
  readonly keepOther?: boolean
}

export interface RedirectOptions extends Abortable {
  /**
   * From where on the other connection has the bytes: at once; behind what the service was handed, through its
   * transforms; or behind those positions, each direction by itself, of a pair without process(). Default 'now'.
   */
  readonly at?: 'now' | 'drained' | Boundary
}

export interface GetOptions extends Abortable {
  /** Whether a service has the bytes again when it resolves; default true. */
  readonly proxy?: boolean
  /** Whether it throws `ERR_SLUICE_NO_SUCH_FLOW` instead of answering null; default false. */
  readonly required?: boolean
}

export interface CloseOptions extends Abortable {
  /** How long sockets may go on; default 0: they are reset at once. */
  readonly graceMs?: number
}

/** A connection as its TCP has it now. Sizes in bytes. */
export interface TcpInfo {
  readonly state: TcpStateName
  readonly mss: number
  readonly mtu: number
  readonly srttUs: number
  readonly rttvarUs: number
  readonly rtoMs: number
  readonly cwnd: number
  readonly ssthresh: number
  readonly flight: number
  readonly sndWnd: number
  readonly rcvWnd: number
  readonly sndBuf: { readonly used: number; readonly size: number }
  readonly rcvBuf: { readonly used: number; readonly size: number }
  readonly options: {
    readonly sack: boolean
    readonly timestamps: boolean
    readonly wscale: readonly [local: number, remote: number] | null
    readonly ecn: boolean
  }
  /** Milliseconds since 1970. */
  readonly openedAt: number
  /** Milliseconds since 1970. */
  readonly lastActiveAt: number
}

/** RFC 9293 3.3.2, by the numbers of the engine (native/tcp). */
export const tcpStateNames = [
  'closed',
  'syn-sent',
  'syn-received',
  'established',
  'fin-wait-1',
  'fin-wait-2',
  'close-wait',
  'closing',
  'last-ack',
  'time-wait',
] as const
export type TcpStateName = (typeof tcpStateNames)[number]

export interface PairInfo {
  readonly id: number
  readonly protocol: 'tcp' | 'udp'
  readonly mode: PairMode
  readonly identity: ClientIdentity
  readonly server: Endpoint
  /** Name of the virtual server with the service; undefined for one of `listen()`. */
  readonly service: string | undefined
  /** All that passed. */
  readonly bytes: Boundary
  /** Milliseconds since 1970. */
  readonly openedAt: number
}

export interface PairStats {
  /** All that passed. */
  readonly bytes: Boundary
  /** Of these, what JavaScript was handed. */
  readonly jsBytes: Boundary
  /** Changes of the mode. */
  readonly transitions: number
  /** Bytes that are in JavaScript now: read and not written. */
  readonly heldByApp: number
}

export interface DatagramPairStats extends PairStats {
  /** Of those that a splice passes on now, none is counted yet. */
  readonly datagrams: Boundary
}

export interface StackStats {
  /** Those that are parked are among them. */
  readonly sockets: number
  readonly parked: number
  readonly pairs: Readonly<Record<PairMode, number>>
  /** Connections that are over and remembered in TIME-WAIT. */
  readonly timeWait: number
  /** Bytes in JavaScript: received and not read, or written and not taken by the engine. */
  readonly bytesHeld: number
}
