/** What the administration interface asks of an engine and of who runs it; every `Engine` is one. */
import type { CaptureOptions } from '../capture.js'
import type { EngineStatus, FlowRecord } from '../control/status.js'
import type { EventSource } from '../event-log.js'

/** How a reload went that changed something, or found nothing to change. */
export interface ReloadResult {
  readonly changed: boolean
  readonly policyRevision: string | null
}

/** What an operator can make of a node. */
export type NodeOrder = 'active' | 'draining' | 'maintenance'
/** What an operator can make of a virtual server. */
export type VirtualServerOrder = 'active' | 'draining'

/** The administration on one address of the network. */
export interface ListenerStatus {
  /** 'address:port' */
  readonly address: string
  readonly listening: boolean
  /** Why not, or what went wrong last; it is tried again. */
  readonly problem: string | null
  /** Of peers with a certificate, now. */
  readonly connections: number
  readonly accepted: number
  /** Peers that showed no certificate, or one that is not believed. */
  readonly refused: number
  /** Peers that gave way to others before they had shown one. */
  readonly crowdedOut: number
}

/** The administration over the network. */
export interface NetworkStatus {
  /** When its certificate expires; ISO 8601. */
  readonly notAfter: string
  /** Whether it takes orders. */
  readonly write: boolean
  readonly listeners: readonly ListenerStatus[]
}

export interface AdminSource {
  status(): EngineStatus
  eachFlow(): Promise<Iterable<FlowRecord>>
  setNode(address: string, order: NodeOrder, pool?: string): void
  setVirtualServer(name: string, order: VirtualServerOrder): void
  /** Reads the configuration's file again; not there where the engine was not made of a file. */
  reloadFile?(): Promise<ReloadResult>
  /** Drains the engine and ends its process, after so long at the latest. */
  drainProcess?(timeoutMs: number): void
  /** What passes its ports, as a file; at the most one at a time. @throws {SluiceError} */
  capture?(options: CaptureOptions): Promise<ReadableStream<Uint8Array>>
  /** Ends the capture that is at work; false where there is none. */
  stopCapture?(): boolean
  /** Where it is asked over the network; null for nowhere. */
  network?(): NetworkStatus | null
  /** What happens to the engine. */
  readonly events?: EventSource
}
