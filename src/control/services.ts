/** Runs services: whatever one does, only its own connection pays for it, and the one opened for that. */
import type { EventEmitter } from 'node:events'
import type { Logger } from '../logger.js'
import type { DatagramSocket } from '../socket/datagram-socket.js'
import type { ServiceContext, ServicePools } from '../socket/service.js'
import type { Socket } from '../socket/socket.js'
import type { Stack } from '../stack.js'
import type { VirtualServer } from './virtual-server.js'

/** Kinds of failures that are logged, each once until the next configuration. */
const mostLogged = 100

/** Either is a client's, and what a service of its protocol is given. */
type Inbound = Socket | DatagramSocket
type Service = (inbound: Inbound, context: ServiceContext) => void | Promise<void>

export interface ServicesOptions {
  readonly stack: Stack
  readonly pools: ServicePools
  readonly log: Logger
}

export class Services {
  /** Connections that ended by what their service threw. */
  failures = 0
  readonly #options: ServicesOptions
  readonly #logged = new Set<string>()

  constructor(options: ServicesOptions) {
    this.#options = options
  }

  /** Gives the socket, of its protocol, to the service of its virtual server. Never throws. */
  run(server: VirtualServer, inbound: Inbound): void {
    const service = server.settings.service as Service | undefined
    if (!service) {
      inbound.resetAndDestroy()
      return
    }
    // A client's reset is no failure of ours, and nobody need listen for it.
    const events: EventEmitter = inbound
    events.on('error', (err) => this.#debug(server, err))
    const failed = (error: unknown) => this.#fail(server, inbound, error)
    try {
      const context = new Context(server.name, inbound, this.#options)
      const ending: unknown = service(inbound, context)
      if (ending instanceof Promise) ending.catch(failed)
    } catch (error) {
      failed(error)
    }
  }

  /** Another configuration: failures of each kind are logged again. */
  forgetLogged(): void {
    this.#logged.clear()
  }

  #fail(server: VirtualServer, inbound: Inbound, err: unknown): void {
    inbound.pair?.outbound.resetAndDestroy()
    // What it met with behind the end of its connection is no failure: a client, or it, ended that.
    if (inbound.destroyed) {
      this.#debug(server, err)
      return
    }
    this.failures++
    inbound.resetAndDestroy()
    const kind = `${server.name} ${err instanceof Error ? err.message : String(err)}`
    if (this.#logged.has(kind) || this.#logged.size >= mostLogged) return
    this.#logged.add(kind)
    this.#options.log.warn(
      { event: 'service', code: 'ERR_SLUICE_SERVICE', virtualServer: server.name, err },
      'a service threw: its connection is reset',
    )
  }

  #debug({ name: virtualServer }: VirtualServer, err: unknown): void {
    this.#options.log.debug({ event: 'service', virtualServer, err }, 'a connection was cut off')
  }
}

/** What one connection's service is given. */
class Context implements ServiceContext {
  readonly #inbound: Inbound
  readonly #options: ServicesOptions
  #ending: AbortController | undefined

  constructor(
    readonly name: string,
    inbound: Inbound,
    options: ServicesOptions,
  ) {
    this.#inbound = inbound
    this.#options = options
  }

  get stack(): Stack {
    return this.#options.stack
  }
  get pools(): ServicePools {
    return this.#options.pools
  }
  get log(): Logger {
    return this.#options.log
  }

  /** Made when it is asked for: most services have no use for it. */
  get signal(): AbortSignal {
    if (!this.#ending) {
      const ending = new AbortController()
      this.#ending = ending
      if (this.#inbound.destroyed) ending.abort()
      else {
        const events: EventEmitter = this.#inbound
        events.once('close', () => ending.abort())
      }
    }
    return this.#ending.signal
  }
}
