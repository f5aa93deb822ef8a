/** A flow of UDP that the engine ends: the datagrams of one peer, and to it. */
import { EventEmitter } from 'node:events'
import { formatEndpoint } from '../bus/address.js'
import type { Endpoint } from '../endpoint.js'
import { SocketCredit, SocketOption, StreamEnd } from '../generated/streams.js'
import type { DatagramLine } from './datagram-line.js'
import type { DatagramPair } from './datagram-pair.js'
import { datagramEndError, datagramTooLarge } from './errors.js'
import type { LineEnd } from './line-end.js'
import { joinPair, lineOf } from './socket.js'
import type { ClientIdentity, SocketUse } from './types.js'

/** What an IPv4 packet carries behind its header and UDP's. */
const mostOverIpv4 = 65_507

export interface DatagramSocketParts {
  readonly line: DatagramLine
  readonly local: Endpoint
  readonly remote: Endpoint
  /** Of the virtual server that it came to, for one that a client began. */
  readonly virtualServer?: string
  /** Whether the server is to see the client, where nobody says otherwise. */
  readonly preserveClient?: boolean
}

export interface DatagramSocketEvents {
  /** One datagram, whole. */
  message: [datagram: Buffer]
  connect: []
  ready: []
  /** No datagram passed for so long; it is closed. */
  timeout: []
  error: [error: Error]
  close: []
  paired: []
  unpaired: []
}

/**
 * A socket comes from `Stack.connect`, a `Server` or a service. What comes before anybody listens for
 * 'message', or iterates, waits: as much as the engine may hand up; of what is more datagrams are lost.
 */
export class DatagramSocket
  extends EventEmitter<DatagramSocketEvents>
  implements LineEnd, AsyncIterable<Buffer>
{
  readonly [lineOf]: DatagramLine
  /** Name of the virtual server that it came to; undefined for what was opened from here. */
  readonly virtualServer: string | undefined
  readonly preserveClient: boolean
  /** Milliseconds since 1970. */
  readonly openedAt = Date.now()
  /** Those that `send` was given and that were lost here. */
  datagramsDropped = 0
  readonly #local: Endpoint
  readonly #remote: Endpoint
  #pair: DatagramPair | undefined
  #isReserved = false
  #isClosed = false
  #activeAt = this.openedAt
  #waiting: Buffer[] = []
  #bytesWaiting = 0
  #isFlushing = false
  #wake: (() => void)[] = []

  constructor({ line, local, remote, virtualServer, preserveClient = true }: DatagramSocketParts) {
    super()
    this[lineOf] = line
    this.#local = local
    this.#remote = remote
    this.virtualServer = virtualServer
    this.preserveClient = preserveClient
    line.end = this
    ;(this as EventEmitter).on('newListener', (event) => {
      if (event === 'message') this.#flushSoon()
    })
  }

  get id(): number {
    return this[lineOf].id
  }

  /** The client, where it is a client's: the endpoint at the other end. */
  get identity(): ClientIdentity {
    const { address, port, family } = this.#remote
    return { address, port, family, socketId: this.id }
  }

  get use(): SocketUse {
    if (this.#isClosed || this[lineOf].isOver) return 'closed'
    return this.#pair || this.#isReserved ? 'paired' : 'free'
  }

  get pair(): DatagramPair | undefined {
    return this.#pair
  }

  get localAddress(): string {
    return this.#local.address
  }
  get localPort(): number {
    return this.#local.port
  }
  get localFamily(): string {
    return `IPv${this.#local.family}`
  }
  get remoteAddress(): string {
    return this.#remote.address
  }
  get remotePort(): number {
    return this.#remote.port
  }
  get remoteFamily(): string {
    return `IPv${this.#remote.family}`
  }

  /** The end here. */
  address(): { address: string; family: string; port: number } {
    return { address: this.localAddress, family: this.localFamily, port: this.localPort }
  }

  /** Bytes received, and datagrams: by JavaScript, or by the engine for the other side of its pair,
   *  which are counted when it translates them no longer. */
  get bytesRead(): number {
    return this[lineOf].bytesReceived + this[lineOf].bytesRelayed
  }
  get datagramsRead(): number {
    return this[lineOf].datagramsReceived + this[lineOf].datagramsRelayed
  }

  /** Bytes sent, and datagrams, counted likewise. */
  get bytesWritten(): number {
    return this[lineOf].bytesSent + this[lineOf].bytesFed
  }
  get datagramsWritten(): number {
    return this[lineOf].datagramsSent + this[lineOf].datagramsFed
  }

  /** When a datagram passed last: milliseconds since 1970. Of those that the engine translated the end
   *  of that counts. */
  get lastActiveAt(): number {
    return this.#activeAt
  }

  get destroyed(): boolean {
    return this.#isClosed
  }

  /** Bytes that wait for somebody to listen. */
  get bytesHeld(): number {
    return this.#bytesWaiting
  }
  /** What they take of what may be handed up: datagrams without bytes take something, too. */
  get readableLength(): number {
    return this.#bytesWaiting + this.#waiting.length * SocketCredit.eachDatagram
  }

  /**
   * Sends one datagram. False where it is lost at once: the socket is closed, or the engine has too much
   * to do. Over IPv4 one that is larger than the link goes in fragments.
   * @throws {SluiceError} `ERR_SLUICE_DATAGRAM_SIZE`
   */
  send(datagram: Uint8Array | string): boolean {
    const bytes = typeof datagram === 'string' ? Buffer.from(datagram) : datagram
    const most = this.#remote.family === 4 ? mostOverIpv4 : this[lineOf].largestWhole
    if (bytes.length > most) throw datagramTooLarge(bytes.length, most)
    this.active()
    const isSent = !this.#isClosed && this[lineOf].send(bytes)
    if (!isSent) this.datagramsDropped++
    return isSent
  }

  /**
   * The flow is over when no datagram passed for so long, in whole seconds, on either side of its pair:
   * 'timeout' and 'close' follow. 0 for `timeouts.udpMs`.
   */
  setTimeout(ms: number): this {
    this[lineOf].set(SocketOption.idle, ms > 0 ? Math.ceil(ms / 1000) : 0)
    return this
  }

  /** The peer's next datagram begins another flow. Idempotent. */
  close(): void {
    if (this.#isClosed) return
    this[lineOf].letGo('close')
    this.#end(undefined)
  }

  /** As `close`, for whoever ends sockets of any kind. */
  resetAndDestroy(): this {
    this.close()
    return this
  }

  override toString(): string {
    return `${formatEndpoint(this.#remote)} at ${formatEndpoint(this.#local)}`
  }

  /** Datagram by datagram, until it is closed. To leave it closes nothing. @throws what 'error' tells */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, undefined> {
    for (;;) {
      const datagram = this.#take()
      if (datagram) yield datagram
      else if (this.#isClosed) break
      else await new Promise<void>((resolve) => this.#wake.push(resolve))
    }
    const error = datagramEndError(this[lineOf].reason ?? StreamEnd.finished, this.#remote)
    if (error) throw error
    return undefined
  }

  // -- of its line

  active(): void {
    this.#activeAt = Date.now()
  }

  peerEnded(): void {}

  received(datagram: Buffer): void {
    this.active()
    this.#waiting.push(datagram)
    this.#bytesWaiting += datagram.length
    this.#flush()
    for (const wake of this.#wake.splice(0)) wake()
  }

  lineClosed(): void {
    const { reason = StreamEnd.finished } = this[lineOf]
    if (reason === StreamEnd.timedOut) this.emit('timeout')
    this.#end(datagramEndError(reason, this.#remote))
  }

  /** What its user threw: it is closed, and an 'error' for who listens. */
  destroyBy(error: unknown): void {
    if (this.#isClosed) return
    this[lineOf].letGo('close')
    this.#end(error instanceof Error ? error : new Error(String(error)))
  }

  /** Into a pair, out of it, or kept for one. */
  [joinPair](pair: DatagramPair | 'reserved' | undefined): void {
    const isPair = pair !== undefined && pair !== 'reserved'
    this.#isReserved = pair === 'reserved'
    if (isPair === (this.#pair !== undefined)) return
    this.#pair = isPair ? pair : undefined
    this.emit(isPair ? 'paired' : 'unpaired')
  }

  #take(): Buffer | undefined {
    const datagram = this.#waiting.shift()
    if (!datagram) return undefined
    this.#bytesWaiting -= datagram.length
    this[lineOf].grant()
    return datagram
  }

  /** Behind the call that made somebody listen. */
  #flushSoon(): void {
    if (this.#waiting.length > 0) process.nextTick(() => this.#flush())
  }

  #flush(): void {
    if (this.#isFlushing) return
    this.#isFlushing = true
    try {
      while (!this.#isClosed && this.listenerCount('message') > 0) {
        const datagram = this.#take()
        if (!datagram) break
        this.emit('message', datagram)
      }
    } catch (error) {
      // A listener threw. Its flow pays, and no other (design: services).
      this.destroyBy(error)
    } finally {
      this.#isFlushing = false
    }
  }

  #end(error: Error | undefined): void {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const wake of this.#wake.splice(0)) wake()
    process.nextTick(() => {
      try {
        if (error) this.emit('error', error)
      } finally {
        this.emit('close')
      }
    })
  }
}
