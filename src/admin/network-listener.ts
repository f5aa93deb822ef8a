/**
 * The administration on one address of the host, for those who prove by a certificate who they are. An
 * address that is not there, or no longer, is tried again until it is; other listeners do not notice.
 */
import { constants } from 'node:crypto'
import { createServer, type Server } from 'node:https'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { createAdaptorServer } from '@hono/node-server'
import type { Hono } from 'hono'
import { formatEndpoint } from '../bus/address.js'
import type { Endpoint } from '../endpoint.js'
import type { Logger } from '../logger.js'
import { mostConnections, requestBounds } from './bounds.js'
import { type Credentials, tlsOptions } from './credentials.js'
import { Peers } from './peers.js'
import type { ListenerStatus } from './source.js'

const retryMs = 1000
/** For a certificate to be shown. */
const handshakeTimeout = 5000
/** For what is being answered when it has to end. */
const graceMs = 1000
/** After so long without a word, and in such steps, the kernel asks whether a peer is still there. */
const keepAliveInitialDelay = 10_000

/** Nobody resumes a session: everybody proves anew who he is, by the authorities of this moment. */
const serverOptions = (credentials: Credentials) => ({
  ...tlsOptions(credentials),
  secureOptions: constants.SSL_OP_NO_TICKET,
  requestCert: true,
  rejectUnauthorized: true,
})

export class NetworkListener {
  /** Its name. */
  readonly address: string
  readonly #endpoint: Endpoint
  readonly #server: Server
  readonly #peers: Peers
  readonly #log: Logger
  #problem: string | null = null
  #retry: NodeJS.Timeout | undefined

  /** Listens from now on, or as soon as it can. */
  constructor(endpoint: Endpoint, app: Hono, credentials: Credentials, log: Logger) {
    this.address = formatEndpoint(endpoint)
    this.#endpoint = endpoint
    this.#log = log
    this.#peers = new Peers(this.address, log)
    this.#server = createAdaptorServer({
      fetch: app.fetch,
      createServer,
      serverOptions: {
        ...serverOptions(credentials),
        ...requestBounds,
        handshakeTimeout,
        keepAlive: true,
        keepAliveInitialDelay,
      },
    }) as Server
    this.#server.maxConnections = mostConnections
    this.#server.on('connection', (socket: Socket) => this.#peers.arrive(socket))
    this.#server.on('secureConnection', (socket: TLSSocket) => this.#peers.accept(socket))
    this.#server.on('tlsClientError', (error, socket) => this.#peers.refuse(error, socket))
    this.#server.on('error', (error: NodeJS.ErrnoException) => this.#fail(error))
    this.#server.on('listening', () => this.#succeed())
    this.#listen()
  }

  /** Where it really listens; for tests, which take any port. */
  get port(): number | undefined {
    const address = this.#server.address()
    return typeof address === 'object' ? address?.port : undefined
  }

  /** Connections that were made under others end, once what is being asked is answered. */
  use(credentials: Credentials): void {
    this.#server.setSecureContext(serverOptions(credentials))
    this.#endSoon()
  }

  status(): ListenerStatus {
    return {
      address: this.address,
      listening: this.#server.listening,
      problem: this.#problem,
      connections: this.#peers.accepted.length,
      ...this.#peers.counts,
    }
  }

  /** Nobody new; who is there has a moment. */
  retire(): void {
    this.#stopListening()
    this.#endSoon()
  }

  /** At once. Idempotent. */
  close(): void {
    this.#stopListening()
    this.#server.closeAllConnections()
  }

  #stopListening(): void {
    clearTimeout(this.#retry)
    this.#server.close()
  }

  #endSoon(): void {
    this.#server.closeIdleConnections()
    const sockets = this.#peers.accepted
    setTimeout(() => {
      for (const socket of sockets) socket.destroy()
    }, graceMs).unref()
  }

  #listen(): void {
    const { address: host, port } = this.#endpoint
    this.#server.listen({ host, port, ipv6Only: true })
  }

  #succeed(): void {
    const before = this.#problem
    this.#problem = null
    if (before === null) return
    const { address } = this
    this.#log.info({ event: 'adminAddress', address, before }, 'the administration listens again')
  }

  #fail(cause: NodeJS.ErrnoException): void {
    const problem = cause.code ?? cause.message
    if (problem !== this.#problem) {
      const { address } = this
      const code = 'ERR_SLUICE_ADMIN_ADDRESS'
      const sentence = 'the administration cannot listen there yet'
      this.#log.warn({ event: 'adminAddress', code, address, reason: problem }, sentence)
    }
    this.#problem = problem
    if (!this.#server.listening) this.#retry = setTimeout(() => this.#listen(), retryMs).unref()
  }
}
