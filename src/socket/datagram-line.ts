/**
 * The line between a socket of UDP and its flow in the engine. Datagrams do not wait on it: what the
 * engine may not hand up is lost there, and what it has not the time to send is lost here.
 */
import { type ConnectedMessage, RelayEnds, SocketCredit } from '../generated/streams.js'
import { closed } from './errors.js'
import { Line } from './line.js'
import type { Totals } from './line-end.js'
import type { Sockets } from './sockets.js'

/** Of the messages to the engine that wait, all sockets' together: from here on datagrams are lost. */
const mostUnsent = 1_048_576

/** What the engine says of a flow, of a client's or one from here. */
type Begun = Pick<ConnectedMessage, 'socket' | 'serial' | 'credit' | 'mss'>

export class DatagramLine extends Line {
  datagramsReceived = 0
  datagramsSent = 0
  /** Of those that the engine translated: received here, and sent to the other side's peer. */
  datagramsRelayed = 0
  /** Likewise, received on the other side and sent here. */
  datagramsFed = 0
  #target: DatagramLine | undefined
  /** Bytes that one carries without being cut into fragments. */
  readonly largestWhole: number
  readonly #serial: number
  readonly #firstCredit: number
  readonly #one: Uint8Array[] = []

  constructor({ socket, serial, credit, mss }: Begun, sockets: Sockets) {
    super(socket, sockets, 0)
    this.#serial = serial
    this.#firstCredit = credit
    this.largestWhole = mss
    this.credited(credit)
  }

  /** Whether the engine has both in one flow. */
  isPairOf(other: DatagramLine): boolean {
    return this.id >>> 24 === other.id >>> 24 && this.#serial === other.#serial
  }

  /** False where it is lost. */
  send(bytes: Uint8Array): boolean {
    if (this.isOver || this.sockets.orders.unsent > mostUnsent) return false
    this.#one[0] = bytes
    this.sockets.orders.write(this.id, this.#one, 0, 0, bytes.length)
    this.datagramsSent++
    this.bytesSent += bytes.length
    return true
  }

  /** From now on the engine translates what both receive. Resolves when all that was handed up has come. */
  async splice(peer: DatagramLine): Promise<void> {
    if (this.isOver || peer.isOver) throw closed('A side of the pair is over.')
    this.#target = peer
    peer.#target = this
    this.relayTo(peer, RelayEnds.pass)
    peer.giveTo(this)
    await Promise.all([this.untilHeld(), peer.untilHeld()])
  }

  override data(bytes: Buffer): void {
    this.datagramsReceived++
    this.credited(-SocketCredit.eachDatagram)
    super.data(bytes)
  }

  override unrelayed(bytes: number, datagrams: number): void {
    this.#moved(datagrams - this.datagramsRelayed)
    this.credited(this.#firstCredit)
    super.unrelayed(bytes, datagrams)
  }

  #moved(datagrams: number): void {
    const target = this.#target
    this.#target = undefined
    if (!target || datagrams === 0) return
    this.datagramsRelayed += datagrams
    target.datagramsFed += datagrams
    for (const { end } of [this, target]) end.active()
  }

  /** What nobody has read yet is its socket's alone from now on, and in nobody's books. */
  override closed(reason: number, totals: Totals): void {
    super.closed(reason, totals)
    this.letGo('close')
  }
}
