/**
 * Who comes to a listener of the network: let in with a certificate, refused without. Those who have
 * not shown one yet are few at once, the oldest giving way, so that they keep nobody out who has one.
 */
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Logger } from '../logger.js'

const mostHandshakes = 64
/** One line for so long, whoever comes; the others are counted. */
const quietMs = 10_000

export interface PeerCounts {
  accepted: number
  /** No certificate, one that is not believed, or no TLS at all. */
  refused: number
  /** Gave way to others before they had shown one. */
  crowdedOut: number
}

export class Peers {
  readonly counts: PeerCounts = { accepted: 0, refused: 0, crowdedOut: 0 }
  readonly #handshakes = new Map<string, Socket>()
  readonly #accepted = new Set<TLSSocket>()
  readonly #listener: string
  readonly #log: Logger
  readonly #now: () => number
  #toldAt = Number.NEGATIVE_INFINITY
  #untold = 0

  /** @param now milliseconds that never go back */
  constructor(listener: string, log: Logger, now: () => number = () => performance.now()) {
    this.#listener = listener
    this.#log = log
    this.#now = now
  }

  get accepted(): readonly TLSSocket[] {
    return [...this.#accepted]
  }

  /** Somebody is there, and has said nothing yet. */
  arrive(socket: Socket): void {
    const name = nameOf(socket)
    this.#handshakes.set(name, socket)
    socket.once('close', () => this.#handshakes.delete(name))
    if (this.#handshakes.size <= mostHandshakes) return
    const [[oldest, given]] = this.#handshakes as unknown as [[string, Socket]]
    this.#handshakes.delete(oldest)
    this.counts.crowdedOut++
    given.destroy()
  }

  accept(socket: TLSSocket): void {
    this.#handshakes.delete(nameOf(socket))
    this.counts.accepted++
    this.#accepted.add(socket)
    socket.once('close', () => this.#accepted.delete(socket))
  }

  /** @param error of the handshake; `socket` knows of a certificate that was not believed */
  refuse(error: NodeJS.ErrnoException, socket: TLSSocket): void {
    this.counts.refused++
    this.#untold++
    const now = this.#now()
    if (now - this.#toldAt < quietMs) return
    const reason = String(socket.authorizationError ?? error.code ?? error.message)
    this.#log.warn(
      {
        event: 'adminRefused',
        code: 'ERR_SLUICE_ADMIN_PEER',
        listener: this.#listener,
        peer: socket.remoteAddress ?? 'gone',
        reason,
        refused: this.#untold,
      },
      'somebody without a certificate that is believed',
    )
    this.#toldAt = now
    this.#untold = 0
  }
}

/** Of a connection of one listener. */
const nameOf = ({ remoteAddress, remotePort }: Socket) => `${remoteAddress} ${remotePort}`
