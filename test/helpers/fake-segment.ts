/**
 * A data flow segment for tests of the control segment: it speaks the same bytes and keeps a flow
 * table, but has no packets. It asks what the test tells it to ask.
 */
import { formatAddress } from '../../src/bus/address.js'
import {
  AckView,
  AddSourceView,
  AddVsView,
  csmbMessages,
  DeleteSourceView,
  DeleteVsView,
  ReplyView,
  StateReqView,
  ssmbMessages,
} from '../../src/generated/messages.js'
import type { NativeSegment, NativeSegmentOptions } from '../../src/native.js'
import {
  deleteMessage,
  type FlowFields,
  type QueryFields,
  queryMessage,
  type Reply,
  type Request,
  readReply,
  readRequest,
  stateMessage,
} from './messages.js'
import { StreamPeer } from './stream-peer.js'

const ssmbSizes = new Map<number, number>(ssmbMessages.map(({ code, size }) => [code, size]))
const csmbSizes = new Map<number, number>(csmbMessages.map(({ code, size }) => [code, size]))

/** Size of the message at `at`: the first byte of a CSMB message is 0, its code the next one. */
function sizeAt(bytes: Uint8Array, at: number): number {
  const isCsmb = bytes[at] === 0
  const fixed = isCsmb ? csmbSizes.get(bytes[at + 1]) : ssmbSizes.get(bytes[at])
  if (fixed === undefined) throw new Error(`no message at ${at}`)
  // Its header says how long it is.
  const size = isCsmb ? ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0) : fixed
  if (size < fixed) throw new Error(`a short message at ${at}`)
  return size
}

interface Waiter {
  condition: () => boolean
  resolve: () => void
}

export class FakeSegment implements NativeSegment {
  options: NativeSegmentOptions | undefined
  running = false
  /** Connections that end at the engine. */
  readonly streams = new StreamPeer()
  /** Every message that came, in order. */
  readonly taken: Uint8Array[] = []
  /** Those of them that are REPLYs. */
  readonly replies: Reply[] = []
  /** Those that are REAPs, TIMEOUTs and RESETs. */
  readonly requests: Request[] = []
  /** The addresses that flows leave from, as told. */
  sources: string[] = []
  /** Bytes that the ring towards this segment still has room for. */
  room = Number.POSITIVE_INFINITY
  /** Answer to ADD_VS and DELETE_VS: an error code, or undefined for none at all. */
  acknowledgeWith: number | undefined = 0
  /** Answers to the next of them, before that. */
  readonly refusals: number[] = []
  /** What a dump of the flow table tells, oldest first. */
  readonly table: (FlowFields & { packetsIn?: number; bytesIn?: number })[] = []
  /** Whether STATE_REQ is answered. */
  answersDumps = true
  /** What start() throws. */
  refusal: Error | undefined
  counters: bigint[] = []
  submits = 0
  drains = 0
  #outgoing: Uint8Array[] = []
  #wake: () => void = () => {}
  #serial = 0x80000000
  #waiters: Waiter[] = []
  readonly #bySerial = new Map<number, Reply>()

  start(options: NativeSegmentOptions, wake: () => void): void {
    if (this.refusal) throw this.refusal
    this.options = options
    this.running = true
    this.#wake = wake
    this.streams.outbox.onMessages(wake)
  }

  stop(): void {
    this.running = false
  }

  readCounters(into: BigUint64Array): number {
    into.set(this.counters.slice(0, into.length))
    return into.length
  }

  startCapture(): Uint8Array | null {
    return new Uint8Array()
  }

  drainCapture(_into: Uint8Array): number {
    return 0
  }

  stopCapture(): Uint8Array {
    return new Uint8Array()
  }

  restoresSettings(): boolean {
    return false
  }

  homesOf(_address: Uint8Array, first: number, into: Uint8Array): void {
    const workers = this.options?.workers ?? 1
    for (let i = 0; i < into.length; i++) into[i] = (first + i) % workers
  }

  describePorts(): string[] {
    return ['in the test']
  }

  submit(messages: Uint8Array, length: number): number {
    this.submits++
    let at = 0
    while (at < length) {
      const size = sizeAt(messages, at)
      if (size > this.room) break
      this.room -= size
      this.#take(messages.slice(at, at + size))
      at += size
    }
    this.#waiters = this.#waiters.filter(({ condition, resolve }) => {
      const holds = condition()
      if (holds) resolve()
      return !holds
    })
    return at
  }

  drain(into: Uint8Array): number {
    this.drains++
    let at = 0
    while (this.#outgoing.length > 0 && at + this.#outgoing[0].length <= into.length) {
      const message = this.#outgoing.shift() as Uint8Array
      into.set(message, at)
      at += message.length
    }
    return at
  }

  writeStreams(messages: Uint8Array, length: number): number {
    return this.streams.writeStreams(messages, length)
  }

  readStreams(into: Uint8Array): number {
    return this.streams.readStreams(into)
  }

  readProgress(socket: number, into: BigUint64Array): void {
    this.streams.readProgress(socket, into)
  }

  /** Bytes for the control segment, any bytes. */
  send(...messages: Uint8Array[]): void {
    this.#outgoing.push(...messages)
    setImmediate(() => this.#wake())
  }

  get unread(): number {
    return this.#outgoing.length
  }

  nextSerial(): number {
    return this.#serial++
  }

  /** Asks, with a serial of its own unless told, and returns the serial. */
  query(fields: Omit<QueryFields, 'serial'> & { serial?: number }): number {
    const serial = fields.serial ?? this.nextSerial()
    this.send(queryMessage({ ...fields, serial }))
    return serial
  }

  end(fields: Parameters<typeof deleteMessage>[0]): void {
    this.send(deleteMessage(fields))
  }

  /** The last REPLY to each of these serials, in the order of the serials, once all are there. */
  async repliesTo(...serials: number[]): Promise<Reply[]> {
    await this.until(() => serials.every((serial) => this.#bySerial.has(serial)))
    return serials.map((serial) => this.#bySerial.get(serial) as Reply)
  }

  /** Resolves when the condition holds, looked at after each submit. */
  async until(condition: () => boolean): Promise<void> {
    if (condition()) return
    await new Promise<void>((resolve) => this.#waiters.push({ condition, resolve }))
  }

  /** Resolves when the control segment has read everything sent so far. */
  async quiet(): Promise<void> {
    while (this.#outgoing.length > 0) await new Promise((resolve) => setImmediate(resolve))
    await new Promise((resolve) => setImmediate(resolve))
  }

  #take(message: Uint8Array): void {
    this.taken.push(message)
    const view = new DataView(message.buffer)
    if (message[0] === ReplyView.code) this.#note(readReply(message))
    else if (message[0] === StateReqView.code) this.#dump(new StateReqView(view))
    else if (message[1] === AddVsView.code) this.#ack(AddVsView.code, new AddVsView(view))
    else if (message[1] === DeleteVsView.code) this.#ack(DeleteVsView.code, new DeleteVsView(view))
    else if (message[1] === AddSourceView.code) this.#takeSource(new AddSourceView(view), true)
    else if (message[1] === DeleteSourceView.code) {
      this.#takeSource(new DeleteSourceView(view), false)
    }
    const request = readRequest(message)
    if (request) this.requests.push(request)
  }

  #note(reply: Reply): void {
    this.replies.push(reply)
    this.#bySerial.set(reply.serial, reply)
  }

  #takeSource(message: AddSourceView | DeleteSourceView, isNew: boolean): void {
    const bytes = new Uint8Array(message.view.buffer)
    const address = formatAddress(bytes, message.sourceIpaddrOffset)
    this.sources = this.sources.filter((one) => one !== address)
    if (isNew) this.sources.push(address)
    this.#ack(isNew ? AddSourceView.code : DeleteSourceView.code, message)
  }

  #ack(type: number, message: { serialBytype: number; vsId?: number }): void {
    if (this.acknowledgeWith === undefined) return
    const ack = new AckView(new DataView(new ArrayBuffer(AckView.size))).clear()
    ack.refType = type
    ack.refSerial = message.serialBytype
    ack.vsId = message.vsId ?? 0
    ack.errorCode = this.refusals.shift() ?? this.acknowledgeWith
    // Each worker has it.
    for (let worker = 0; worker < (this.options?.workers ?? 1); worker++) {
      this.send(new Uint8Array(ack.view.buffer))
    }
  }

  #dump(request: StateReqView): void {
    if (!this.answersDumps) return
    const start = Number(request.cursor)
    const page = this.table.slice(start, start + request.maxRecords)
    const messages = page.map((flow, i) => {
      const next = start + i + 1
      return stateMessage({ ...flow, nextCursor: BigInt(next < this.table.length ? next : 0) })
    })
    const nothing = { serial: 0, source: '0.0.0.0:1', destination: '0.0.0.0:1' }
    this.send(...(messages.length > 0 ? messages : [stateMessage(nothing)]))
  }
}
