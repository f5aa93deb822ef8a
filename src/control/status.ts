/** What an engine tells about itself: the shapes of status() and flows(). */
import type { CapabilityName } from '../capabilities.js'
import type { counterNames, gaugeNames, portCounterNames } from '../generated/counters.js'
import type { DropReason } from '../generated/drop-reasons.js'
import type { NodeState } from '../policy/new-flow.js'
import type { Protocol } from '../protocol.js'
import type { PairMode } from '../socket/types.js'
import type { FlowEvent, FlowEventCounters } from './flow-events.js'
import type { TimeWaitReport } from './time-wait.js'

/** Packets and bytes; `in` is client to server. Bytes are IP bytes as on the wire (STAT-07). */
export interface Traffic {
  readonly packets: { readonly in: number; readonly out: number }
  readonly bytes: { readonly in: number; readonly out: number }
}

/** Traffic here is as of the last statistics interval of each flow; that of flows() is fresh. */
export interface NodeStatus extends Traffic {
  /** 'address:port'. */
  readonly address: string
  readonly state: NodeState
  /** When it came to that state, ISO 8601. */
  readonly since: string
  /** Why, in words. */
  readonly reason: string
  /** What it has of its weight now. */
  readonly weight: number
  /** Null where it has none. */
  readonly connectionLimit: number | null
  /** Smoothed response time to its checks; null while none has passed. */
  readonly responseMs: number | null
  readonly connections: number
  readonly totalConnections: number
}

export interface PoolStatus extends Traffic {
  readonly name: string
  readonly balance: string
  /** Nodes that take new flows. */
  readonly available: number
  /** Flows that came while neither it nor its fallback had a node for them. */
  readonly refused: number
  readonly connections: number
  readonly totalConnections: number
  readonly nodes: readonly NodeStatus[]
}

/** `draining` by an operator's word, `removed` from the configuration: live flows go on, and new ones
 *  are refused. */
export type VirtualServerState = 'up' | 'draining' | 'removed'

export interface VirtualServerStatus extends Traffic {
  readonly name: string
  /** 'tcp://address:port'. */
  readonly listen: string
  readonly state: VirtualServerState
  /** The pool that serves it, or null where a policy decides, or a service has its connections. */
  readonly pool: string | null
  /** Its connections end at the engine. Bytes are then those of the streams, of connections that are
   *  over. */
  readonly terminates: boolean
  readonly connections: number
  readonly totalConnections: number
}

export interface PortStatus {
  readonly name: string
  readonly kind: string
  readonly device: string
  /** How the port works on this machine: 'AF_XDP, driver mode, copy'. */
  readonly mode: string
  readonly role: 'external' | 'internal'
  readonly addresses: readonly string[]
  readonly counters: Readonly<Record<(typeof portCounterNames)[number], number>>
}

/** How new flows were decided, since the start. */
export interface DecisionCounters {
  /** Flows given to a node. */
  readonly assigned: number
  /** Flows of a session that was known, given the node that it has. */
  readonly resumed: number
  /** Flows that no virtual server takes, routed or bridged. */
  readonly routed: number
  /** Flows refused by a policy. */
  readonly rejected: number
  /** Flows refused because no node of their pool takes any. */
  readonly unavailable: number
  /** Flows refused because their virtual server has as many as it may. */
  readonly limited: number
  /** Flows refused because every port of the addresses in `snat` is in use towards their node. */
  readonly exhausted: number
  /** Flows refused because their node could not tell them from another flow of their client. */
  readonly collided: number
  /** Flows that leave from another port of their client's address, for the same reason. */
  readonly moved: number
  /** Flows that nothing here handles: no virtual server, or an unknown session in its middle. */
  readonly unknown: number
  /** Flows not decided because they had waited too long already, and others waited behind them. */
  readonly late: number
  /** Policies that threw. */
  readonly policyErrors: number
  /** Policies that took too long. */
  readonly policyTimeouts: number
  /** Policies and balance functions that answered with no decision, with names that do not exist, or
   *  that they want more where there is none. */
  readonly policyNonsense: number
  /** Flows that took the fallback because too many policies were at work. */
  readonly policyOverload: number
  /** Decisions that wait for an asynchronous policy now. */
  readonly pending: number
}

/** Messages between the segments that the control segment could not use. */
export interface BusCounters {
  /** Of unknown type, wrong size or wrong sender (CS-14). */
  readonly invalid: number
  /** With a serial that no live flow has (SSMB-13). */
  readonly stale: number
}

/** Flows of which nothing was heard for `timeouts.reapMs`. */
export interface ReaperCounters {
  /** The data flow segment was asked whether it has them still. */
  readonly asked: number
  /** It has, and they are in use. */
  readonly alive: number
  /** It ended them, or had them no more. */
  readonly gone: number
  /** It did not answer, and they were given up. */
  readonly unanswered: number
  /** Those that wait for the answer now. */
  readonly waiting: number
}

/** Connections that end at the engine, and what is left of them. */
export interface SocketStatus {
  /** Now; both sides of a pair count. */
  readonly open: number
  /** Ever opened by clients. */
  readonly accepted: number
  /** Ever opened from here. */
  readonly connected: number
  /** Tried from here in vain. */
  readonly failed: number
  /** Reset at once: their virtual server had as many as it may, or takes none. */
  readonly refused: { readonly limited: number; readonly unavailable: number }
  readonly pairs: Readonly<Record<Exclude<PairMode, 'closed'>, number>>
  /** In JavaScript: received and not read, or written and not taken by the engine. */
  readonly bytesHeld: number
  /** Connections that were reset since their service threw. */
  readonly serviceFailures: number
  /** Stream messages that could not be used: malformed, or about sockets that there are not. */
  readonly unusable: { readonly invalid: number; readonly stale: number }
  readonly timeWait: TimeWaitReport
}

export interface EngineStatus {
  /** Packets flow and every virtual server is in force. */
  readonly ready: boolean
  readonly state: 'starting' | 'ready' | 'draining' | 'stopped'
  readonly uptimeMs: number
  /** Flows in the table of the data flow segment. */
  readonly flows: number
  /** Closed flows that linger. */
  readonly lingering: number
  readonly virtualServers: readonly VirtualServerStatus[]
  readonly pools: readonly PoolStatus[]
  readonly ports: readonly PortStatus[]
  /** Dropped packets by reason; reasons without any are left out. */
  readonly drops: Readonly<Partial<Record<DropReason, number>>>
  /** received = forwarded + delivered + dropped + waiting, at any quiet moment. */
  readonly packets: {
    readonly received: number
    readonly forwarded: number
    readonly delivered: number
    readonly dropped: number
    readonly waiting: number
  }
  readonly decisions: DecisionCounters
  readonly bus: BusCounters
  readonly reaper: ReaperCounters
  readonly sockets: SocketStatus
  /** What the control segment has seen of flows, by category (docs/operation.md). */
  readonly events: FlowEventCounters
  /** Every counter and gauge of the data flow segment, by the names of native/segment/counters.def. */
  readonly counters: Readonly<
    Record<(typeof counterNames)[number] | (typeof gaugeNames)[number], number>
  >
  /** Capabilities of the process (capabilities(7)): `sluice run` gives up what it no longer needs. */
  readonly capabilities: readonly CapabilityName[]
  /** The revision of the configuration that decides, null where it has none. */
  readonly policyRevision: string | null
}

/** One live flow. */
export interface FlowRecord extends Traffic {
  /** 'address:port' or '[address]:port'; of ICMP the identifier is the port, and what has none is the
   *  address alone. */
  readonly client: string
  /** Name of the virtual server; null for a flow that is only routed or bridged. */
  readonly virtualServer: string | null
  /** The endpoint that the client addressed. */
  readonly listen: string
  /** The endpoint that answers. */
  readonly server: string
  readonly protocol: Protocol
  /** `socket`, `proxied`, `relay` and `splice` end at the engine: bytes are those of the stream, or of
   *  datagrams, and packets 0. */
  readonly mode: 'translate' | 'bridge' | 'socket' | 'proxied' | 'relay' | 'splice'
  /** What the control segment has seen of it, by category (docs/operation.md). */
  readonly seen: readonly FlowEvent[]
  /** ISO 8601. */
  readonly openedAt: string
  /** ISO 8601. */
  readonly lastActiveAt: string
}
