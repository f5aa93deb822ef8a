/** A connection of the peer that speaks streams.def: the engine's state of it, and the host beyond. */
import { familyAt, formatAddress } from '../../src/bus/address.js'
import {
  ClosedMessage,
  DataMessage,
  EndedMessage,
  HeldMessage,
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
  #queue: Buffer[] = []
  #isEnding = false
  #hasEnded = false
  #isShut = false
  #isHeld = false
  #userClosed = false
  #relayedTo: PeerConnection | undefined
  #relayed = 0
  #allRelayed = 0
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
    this.credit += bytes
    this.outbox.start(WritableMessage, this.socket).credit = bytes
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
    if (this.#relayedTo) throw new Error('a write into a relay')
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
    if (this.#queue.length > 0) {
      this.hasReset = true
      this.close(StreamEnd.aborted)
      return
    }
    this.hasFin = true
    this.#isShut = true
    if (this.#relayedTo) this.#endRelay()
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
  }

  relay(peer: PeerConnection | undefined): void {
    if (!peer || !this.#isHeld || !peer.#isHeld) throw new Error('a relay of what is not held')
    if (peer.socket >>> 24 !== this.socket >>> 24) throw new Error('a relay of two workers')
    this.#relayedTo = peer
    peer.#relayedTo = this
    this.#move()
    peer.#move()
    this.#look()
  }

  unrelay(): void {
    this.#endRelay()
  }

  close(reason: number): void {
    if (this.isClosed) return
    const peer = this.#relayedTo
    this.#endRelay()
    this.isClosed = true
    const closed = this.outbox.start(ClosedMessage, this.socket)
    closed.reason = reason
    closed.bytesReceivedNumber = this.bytesSent + this.#allRelayed
    closed.bytesSentNumber = this.received.reduce((sum, { length }) => sum + length, 0)
    this.#look()
    // A reset goes on through a relay.
    if (peer && reason !== StreamEnd.finished && !peer.isClosed) peer.aborted()
  }

  #endRelay(): void {
    const peer = this.#relayedTo
    if (!peer) return
    for (const one of [this, peer]) {
      one.#relayedTo = undefined
      const unrelayed = one.outbox.start(UnrelayedMessage, one.socket)
      unrelayed.bytes = BigInt(one.#relayed)
      one.#relayed = 0
    }
  }

  #move(): void {
    if (this.isClosed) return
    if (this.#relayedTo) this.#moveOn(this.#relayedTo)
    else this.#handUp()
    this.#look()
  }

  #moveOn(peer: PeerConnection): void {
    for (const bytes of this.#queue.splice(0)) {
      this.#relayed += bytes.length
      this.#allRelayed += bytes.length
      peer.received.push(bytes)
    }
    if (this.#isEnding && !this.#hasEnded) {
      this.#hasEnded = true
      peer.#isShut = true
      peer.hasFin = true
      const isOver = peer.#hasEnded
      peer.#look()
      if (!isOver) return
      this.#endRelay()
      peer.#finish()
      this.#finish()
    }
  }

  #handUp(): void {
    if (this.#isHeld) return
    while (this.#queue.length > 0 && this.#readCredit > 0) {
      const [first] = this.#queue
      const take = Math.min(first.length, this.#readCredit, mostData)
      this.#data(first.subarray(0, take))
      if (take === first.length) this.#queue.shift()
      else this.#queue[0] = first.subarray(take)
    }
    if (this.#queue.length > 0 || !this.#isEnding || this.#hasEnded) return
    this.#hasEnded = true
    if (!this.#userClosed) this.outbox.start(EndedMessage, this.socket)
    this.#finish()
  }

  #data(bytes: Buffer): void {
    this.#readCredit -= bytes.length
    this.bytesSent += bytes.length
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
