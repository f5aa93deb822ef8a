/**
 * What the data flow segment tells of flows, without a question: their statistics and ends, what it
 * has lost, and what it still has.
 */
import type { ResolvedConfig } from '../config/resolved.js'
import {
  type AppLearnView,
  type DeleteView,
  EndReason,
  type ResetView,
  SsmbError,
  SsmbFlags,
  type StateView,
  type StatsView,
} from '../generated/messages.js'
import { isIcmp, isTcp, isUdp } from '../protocol.js'
import type { Adoption } from './adoption.js'
import type { FlowDump } from './flow-dump.js'
import { endOf, type FlowEvents } from './flow-events.js'
import type { FlowLedger } from './flow-ledger.js'
import { FlowFlags, type FlowId, type FlowView, noFlow } from './flow-table.js'
import { judgeNode } from './flow-verdict.js'
import type { Pools } from './pools.js'
import type { Reaper } from './reaper.js'
import { protocolOf } from './signature.js'
import { readOffsets } from './tcp-offsets.js'
import type { VirtualServers } from './virtual-servers.js'

export interface FlowNewsReaders {
  readonly ledger: FlowLedger
  readonly servers: VirtualServers
  readonly pools: Pools
  readonly dump: Pick<FlowDump, 'take'>
  readonly reaper: Pick<Reaper, 'counters'>
  readonly adoption: Adoption
  readonly events: FlowEvents
  readonly timeouts: ResolvedConfig['timeouts']
}

export class FlowNews {
  /** Messages about flows that nobody here knows (SSMB-13). */
  stale = 0
  readonly #view: FlowView

  constructor(private readonly to: FlowNewsReaders) {
    this.#view = to.ledger.view()
  }

  delete(message: DeleteView): void {
    const { ledger, reaper, events } = this.to
    const flow = this.#flowOf(message)
    if (flow === noFlow) return
    const end = endOf(message.reason)
    if (end !== undefined) events.note(end, this.#view.at(flow).session)
    const wasAsked = this.#view.at(flow).has(FlowFlags.asked)
    if (message.reason === EndReason.reaped && wasAsked) reaper.counters.gone++
    // Of a flow that is not there nothing was counted: the zeros are no totals.
    if (message.errorCode !== SsmbError.noflow) {
      const node = ledger.update(flow, message.cnt)
      if (node?.condition.isWatched) judgeNode(node, message)
      if (isClosed(message)) this.#view.at(this.#view.at(flow).session).raise(FlowFlags.closed)
    }
    // A STATE tells of an eviction, but where a handshake had not come to its end, or nothing was seen
    // of both sides since the session came back. That goes on where it finds no room, too: its next
    // packet asks again.
    const isOpening = ledger.isFirst(flow)
    const foundNoRoom = message.errorCode === SsmbError.nores && !isOpening
    if (message.reason === EndReason.overflow || foundNoRoom) this.#evict(flow, isOpening)
    else ledger.endFlow(flow)
  }

  stats(message: StatsView): void {
    const flow = this.#flowOf(message)
    if (flow === noFlow) return
    if (message.errorCode === SsmbError.connalive) this.to.reaper.counters.alive++
    this.to.ledger.update(flow, message.cnt)
  }

  /** The server of a flow gave its client an id to come back with (LB-16). */
  learn(message: AppLearnView): void {
    const flow = this.#flowOf(message)
    if (flow === noFlow) return
    const { node } = this.#view.at(this.#view.at(flow).session)
    const id = Buffer.from(message.appData).toString('hex')
    if (node) this.to.pools.get(node.pool)?.learn(id, node)
  }

  /** A record of a dump, or what the data flow segment tells of its own accord. */
  state(message: StateView): void {
    const { ledger, dump, adoption, events } = this.to
    const known = ledger.flow(message.serial | 0)
    if (known !== noFlow) ledger.update(known, message.cnt)
    if (message.errorCode === SsmbError.none) {
      dump.take(message, known === noFlow ? noFlow : this.#view.at(known).session)
      return
    }
    const isLost = known === noFlow && message.errorCode === SsmbError.connalive
    const flow = isLost ? adoption.adopt(message) : known
    if (flow === noFlow) {
      this.stale++
      return
    }
    const { session } = this.#view.at(flow)
    if (isLost) events.note('takenBack', session)
    if (message.errorCode === SsmbError.evicted) events.note('evicted', session)
    const offsets = readOffsets(message)
    if (offsets) ledger.setOffsets(flow, offsets)
    if (message.errorCode === SsmbError.evicted) this.#evict(flow, false)
  }

  /** The data flow segment has lost its flows, or those of a virtual server (CS-13). */
  reset({ scope }: ResetView): void {
    const server = this.to.servers.get(scope)
    if (scope !== 0 && !server) this.stale++
    else this.to.ledger.endAll(server)
  }

  /** The flow of a message's serial; a message that has none is stale, unless it answers for a flow
   *  that was given up. */
  #flowOf({ serial, errorCode }: { readonly serial: number; readonly errorCode: number }): FlowId {
    const flow = this.to.ledger.flow(serial | 0)
    const isAnswer = errorCode === SsmbError.noflow || errorCode === SsmbError.connalive
    if (flow === noFlow && !isAnswer) this.stale++
    return flow
  }

  /** The session is kept for as long as it could have been idle (FLOWLIFE-16). */
  #evict(flow: FlowId, isOpening: boolean): void {
    const { server, words, signatureAt } = this.#view.at(this.#view.at(flow).session)
    const { timeouts } = this.to
    const protocol = protocolOf(words, signatureAt)
    const ofServer = server?.settings.idleTimeoutMs || idleTimeoutOf(protocol, timeouts)
    const keepMs = isTcp(protocol) && isOpening ? timeouts.tcpOpeningMs : ofServer
    this.to.ledger.evictFlow(flow, keepMs, isTcp(protocol) && !isOpening)
  }
}

/** Of a protocol, by its number. */
function idleTimeoutOf(protocol: number, timeouts: ResolvedConfig['timeouts']): number {
  if (isTcp(protocol)) return timeouts.tcpEstablishedMs
  if (isUdp(protocol)) return timeouts.udpMs
  return isIcmp(protocol) ? timeouts.icmpMs : timeouts.otherMs
}

/** Neither end remembers the connection: its server needs no TIME-WAIT. */
function isClosed({ reason, flags }: DeleteView): boolean {
  return reason === EndReason.rst || (reason === EndReason.fin && !(flags & SsmbFlags.serverWaits))
}
