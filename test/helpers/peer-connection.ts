/** A connection of the peer that speaks streams.def: the engine's state of it, and the host beyond. */
import { familyAt, formatAddress } from '../../src/bus/address.js'
import {
  ClosedMessage,
  DataMessage,
  EndedMessage,
  HeldMessage,
  RelayCount,
  RelayEnds,
  SpliceBlock,
  SplicedMessage,
  StreamEnd,
  UnrelayedMessage,
  WritableMessage,
} from '../../src/generated/streams.js'
import type { StreamOutbox } from './stream-outbox.js'

/** 'address:port', also where both are zero: for the engine to choose. */
export function endpointOf(bytes: Uint8Array, base: number, at: number, port: number): string {
  const start = base - bytes.byteOffset + at
  const address = formatAddress(bytes, start)
  return familyAt(bytes, start) === 4 ? `${address}:${port}` : `[${address}]:${port}`
}

const mostData = 65_000

export class PeerConnection {
  /** What the host beyond has received. */
  readonly received: Buffer[] = []
  /** As they were set. */
  readonly options: [option: number, value: number][] = []
  /** The host beyond has seen our FIN. */
  hasFin = false
  /** The host beyond has seen a RST. */
  hasReset = false
  isClosed = false
  /** Bytes that were handed up. */
  bytesSent = 0
  /** Whether what is written is acknowledged at once. */
  acknowledges = true
  /** It is let go for good: asked to come back, it says so. */
  stays = false
  /** There is no block to come back to: it comes back when that is set to nothing again, and is told again. */
  returnsLater = false
  /** Called when it holds and gives to nobody: nothing is told of it from then on until it has credit. */
  whenHolding = () => {}
  #queue: Buffer[] = []
  #isEnding = false
  #hasEnded = false
  #isShut = false
  #isHeld = false
  #userClosed = false
  /** All that went to another one without being handed up, and when it did last (process.hrtime). */
  relayed = 0
  relayedAt = 0n
  /** Messages with bytes that were handed up. */
  dataMessages = 0
  #relayedTo: PeerConnection | undefined
  #source: PeerConnection | undefined
  #endsStay = false
  /** What its relay may still move. */
  #left: { bytes: number; isOfPair: boolean } | undefined
  /** Of what came from another one. */
  #unacknowledged = 0
  #readCredit = 0
  #waiters: { condition: () => boolean; resolve: () => void }[] = []

  constructor(
    readonly socket: number,
    private readonly outbox: StreamOutbox,
    readonly remote: string,
    readonly local: string,
    public credit: number,
  ) {}

  // -- what the host beyond does

  send(data: string | Buffer): void {
    this.#queue.push(Buffer.from(data as Buffer))
    this.#move()
  }

  end(): void {
    this.#isEnding = true
    this.#move()
  }

  reset(reason: number = StreamEnd.reset): void {
    this.close(reason)
  }

  /** Makes room for so much more. */
  acknowledge(bytes: number): void {
    if (this.#source) {
      this.#unacknowledged = Math.max(0, this.#unacknowledged - bytes)
      const source = this.#source
      source.resume()
      return
    }
    this.credit += bytes
    this.outbox.start(WritableMessage, this.socket).credit = bytes
  }

  /** There is room again at the target of its bytes. */
  resume(): void {
    this.#move()
  }

  get text(): string {
    return Buffer.concat(this.received).toString()
  }

  /** Bytes that the engine has of it, and nobody has read. */
  get unread(): number {
    return this.#queue.reduce((sum, { length }) => sum + length, 0)
  }

  /** Resolves when the condition holds, looked at after each message about it. */
  async until(condition: () => boolean): Promise<void> {
    if (condition()) return
    await new Promise<void>((resolve) => this.#waiters.push({ condition, resolve }))
  }

  // -- what the sockets say

  written(bytes: Buffer): void {
    if (this.#isShut || this.#userClosed) throw new Error('a write after the end')
    if (this.#source) throw new Error('a write into a relay')
    if (bytes.length > this.credit) throw new Error(`${bytes.length} bytes, credit ${this.credit}`)
    this.credit -= bytes.length
    this.received.push(bytes)
    if (this.acknowledges) this.acknowledge(bytes.length)
    this.#look()
  }

  grantedRead(credit: number): void {
    if (this.#relayedTo) throw new Error('credit in a relay')
    this.#isHeld = false
    this.#readCredit += credit
    this.#move()
  }

  shut(): void {
    if (this.#isShut) throw new Error('shut twice')
    this.#isShut = true
    this.hasFin = true
    this.#finish()
  }

  closedByUser(): void {
    this.#userClosed = true
    this.#isHeld = false
    if (this.#queue.length > 0) {
      this.hasReset = true
      this.close(StreamEnd.aborted)
      return
    }
    this.hasFin = true
    this.#isShut = true
    this.#leaveRelay()
    this.#finish()
  }

  aborted(): void {
    this.hasReset = true
    this.close(StreamEnd.aborted)
  }

  hold(): void {
    this.#isHeld = true
    this.#readCredit = 0
    this.outbox.start(HeldMessage, this.socket)
    this.whenHolding()
  }

  relay(target: PeerConnection | undefined, ends: number, count = 0, bytes = 0n): void {
    if (!target || !this.#isHeld) throw new Error('a relay of what is not held')
    if (target.socket >>> 24 !== this.socket >>> 24) throw new Error('a relay of two workers')
    if (this.#relayedTo || target.#source) throw new Error('relayed already')
    if (count === RelayCount.shared && target.#relayedTo !== this) {
      this.outbox.start(UnrelayedMessage, this.socket).bytes = BigInt(this.relayed)
      return
    }
    const counts = count === RelayCount.one || count === RelayCount.pair
    if (counts !== bytes > 0n) throw new Error(`a count of ${bytes} bytes`)
    if (counts) this.#left = { bytes: Number(bytes), isOfPair: count === RelayCount.pair }
    else this.#left = count === RelayCount.shared ? target.#left : undefined
    this.#relayedTo = target
    target.#source = this
    this.#endsStay = ends === RelayEnds.stay
    this.#move()
    this.#look()
  }

  /** @param block a SpliceBlock */
  tellSpliced(block: number): void {
    this.outbox.start(SplicedMessage, this.socket).reason = block
  }

  unrelay(): void {
    if (this.returnsLater) return
    if (this.stays) {
      this.tellSpliced(SpliceBlock.stays)
      return
    }
    this.#endRelay()
    this.whenHolding()
  }

  close(reason: number): void {
    if (this.isClosed) return
    const target = this.#endsStay ? undefined : this.#relayedTo
    this.#leaveRelay()
    this.isClosed = true
    const closed = this.outbox.start(ClosedMessage, this.socket)
    closed.reason = reason
    closed.bytesReceivedNumber = this.bytesSent + this.relayed
    closed.bytesSentNumber = this.received.reduce((sum, { length }) => sum + length, 0)
    this.#look()
    // A reset goes on through a relay.
    if (target && reason !== StreamEnd.finished && !target.isClosed) target.aborted()
  }

  #leaveRelay(): void {
    this.#endRelay()
    const source = this.#source
    source?.unrelay()
  }

  #endRelay(): void {
    const target = this.#relayedTo
    if (!target) return
    this.#relayedTo = undefined
    target.#source = undefined
    this.outbox.start(UnrelayedMessage, this.socket).bytes = BigInt(this.relayed)
  }

  #move(): void {
    if (this.isClosed) return
    if (this.#relayedTo) this.#moveOn(this.#relayedTo)
    else this.#handUp()
    this.#look()
  }

  #moveOn(target: PeerConnection): void {
    // What has an end is taken whole.
    const most = this.#isEnding ? Number.POSITIVE_INFINITY : mostData
    while (this.#queue.length > 0 && target.#unacknowledged < most) {
      const left = this.#left?.bytes ?? most
      const bytes = this.#take(Math.min(most - target.#unacknowledged, left))
      if (this.#left) this.#left.bytes -= bytes.length
      this.relayed += bytes.length
      this.relayedAt = process.hrtime.bigint()
      target.received.push(bytes)
      if (!target.acknowledges) target.#unacknowledged += bytes.length
      if (this.#left?.bytes !== 0) continue
      target.#look()
      if (this.#left.isOfPair) this.#leaveRelay()
      else this.#endRelay()
      return
    }
    target.#look()
    if (this.#queue.length > 0 || !this.#isEnding || this.#hasEnded) return
    if (this.#endsStay) {
      this.#isHeld = false
      this.#endRelay()
      this.#handUp()
      return
    }
    this.#hasEnded = true
    target.#isShut = true
    target.hasFin = true
    target.#look()
    if (!target.#hasEnded) return
    this.#leaveRelay()
    target.#finish()
    this.#finish()
  }

  #handUp(): void {
    if (this.#isHeld) {
      // Nobody is told of its end, and it is over.
      if (this.#queue.length === 0 && this.#isEnding && this.#isShut) this.close(StreamEnd.finished)
      return
    }
    while (this.#queue.length > 0 && this.#readCredit > 0) {
      this.#data(this.#take(Math.min(this.#readCredit, mostData)))
    }
    if (this.#queue.length > 0 || !this.#isEnding || this.#hasEnded) return
    this.#hasEnded = true
    if (!this.#userClosed) this.outbox.start(EndedMessage, this.socket)
    this.#finish()
  }

  /** The first bytes that wait, so many at most. */
  #take(most: number): Buffer {
    const [first] = this.#queue
    if (first.length <= most) this.#queue.shift()
    else this.#queue[0] = first.subarray(most)
    return first.subarray(0, most)
  }

  #data(bytes: Buffer): void {
    this.#readCredit -= bytes.length
    this.bytesSent += bytes.length
    this.dataMessages++
    const message = Buffer.alloc(DataMessage.size + bytes.length)
    const data = new DataMessage(new DataView(message.buffer, message.byteOffset, message.length))
    data.clear()
    data.socket = this.socket
    data.length = message.length
    bytes.copy(message, DataMessage.size)
    this.outbox.add(message)
  }

  #finish(): void {
    if (this.#hasEnded && this.#isShut) this.close(StreamEnd.finished)
    this.#look()
  }

  #look(): void {
    this.#waiters = this.#waiters.filter(({ condition, resolve }) => {
      const holds = condition()
      if (holds) resolve()
      return !holds
    })
  }
}
