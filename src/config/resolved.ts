/** A configuration that was checked: everything parsed, defaults in place, names known to exist. */
import type { BalancerFactory } from '../balance/balancer.js'
import type { Prefix } from '../bus/address.js'
import type { Endpoint, Family } from '../endpoint.js'
import type { PassiveSettings } from '../health/refusals.js'
import type { CheckSettings } from '../health/settings.js'
import type { Policy, Rejection, Verdict } from '../policy/decision.js'
import type { ListenProtocol } from '../protocol.js'
import type { AnyServiceFunction } from '../socket/service.js'
import type { limitBounds, timeoutBounds } from './defaults.js'

export interface ResolvedPort {
  readonly name: string
  readonly kind: 'tap' | 'packet' | 'xdp' | 'memory'
  readonly device: string
  readonly addresses: readonly Prefix[]
  readonly hostAddresses: readonly Prefix[]
  readonly netns: string
  readonly mac: string
  readonly mtu: number
  /** From the outermost. */
  readonly vlans: readonly number[]
  readonly internal: boolean
  readonly offloads: boolean
  readonly capture: string
}

export interface ResolvedRoute {
  readonly to: Prefix
  readonly via: string
}

export interface ResolvedNode {
  readonly endpoint: Endpoint
  readonly weight: number
  /** Infinity where there is none. */
  readonly connectionLimit: number
  /** Where its packets go instead of by the routes. */
  readonly nextHop?: string | undefined
}

export interface ResolvedPool {
  readonly name: string
  readonly nodes: readonly ResolvedNode[]
  readonly balance: BalancerFactory
  /** The algorithm in words, for status: 'round-robin', 'hash source', 'function'. */
  readonly balanceName: string
  /** The pool that takes its flows while none of its nodes does. */
  readonly fallback: string | undefined
  readonly slowStartMs: number
  readonly onDown: 'keep' | 'reset'
  readonly check: CheckSettings | undefined
  readonly passive: PassiveSettings | undefined
}

/** The addresses that flows leave from, and the first and last of the L4 ports there. */
export interface ResolvedSources {
  readonly addresses: readonly string[]
  readonly first: number
  readonly last: number
}

export interface ResolvedVirtualServer {
  readonly name: string
  readonly protocol: ListenProtocol
  /** Port 0 where the protocol has none, or any will do. */
  readonly listen: Endpoint
  /** A pool's name, or a policy; undefined where a service has its connections. */
  readonly decide: string | Policy | undefined
  readonly service: AnyServiceFunction | undefined
  /** Its connections end at the engine. */
  readonly terminates: boolean
  /** The server of a connection that a service opens is to see the client, where nobody says otherwise. */
  readonly preserveClient: boolean
  /** Sockets of it stay writable when their peer ends. */
  readonly allowHalfOpen: boolean
  /** 2MSL of its connections. */
  readonly timeWaitMs: number
  readonly policyTimeoutMs: number
  readonly fallback: Verdict
  /** 0: that of the protocol. */
  readonly idleTimeoutMs: number
  readonly midSession: 'reset' | 'drop' | 'route'
  /** Infinity where there is none. */
  readonly connectionLimit: number
  readonly maintenance: boolean
  /** What a client meets where its flow cannot be served. */
  readonly refuse: Rejection
  readonly onRemove: 'drain' | 'reset'
  readonly arp: boolean
  readonly translateAddress: boolean
  readonly translatePort: boolean
  /** Its flows leave from no other port than the client's. */
  readonly preservePort: boolean
  /** Undefined where servers see the client's endpoint. */
  readonly snat: ResolvedSources | undefined
  /** Any address of the family of `listen` that is nobody's, whose address is zero then (VS-13). */
  readonly wildcardAddress: boolean
  /** Any port that no other virtual server has, that of `listen` being 0 then (VS-14); so is one of
   *  every protocol. */
  readonly wildcardPort: boolean
  /** Its flows are asked for with what their client sends first (CS-11, VS-05). */
  readonly inspect: ResolvedInspect | undefined
}

export interface ResolvedInspect {
  readonly kind: 'http' | 'cookie' | 'tls' | 'raw'
  /** Of the cookie; empty where it is none. */
  readonly name: string
  readonly maxBytes: number
  readonly timeoutMs: number
  readonly connectTimeoutMs: number
  /** What cannot be read is decided without it, or its client reset. */
  readonly unread: 'reset' | 'decide'
}

/** The administration over the network, by mutual TLS. */
export interface ResolvedAdmin {
  /** Addresses of the host's kernel. */
  readonly listen: readonly Endpoint[]
  /** Paths of files in PEM. */
  readonly key: string
  readonly cert: string
  readonly ca: string
  /** Whether it takes orders, and shows packets. */
  readonly write: boolean
}

/** Marks what resolveConfig made, so that it is taken as it is the next time. */
export const resolved: unique symbol = Symbol('sluice.resolved')

export interface ResolvedConfig {
  readonly [resolved]: true
  readonly ports: readonly ResolvedPort[]
  readonly routes: readonly ResolvedRoute[]
  readonly pools: readonly ResolvedPool[]
  readonly virtualServers: readonly ResolvedVirtualServer[]
  readonly forward: boolean | 'bridge'
  readonly synCookies: 'auto' | 'always' | 'never'
  /** Where flows leave from that begin behind an internal port, by family; none: they keep theirs. */
  readonly snat: Readonly<Partial<Record<Family, ResolvedSources>>>
  readonly admin: ResolvedAdmin | undefined
  readonly workers: number
  /** As many as workers, or none. */
  readonly cpus: readonly number[]
  readonly limits: Readonly<Record<keyof typeof limitBounds, number>>
  readonly timeouts: Readonly<Record<keyof typeof timeoutBounds, number>>
}
