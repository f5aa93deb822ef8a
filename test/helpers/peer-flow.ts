/** A flow of UDP of the peer that speaks streams.def: the engine's state of it, and the host beyond. */
import {
  AbortSocketMessage,
  ClosedMessage,
  CloseSocketMessage,
  DataMessage,
  HeldMessage,
  ReadSocketMessage,
  RelaySocketMessage,
  SetSocketMessage,
  SocketCredit,
  StreamEnd,
  UnrelayedMessage,
  UnrelaySocketMessage,
  WriteSocketMessage,
} from '../../src/generated/streams.js'
import type { StreamOutbox } from './stream-outbox.js'

/** What a new one may be handed up. */
export const firstCredit = 16_384

export class PeerFlow {
  /** Datagrams that the host beyond has received. */
  readonly received: string[] = []
  /** As they were set. */
  readonly options: [option: number, value: number][] = []
  isClosed = false
  /** Datagrams that found no credit. */
  lost = 0
  readonly credit = firstCredit
  #readCredit = firstCredit
  #splicedTo: PeerFlow | undefined
  #moved = { bytes: 0n, datagrams: 0n }
  #waiters: { condition: () => boolean; resolve: () => void }[] = []

  constructor(
    readonly socket: number,
    /** Of its pair; another one makes two flows of it. */
    public serial: number,
    private readonly outbox: StreamOutbox,
    readonly remote: string,
    readonly local: string,
  ) {}

  get isSpliced(): boolean {
    return this.#splicedTo !== undefined
  }

  /** The host beyond sends a datagram. */
  send(text: string): void {
    const bytes = Buffer.from(text)
    if (this.#splicedTo) {
      this.#splicedTo.received.push(text)
      this.#moved.bytes += BigInt(bytes.length)
      this.#moved.datagrams++
    } else if (this.#readCredit <= 0) {
      this.lost++
    } else {
      this.#readCredit -= bytes.length + SocketCredit.eachDatagram
      this.#data(bytes)
    }
  }

  /** The engine ends it. */
  close(reason: number): void {
    if (this.isClosed) return
    this.unsplice()
    this.isClosed = true
    this.outbox.start(ClosedMessage, this.socket).reason = reason
    this.#look()
  }

  /** Resolves when the condition holds, looked at after each message about it. */
  async until(condition: () => boolean): Promise<void> {
    if (condition()) return
    await new Promise<void>((resolve) => this.#waiters.push({ condition, resolve }))
  }

  /** What its socket says. @param find another flow by its socket */
  order(code: number, message: DataView, find: (socket: number) => PeerFlow | undefined): void {
    switch (code) {
      case WriteSocketMessage.code: {
        const { buffer, byteOffset, byteLength } = message
        this.received.push(Buffer.from(buffer, byteOffset + 12, byteLength - 12).toString())
        break
      }
      case ReadSocketMessage.code:
        if (this.isSpliced) throw new Error('credit in a splice')
        this.#readCredit += message.getUint32(12)
        break
      case SetSocketMessage.code:
        this.options.push([message.getUint16(12), message.getUint32(16)])
        break
      case RelaySocketMessage.code:
        this.#splice(find(message.getUint32(12)))
        break
      case UnrelaySocketMessage.code:
        this.unsplice()
        break
      case CloseSocketMessage.code:
      case AbortSocketMessage.code:
        this.close(StreamEnd.finished)
        break
      default:
        throw new Error(`no message ${code} of UDP`)
    }
    this.#look()
  }

  unsplice(): void {
    const peer = this.#splicedTo
    if (!peer) return
    for (const one of [this, peer]) {
      one.#splicedTo = undefined
      one.#tellMoved()
    }
  }

  #tellMoved(): void {
    this.#readCredit = firstCredit
    Object.assign(this.outbox.start(UnrelayedMessage, this.socket), this.#moved)
  }

  #splice(peer: PeerFlow | undefined): void {
    if (!peer || peer.serial !== this.serial || this.isSpliced) throw new Error('not to be spliced')
    if (peer.isClosed) {
      this.outbox.start(HeldMessage, this.socket)
      this.#tellMoved()
      return
    }
    this.#splicedTo = peer
    peer.#splicedTo = this
    for (const one of [this, peer]) {
      one.#readCredit = 0
      one.outbox.start(HeldMessage, one.socket)
    }
  }

  #data(bytes: Buffer): void {
    const message = Buffer.alloc(DataMessage.size + bytes.length)
    const data = new DataMessage(new DataView(message.buffer, message.byteOffset, message.length))
    data.clear()
    data.socket = this.socket
    data.length = message.length
    bytes.copy(message, DataMessage.size)
    this.outbox.add(message)
  }

  #look(): void {
    this.#waiters = this.#waiters.filter(({ condition, resolve }) => {
      const holds = condition()
      if (holds) resolve()
      return !holds
    })
  }
}
