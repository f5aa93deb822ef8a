/**
 * What a control segment gets to see of flows, by category (CS-08): the packets that were asked about,
 * and what befell the flows. Counted over all, and noted for each session. All else passes without it.
 */
import { type AppQueryView, EndReason, QueryReason } from '../generated/messages.js'
import type { FlowLedger } from './flow-ledger.js'
import { type FlowId, type FlowView, noFlow } from './flow-table.js'

/** Each has a bit in the record of a session. */
export const flowEvents = [
  'syn',
  'segment',
  'datagram',
  'other',
  'data',
  'repeated',
  'resumed',
  'evicted',
  'takenBack',
  'fin',
  'rst',
  'idle',
  'reaped',
  'overflow',
  'reset',
  'vsRemoved',
] as const
export type FlowEvent = (typeof flowEvents)[number]
export type FlowEventCounters = Readonly<Record<FlowEvent, number>>

const bits = Object.fromEntries(flowEvents.map((event, i) => [event, 1 << i])) as Readonly<
  Record<FlowEvent, number>
>

const packets: Readonly<Record<number, FlowEvent>> = {
  [QueryReason.open]: 'syn',
  [QueryReason.midSession]: 'segment',
  [QueryReason.udp]: 'datagram',
}

const ends: Readonly<Record<number, FlowEvent>> = Object.fromEntries(
  Object.entries(EndReason).map(([name, code]) => [code, name as FlowEvent]),
)

/** How a flow ended, by the reason of its DELETE. */
export const endOf = (reason: number): FlowEvent | undefined => ends[reason]

/** What the record of a session notes, in words. */
export const eventsIn = (seen: number) => flowEvents.filter((event) => (seen & bits[event]) !== 0)

export class FlowEvents {
  readonly counts = Object.fromEntries(flowEvents.map((event) => [event, 0])) as Record<
    FlowEvent,
    number
  >
  readonly #view: FlowView

  constructor(ledger: FlowLedger) {
    this.#view = ledger.view()
  }

  /** The packet that a question is about. @param reason of the question; @param app its data */
  asked(reason: number, session: FlowId, app: AppQueryView | undefined): void {
    this.note(packets[reason] ?? 'other', session)
    if (app !== undefined && app.appLen > 0) this.note('data', session)
  }

  /** @param session noFlow for one that is in no ledger */
  note(event: FlowEvent, session: FlowId): void {
    this.counts[event]++
    if (session !== noFlow) this.#view.at(session).seen |= bits[event]
  }
}
