/** What a user writes. Everything optional has its default in defaults.ts. */
import type { BalanceChoice } from '../balance/algorithms.js'
import type { CheckFunction } from '../health/function-probe.js'
import type { Decision, Policy } from '../policy/decision.js'
import type { DatagramServiceFunction, ServiceFunction } from '../socket/service.js'

export interface PortConfig {
  /** `tap`: a device that the engine makes. `packet`: one that exists, through AF_PACKET. `xdp`: one
   *  that exists and is the engine's alone, through AF_XDP. `memory`: in this process, for tests. */
  readonly kind: 'tap' | 'packet' | 'xdp' | 'memory'
  /** Name of the network device; default the port's name. */
  readonly device?: string
  /** The engine's own addresses on the link, 'address/prefix'; may be left out where ports are
   *  bridged. */
  readonly address?: string | readonly string[]
  /** `tap` only: what the host's side of the device gets. */
  readonly hostAddress?: string | readonly string[]
  /** Name (or path) of the network namespace of the device; default the present one. */
  readonly netns?: string
  /** 'aa:bb:cc:dd:ee:ff'; default the device's own, or a random one. */
  readonly mac?: string
  /** Default 1500. */
  readonly mtu?: number
  /** The VLAN in which it is, 1 to 4094, or an outer and an inner one; default untagged. */
  readonly vlan?: number | readonly [outer: number, inner: number]
  /** Flows that start behind an internal port are outbound. Default: internal where nodes of pools
   *  are reached through it and there is another port. */
  readonly role?: 'external' | 'internal'
  /** Checksum and segmentation offloads; default true. */
  readonly offloads?: boolean
  /** Path of a pcapng file of everything that passes. */
  readonly capture?: string
}

export interface RouteConfig {
  /** 'network/prefix'. */
  readonly to: string
  /** The next hop, on the link of a port. */
  readonly via: string
}

export interface NodeConfig {
  /** 'address:port' or '[address]:port'; 'address' or '[address]' where packets keep their port. */
  readonly address: string
  /** Its share of the flows beside those of others; default 1. */
  readonly weight?: number
  /** Flows that it has at most; default as many as come. */
  readonly connectionLimit?: number
  /** A router on a link of the engine, to which its packets go; default by `routes`. */
  readonly nextHop?: string
}

interface CheckTimes {
  /** From one check of a node to the next, give or take a tenth; default 2000. */
  readonly intervalMs?: number
  /** A check that takes longer has failed; default 1000. */
  readonly timeoutMs?: number
  /** Checks in a row that have to pass until a node that is down is up; default 2. */
  readonly rise?: number
  /** Checks in a row that have to fail until a node that is up is down; default 3. */
  readonly fall?: number
}

/** `tcp`: the server accepts a connection. */
export interface TcpCheckConfig extends CheckTimes {
  readonly kind: 'tcp'
}

/** `http`: it answers GET as it should. */
export interface HttpCheckConfig extends CheckTimes {
  readonly kind: 'http'
  /** Default '/'. */
  readonly path?: string
  /** The host that is asked for; default the node's own address. */
  readonly host?: string
  /** The status that will do, or the first and the last; default [200, 399]. */
  readonly status?: number | readonly [number, number]
  /** What the body has to contain, or match, within its first 64 KiB. */
  readonly body?: string | RegExp
}

/** `function`: a function of yours says so. */
export interface FunctionCheckConfig extends CheckTimes {
  readonly kind: 'function'
  readonly run: CheckFunction
}

export type CheckConfig = TcpCheckConfig | HttpCheckConfig | FunctionCheckConfig | CheckFunction

export interface PassiveCheckConfig {
  /** Connections in a row that a node has refused until it is down; default 3. */
  readonly fall?: number
  /** How long it gets no new flows then; default 10 000. */
  readonly forMs?: number
}

export interface PoolConfig<Pool extends string = string> {
  /** All of one family; a text is a node's address. */
  readonly nodes: readonly (string | NodeConfig)[]
  /** Default 'round-robin'. */
  readonly balance?: BalanceChoice
  /** How its nodes are looked at; default not at all. A function is short for kind 'function'. */
  readonly check?: CheckConfig
  /** What their flows tell of nodes; default nothing. */
  readonly passive?: PassiveCheckConfig
  /** The pool that takes its flows while none of its nodes does. */
  readonly fallback?: Pool
  /** What becomes of the live flows of a node that goes down: they go on, for it may come back, or end.
   *  Default 'keep'. */
  readonly onDown?: 'keep' | 'reset'
  /** A node that comes back, or joins, has its full weight after so long, growing evenly; default 0. */
  readonly slowStartMs?: number
}

export interface SnatConfig {
  /** Addresses that only the engine has: its own, or others of the network towards the nodes. */
  readonly addresses: string | readonly string[]
  /** The first and the last L4 port; default [1024, 65535]. */
  readonly ports?: readonly [number, number]
}

export interface VirtualServerConfig<Pool extends string = string> {
  /** 'tcp://address:port', 'udp://...', 'sctp://...'; without a port 'icmp://address', 'gre://...',
   *  'esp://...', 'ah://...', 'ip-89://...' for a protocol by its number, 'ip://...' for all that no
   *  other virtual server of its address takes. */
  readonly listen: string
  /** Where its flows go: this, `policy` or `service`. */
  readonly pool?: Pool
  /** Decides each of its flows. */
  readonly policy?: Policy<Pool>
  /** Has its connections, which end at the engine. */
  readonly service?: ServiceFunction
  /** `timeouts.timeWaitMs` of its connections, with a `service`. */
  readonly timeWaitMs?: number
  /** How long `policy` may take; default 250. The segment holds a flow's packets for 350 ms. */
  readonly policyTimeoutMs?: number
  /** The decision where `policy` fails or is late; default `{ reject: 'reset' }`. */
  readonly fallback?: Decision<Pool>
  /** A flow without packets for so long ends; default that of its protocol in `timeouts`. */
  readonly idleTimeoutMs?: number
  /** Flows that it has at most; default as many as come. */
  readonly connectionLimit?: number
  /** Refuses new flows, a TCP client learns it at once; live ones go on. Default false. */
  readonly maintenance?: boolean
  /** What a client meets where its flow cannot be served: RST (ICMP for other protocols), ICMP port
   *  unreachable, or silence. Default 'reset'. */
  readonly refuse?: 'reset' | 'unreachable' | 'drop'
  /** What becomes of its live flows when a configuration no longer has it: they have
   *  `timeouts.drainMs`, or end at once. Default 'drain'. */
  readonly onRemove?: 'drain' | 'reset'
  /** Answers ARP and neighbour discovery for its address; default true. Without, others have to
   *  route the address to the engine. */
  readonly arp?: boolean
  /** Puts the node's address in the place of its own; default true. Without, packets reach the node
   *  with the virtual address, which it needs to have too, as on its loopback device. */
  readonly translateAddress?: boolean
  /** Puts the node's port in the place of its own; default true. */
  readonly translatePort?: boolean
  /** Whether servers see the client's address and port; default true. Else `snat`, with the engine's
   *  own address towards the nodes unless that says otherwise. */
  readonly preserveClient?: boolean
  /** Whether servers see the client's own port in any case. Default false: where a server could not tell
   *  a flow from another one of the same client's address and port, it leaves from another port. */
  readonly preservePort?: boolean
  /** Where its flows leave from, instead of from the client's endpoint: servers answer there, and need
   *  no route to the client. */
  readonly snat?: string | readonly string[] | SnatConfig
  /** Takes what comes from outside to any address that is neither the engine's nor that of another
   *  virtual server; of the address in `listen` only the family counts. Default false. */
  readonly wildcardAddress?: boolean
  /** Takes any port that no other virtual server of its address has, whatever port `listen` names.
   *  Default false. */
  readonly wildcardPort?: boolean
  /** What its policy sees of what a client sends first, by the kind alone or with its limits. Default:
   *  nothing. Of UDP it is the first datagram, `raw` (`flow.data`). Of TCP the engine accepts the
   *  connection, reads, and then opens the server's; there `raw` is what comes first. */
  readonly inspect?: 'http' | 'tls' | 'raw' | InspectConfig
  /** What becomes of a TCP segment without SYN that belongs to no known session: RST, silence, or the
   *  server that a new flow would get. Default 'reset'. */
  readonly midSession?: 'reset' | 'drop' | 'route'
}

interface InspectLimits {
  /** A client may send no more before it has a server, and a head may have no more; 1 KiB to 63 KiB.
   *  Default '32KiB'. */
  readonly maxBytes?: number | string
  /** What is to be read has to come within so long, and so has the decision; default 10 000. */
  readonly timeoutMs?: number
  /** A server that does not answer within so long has failed, and another is asked for; default 3000. */
  readonly connectTimeoutMs?: number
  /** What becomes of what cannot be read (malformed, another protocol, too large, too slow): its client
   *  is reset, or it is decided without. Default 'reset'. */
  readonly unread?: 'reset' | 'decide'
}

export type InspectConfig =
  | (InspectLimits & { readonly kind: 'http' | 'tls' | 'raw' })
  | (InspectLimits & {
      readonly kind: 'cookie'
      /** Of the cookie. */
      readonly name: string
    })

/** One of UDP whose flows a service has: each is a socket of its datagrams. */
export interface DatagramServerConfig<Pool extends string = string>
  extends Omit<VirtualServerConfig<Pool>, 'listen' | 'service'> {
  readonly listen: `udp://${string}`
  /** Has the flows, which end at the engine. */
  readonly service: DatagramServiceFunction
}

/** Administration over the network, by mutual TLS (TLS 1.2 or later), beside the Unix socket. */
export interface AdminConfig {
  /** Where to listen: 'address:port' of the host's kernel, not of the engine; one or a list. */
  readonly listen: string | readonly string[]
  /** Paths of files in PEM: the private key, its certificate with what leads to its authority, and the
   *  authorities of those who may ask. They are read again with every reload. */
  readonly key: string
  readonly cert: string
  readonly ca: string
  /** Takes orders, too (reload, drain), and shows packets. Default false: what can only be read. */
  readonly write?: boolean
}

/**
 * The bound of each table. The memory is reserved at start and taken from the machine as it is
 * first used: with the defaults about 240 MiB at most, and where connections end at the engine as much
 * again for them and their buffers.
 */
export interface LimitsConfig {
  /**
   * Flows in use at once, and a sixteenth more for those that open or are over; 128 bytes each and
   * their index. Default 1 000 000: 160 MiB.
   */
  readonly flows?: number
  /** Flows that wait for a decision. Default 16 384. */
  readonly waitingFlows?: number
  /** Packets that wait with one of them. Default 32. */
  readonly waitingPackets?: number
  /** Buffers of 2 KiB for packets that wait, and one of 64 KiB for each hundred. Default 16 384:
   *  42 MiB. */
  readonly packetBuffers?: number
  /** Datagrams of which some fragments have come and others have not. Default 4096: 3 MiB. */
  readonly fragmentedDatagrams?: number
  /** Fragments that wait for the first one of their datagram, of all datagrams. Default 1024. */
  readonly waitingFragments?: number
  /** Neighbours at once, on all links: next hops, nodes, clients. Default 4096. */
  readonly neighbors?: number
  /** Size of each of the two rings between a worker and TypeScript. Default 16 MiB. */
  readonly busBytes?: number
  /** Connections that end at the engine, both those of clients and those to servers. Default 100 000:
   *  32 MiB. */
  readonly connections?: number
  /** Their buffers: bytes, or a text such as '64MiB'. Default '256MiB', and as much again in
   *  JavaScript at most. */
  readonly bufferMemory?: number | string
  /** The window of a connection is 7/16 of `bufferMemory` divided by so many, whoever is active.
   *  Default 0: by those that are. */
  readonly windowsFor?: number
  /** Size of each of the two rings for the bytes of sockets. Default 4 MiB. */
  readonly streamBytes?: number
  /** Connections in TIME-WAIT; beyond that the oldest end early. Default 262 144. */
  readonly timeWaits?: number
}

export interface TimeoutsConfig {
  /** Default 2 h 4 min (RFC 5382 REQ-5). */
  readonly tcpEstablishedMs?: number
  /** Default 4 min, the least that RFC 5382 REQ-5 allows a translator on the Internet. */
  readonly tcpOpeningMs?: number
  /** Default 4 min (RFC 5382 REQ-5). */
  readonly tcpClosingMs?: number
  /** Default 5 min, as RFC 4787 REQ-5 recommends; it allows no less than 2 min. */
  readonly udpMs?: number
  /** Of ICMP echo. Default 1 min, the least that RFC 5508 REQ-2 allows. */
  readonly icmpMs?: number
  /** Of all other protocols. Default 10 min. */
  readonly otherMs?: number
  /** How long a closed flow still translates a repeated FIN or ACK. Default 5 s. */
  readonly lingerMs?: number
  /** How long a connection that the engine closed first is remembered (2MSL, RFC 9293 3.4.1): 1 s to
   *  4 min. Default 1 min. */
  readonly timeWaitMs?: number
  /** How long a refusal holds for the flow's further packets. Default 2 s. */
  readonly refusedMs?: number
  /** How long the flows of a virtual server that a new configuration no longer has may go on.
   *  Default 10 min; 0 ends them at once. */
  readonly drainMs?: number
  /** How often statistics of an active flow are told. Default 10 s. */
  readonly statsIntervalMs?: number
  /** A flow of which nothing was heard for so long is asked for, and ends if it was silent. Default 0:
   *  the longest of the time-outs of silent flows and two intervals of statistics, 2 h 4 min 20 s. */
  readonly reapMs?: number
}

export interface SluiceConfig<Pool extends string = string> {
  readonly ports: Readonly<Record<string, PortConfig>>
  readonly routes?: readonly RouteConfig[]
  readonly pools?: Readonly<Record<Pool, PoolConfig<NoInfer<Pool>>>>
  readonly virtualServers?: Readonly<
    Record<string, VirtualServerConfig<NoInfer<Pool>> | DatagramServerConfig<NoInfer<Pool>>>
  >
  /** What becomes of packets that no virtual server takes. `true`, the default: they are routed.
   *  `'bridge'`: all ports are one link, and their frames pass as a switch passes them. `false`: they
   *  are dropped. */
  readonly forward?: boolean | 'bridge'
  /** Which SYNs of clients the engine answers without keeping anything of them, for connections that end
   *  at it. `'auto'`, the default: those beyond many that are half-open. */
  readonly synCookies?: 'auto' | 'always' | 'never'
  /** Where flows leave from that begin behind an internal port, are routed, and leave by an external
   *  one; default from their own endpoint. */
  readonly snat?: string | readonly string[] | SnatConfig
  /** Administration over the network, which `sluice run` serves; default none. */
  readonly admin?: AdminConfig
  readonly limits?: LimitsConfig
  readonly timeouts?: TimeoutsConfig
  /** Threads that move packets, each with its share of the flows; default 1. */
  readonly workers?: number
  /** The CPU of each worker, by number; default none: the scheduler chooses, and moves them. */
  readonly cpus?: readonly number[]
}

/** Gives a configuration its type: pool names in policies and virtual servers are checked. */
export function defineConfig<const Pool extends string>(
  config: SluiceConfig<Pool>,
): SluiceConfig<Pool> {
  return config
}
