/** Who takes connections: an endpoint that somebody listens on. */
import { EventEmitter } from 'node:events'
import type { Endpoint } from '../endpoint.js'
import type { Socket } from './socket.js'

/** What a server gives: of TCP a connection, of UDP a flow. */
interface Given {
  resetAndDestroy(): unknown
}

export interface ServerEvents<Kind extends Given = Socket> {
  connection: [socket: Kind]
  close: []
}

export interface ServerOptions {
  readonly endpoint: Endpoint
  /** Connections that wait for the iterator. */
  readonly backlog: number
}

/**
 * Gives its connections to the listeners of 'connection', else to who iterates over it: they wait for
 * the iterator, and those beyond the backlog are reset.
 */
export class Server<Kind extends Given = Socket>
  extends EventEmitter<ServerEvents<Kind>>
  implements AsyncIterable<Kind>
{
  /** Connections that were reset since nobody took them. */
  refused = 0
  readonly #endpoint: Endpoint
  readonly #backlog: number
  /** Takes the endpoint back, once the engine listens on it. */
  unlisten: () => Promise<void> = async () => {}
  readonly #waiting: Kind[] = []
  #wake: (() => void)[] = []
  #closed: Promise<void> | undefined
  #isEnded = false

  constructor({ endpoint, backlog }: ServerOptions) {
    super()
    this.#endpoint = endpoint
    this.#backlog = backlog
  }

  get listening(): boolean {
    return this.#closed === undefined
  }

  address(): Endpoint {
    return this.#endpoint
  }

  /** Takes no more connections; those that it has given go on. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    try {
      await this.unlisten()
    } finally {
      this.end()
    }
  }

  /** The engine listens for it no more. Idempotent. */
  end(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#closed ??= Promise.resolve()
    for (const socket of this.#waiting.splice(0)) socket.resetAndDestroy()
    this.#news()
    this.emit('close')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Kind, undefined> {
    for (;;) {
      const socket = this.#waiting.shift()
      if (socket) yield socket
      else if (!this.listening) return undefined
      else await new Promise<void>((resolve) => this.#wake.push(resolve))
    }
  }

  /** A connection for it. */
  take(socket: Kind): void {
    if (this.listenerCount('connection') > 0) {
      this.emit('connection', socket)
    } else if (this.#waiting.length < this.#backlog && this.listening) {
      this.#waiting.push(socket)
      this.#news()
    } else {
      this.refused++
      socket.resetAndDestroy()
    }
  }

  #news(): void {
    for (const wake of this.#wake.splice(0)) wake()
  }
}
