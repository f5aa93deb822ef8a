/**
 * Asks the data flow segment for its flow table, page by page (STATE_REQ, STATE), and collects the
 * sessions that have flows in it. Requests that come while a dump runs share its result.
 */
import type { BusChannel } from '../bus/channel.js'
import { SluiceError } from '../errors.js'
import { StateReqView, type StateView } from '../generated/messages.js'
import { type FlowId, noFlow } from './flow-table.js'

const pageRecords = 512
/** A cursor is the number of a worker, and below it the place in the worker's table. */
const placeBits = 56
const answerMs = 5000

interface Dump {
  readonly sessions: Set<FlowId>
  readonly promise: Promise<FlowId[]>
  resolve(sessions: FlowId[]): void
  reject(error: SluiceError): void
  /** Records of the page that have not come yet. */
  missing: number
  timer: NodeJS.Timeout | undefined
}

export class FlowDump {
  readonly #request = new StateReqView(new DataView(new ArrayBuffer(StateReqView.size)))
  readonly #channel: BusChannel
  #dump: Dump | undefined

  constructor(channel: BusChannel) {
    this.#channel = channel
  }

  /** @throws {SluiceError} `ERR_SLUICE_TIMEOUT` where the data flow segment does not answer */
  run(): Promise<FlowId[]> {
    if (this.#dump) return this.#dump.promise
    let settle: Pick<Dump, 'resolve' | 'reject'> | undefined
    const promise = new Promise<FlowId[]>((resolve, reject) => {
      settle = { resolve, reject }
    })
    const dump = { ...(settle as Pick<Dump, 'resolve' | 'reject'>), promise }
    this.#dump = { ...dump, sessions: new Set(), missing: 0, timer: undefined }
    this.#ask(this.#dump, 0n)
    return promise
  }

  /** A record; `session` is noFlow where the ledger does not know it, or for an empty table. */
  take(message: StateView, session: FlowId): void {
    const dump = this.#dump
    if (!dump) return
    if (session !== noFlow) dump.sessions.add(session)
    dump.missing--
    // The last record of a dump has cursor 0, any other that of the next one. A worker's table ends
    // with the page.
    const cursor = message.nextCursor
    if (cursor === 0n) this.#finish((ended) => ended.resolve([...ended.sessions]))
    else if (dump.missing === 0 || isFirst(cursor)) this.#ask(dump, cursor)
  }

  stop(error: SluiceError): void {
    this.#finish((dump) => dump.reject(error))
  }

  #ask(dump: Dump, cursor: bigint): void {
    const request = this.#channel.writer.start(this.#request, StateReqView.size)
    request.cursor = cursor
    request.maxRecords = pageRecords
    this.#channel.sendSoon()
    dump.missing = pageRecords
    clearTimeout(dump.timer)
    dump.timer = setTimeout(() => this.stop(unanswered()), answerMs)
  }

  #finish(settle: (dump: Dump) => void): void {
    const dump = this.#dump
    if (!dump) return
    this.#dump = undefined
    clearTimeout(dump.timer)
    settle(dump)
  }
}

const isFirst = (cursor: bigint) => BigInt.asUintN(placeBits, cursor) === 0n

function unanswered(): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_TIMEOUT',
    `The data flow segment did not tell its flows within ${answerMs / 1000} seconds.`,
    'Ask again when the machine is less busy; report it if it stays so.',
  )
}
