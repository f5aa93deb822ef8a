/** A socket that is being opened: from the order to the socket, or to why there is none. */
import { familyAt, formatAddress } from '../bus/address.js'
import type { OpenOrder } from '../bus/stream-orders.js'
import type { Endpoint } from '../endpoint.js'
import { type ConnectedMessage, StreamEnd } from '../generated/streams.js'
import { connectError } from './errors.js'
import type { Line } from './line.js'
import type { Sockets } from './sockets.js'

/** What is made of a socket that the engine has opened. */
export interface Opened<Made> {
  line(message: ConnectedMessage, sockets: Sockets): Line
  make(line: Line, sockets: Sockets, local: Endpoint, remote: Endpoint): Made
}

/** As much of it as it takes to tell of it. */
interface Announced {
  readonly destroyed: boolean
  emit(event: 'connect' | 'ready'): boolean
}

export interface OpeningOptions<Made> extends Opened<Made> {
  readonly order: Omit<OpenOrder, 'request'>
  readonly address: string
  readonly port: number
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
  /** Called with the socket before anybody else has it. */
  readonly connected: (socket: Made) => void
}

export type AnyOpening = Pick<Opening<never>, 'began' | 'connected' | 'refused' | 'fail' | 'abort'>

/** An endpoint of a message. */
export function endpointAt(bytes: Uint8Array, at: number, port: number): Endpoint {
  return { address: formatAddress(bytes, at), port, family: familyAt(bytes, at) }
}

export class Opening<Made extends Announced> {
  /** @throws as `Stack.connect` says */
  readonly done: Promise<Made>
  readonly #sockets: Sockets
  readonly #options: OpeningOptions<Made>
  readonly #giveUp: (() => void) | undefined
  readonly #timer: NodeJS.Timeout
  #resolve!: (socket: Made) => void
  #reject!: (error: unknown) => void
  #socket: number | undefined
  #isAborted = false
  /** Why that. */
  #why: unknown

  /** @throws {SluiceError} `ERR_SLUICE_STOPPED` */
  constructor(sockets: Sockets, options: OpeningOptions<Made>) {
    const { signal, order, timeoutMs } = options
    this.#sockets = sockets
    this.#options = options
    const request = sockets.open(this)
    sockets.orders.open({ ...order, request })
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.#giveUp = signal && (() => this.abort(signal.reason))
    if (this.#giveUp) signal?.addEventListener('abort', this.#giveUp, { once: true })
    this.#timer = setTimeout(expire, timeoutMs, this)
  }

  /** It has a number now. */
  began(socket: number): void {
    this.#socket = socket
    if (this.#isAborted) this.#sockets.orders.abort(socket)
  }

  connected(message: ConnectedMessage, bytes: Uint8Array): void {
    const line = this.#options.line(message, this.#sockets)
    this.#sockets.add(line)
    this.#stopWaiting()
    // An order to abort is on its way.
    if (this.#isAborted) {
      line.whenOver = () => this.refused(StreamEnd.aborted)
      return
    }
    const local = endpointAt(bytes, message.localIpaddrOffset, message.localPort)
    const remote = endpointAt(bytes, message.remoteIpaddrOffset, message.remotePort)
    const socket = this.#options.make(line, this.#sockets, local, remote)
    this.#options.connected(socket)
    this.#resolve(socket)
    setImmediate(announce, socket)
  }

  refused(reason: number): void {
    const { address, port } = this.#options
    this.fail(connectError(reason, address, port))
  }

  fail(error: unknown): void {
    this.#stopWaiting()
    this.#reject(this.#isAborted ? this.#why : error)
  }

  /** Nobody wants it any more: it fails for that reason when the engine is done with it, from when on its
   *  addresses and ports are free. */
  abort(why: unknown): void {
    this.#stopWaiting()
    if (this.#isAborted) return
    this.#isAborted = true
    this.#why = why
    if (this.#socket !== undefined) this.#sockets.orders.abort(this.#socket)
  }

  /** It takes too long. */
  expire(): void {
    const { address, port } = this.#options
    this.abort(connectError(StreamEnd.timedOut, address, port))
  }

  #stopWaiting(): void {
    clearTimeout(this.#timer)
    if (this.#giveUp) this.#options.signal?.removeEventListener('abort', this.#giveUp)
  }
}

const expire = (opening: { expire(): void }) => opening.expire()

/** As net.Socket does, and late enough for who awaited it to listen. */
function announce(socket: Announced): void {
  if (socket.destroyed) return
  socket.emit('connect')
  socket.emit('ready')
}
