/** A connection that is being opened: from the order to the socket, or to why there is none. */
import { familyAt, formatAddress } from '../bus/address.js'
import type { OpenOrder } from '../bus/stream-orders.js'
import type { Endpoint } from '../endpoint.js'
import { type ConnectedMessage, StreamEnd } from '../generated/streams.js'
import { connectError } from './errors.js'
import { Line } from './line.js'
import { Socket } from './socket.js'
import type { Sockets } from './sockets.js'

export interface OpeningOptions {
  readonly order: Omit<OpenOrder, 'request'>
  readonly address: string
  readonly port: number
  readonly allowHalfOpen: boolean
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
  /** Called with the socket before anybody else has it. */
  readonly connected: (socket: Socket) => void
}

/** An endpoint of a message. */
export function endpointAt(bytes: Uint8Array, at: number, port: number): Endpoint {
  return { address: formatAddress(bytes, at), port, family: familyAt(bytes, at) }
}

export class Opening {
  readonly #sockets: Sockets
  readonly #options: OpeningOptions
  readonly #settle: { resolve(socket: Socket): void; reject(error: unknown): void }
  readonly #giveUp = () => this.#abort(this.#options.signal?.reason)
  #timer: NodeJS.Timeout | undefined
  #socket: number | undefined
  #isAborted = false
  /** Why that. */
  #why: unknown

  private constructor(
    sockets: Sockets,
    options: OpeningOptions,
    settle: { resolve(socket: Socket): void; reject(error: unknown): void },
  ) {
    this.#sockets = sockets
    this.#options = options
    this.#settle = settle
  }

  /** @throws {SluiceError} as docs/sockets.md says; ECONNREFUSED, ECONNRESET; the reason of `signal` */
  static begin(sockets: Sockets, options: OpeningOptions): Promise<Socket> {
    return new Promise((resolve, reject) => {
      options.signal?.throwIfAborted()
      const opening = new Opening(sockets, options, { resolve, reject })
      const request = sockets.open(opening)
      sockets.orders.open({ ...options.order, request })
      options.signal?.addEventListener('abort', opening.#giveUp, { once: true })
      opening.#timer = setTimeout(() => opening.#expire(), options.timeoutMs)
    })
  }

  /** It has a number now. */
  began(socket: number): void {
    this.#socket = socket
    if (this.#isAborted) this.#sockets.orders.abort(socket)
  }

  connected(message: ConnectedMessage, bytes: Uint8Array): void {
    const line = new Line(message.socket, this.#sockets, message.credit)
    this.#sockets.add(line)
    this.#stopWaiting()
    // An order to abort is on its way.
    if (this.#isAborted) {
      line.whenOver = () => this.refused(StreamEnd.aborted)
      return
    }
    const socket = new Socket({
      line,
      sockets: this.#sockets,
      local: endpointAt(bytes, message.localIpaddrOffset, message.localPort),
      remote: endpointAt(bytes, message.remoteIpaddrOffset, message.remotePort),
      allowHalfOpen: this.#options.allowHalfOpen,
    })
    this.#options.connected(socket)
    this.#settle.resolve(socket)
    setImmediate(announce, socket)
  }

  refused(reason: number): void {
    const { address, port } = this.#options
    this.fail(this.#isAborted ? this.#why : connectError(reason, address, port))
  }

  fail(error: unknown): void {
    this.#stopWaiting()
    this.#settle.reject(error)
  }

  #expire(): void {
    const { address, port } = this.#options
    this.#abort(connectError(StreamEnd.timedOut, address, port))
  }

  /** It fails when the engine is done with it: from then on its addresses and ports are free. */
  #abort(why: unknown): void {
    this.#stopWaiting()
    this.#isAborted = true
    this.#why = why
    if (this.#socket !== undefined) this.#sockets.orders.abort(this.#socket)
  }

  #stopWaiting(): void {
    clearTimeout(this.#timer)
    this.#options.signal?.removeEventListener('abort', this.#giveUp)
  }
}

/** As net.Socket does, and late enough for who awaited it to listen. */
function announce(socket: Socket): void {
  if (socket.destroyed) return
  socket.emit('connect')
  socket.emit('ready')
}
