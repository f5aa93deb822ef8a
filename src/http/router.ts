/**
 * Routes each request of a client's connection by itself (HTTP/1.x): a function names the server, the
 * heads are read here, the bodies pass in the engine, and the servers' connections are used again.
 */
import type { SluiceError } from '../errors.js'
import type { ServiceContext, ServiceFunction, ServiceRequest } from '../socket/service.js'
import type { Socket } from '../socket/socket.js'
import type { ParkOptions } from '../socket/types.js'
import { BadMessage, ownAnswer } from './bad-message.js'
import { Destination } from './destination.js'
import { Exchange, type Exchanged, ServerGone } from './exchange.js'
import type { Fields } from './fields.js'
import { type RequestHead, readRequest } from './head.js'
import { ServerSide } from './server-side.js'
import { StreamReader } from './stream-reader.js'

/** What a route is asked about. */
export interface RoutedRequest extends ServiceRequest {
  readonly host: string | undefined
  /** The client's connection. */
  readonly inbound: Socket
}

/** Where a request goes: a pool, or a server. Undefined: nowhere, which is 503. */
export type HttpTarget = string | { readonly address: string; readonly port: number } | undefined

export type HttpRoute = (request: RoutedRequest) => HttpTarget | Promise<HttpTarget>

export interface HttpRouterOptions {
  /** Whether servers see the client's address; its port they never do. Default that of the virtual server. */
  readonly preserveClient?: boolean
  /** Whether a server's connection that shows one client may serve another one; default false. */
  readonly allowOtherClient?: boolean
  /** Bytes of a head; default 16 384. */
  readonly maxHeadBytes?: number
  /** Between two requests; default 75 000. */
  readonly idleTimeoutMs?: number
  /** From a request's first byte to the end of its head; default 30 000. */
  readonly headTimeoutMs?: number
  /** For a server to take a connection; default 3000. Then it is another one's turn, where there is one. */
  readonly connectTimeoutMs?: number
  /** From a request's last byte to its answer's head; default 60 000. */
  readonly answerTimeoutMs?: number
  /** While a request or an answer is passed on, of silence: no byte moves on either side; default 60 000. */
  readonly bodyTimeoutMs?: number
  /** Protocols to which a request may have its connection upgraded, from where on it is routed no more; default
   *  `['websocket']`. Not h2c: a server that speaks that would have all that follows. */
  readonly upgrades?: readonly string[]
  /** How servers' connections are kept; `key` is the router's. */
  readonly park?: Pick<ParkOptions, 'ttl' | 'maxUses' | 'keepAlive'>
}

const defaults = {
  maxHeadBytes: 16_384,
  idleTimeoutMs: 75_000,
  headTimeoutMs: 30_000,
  connectTimeoutMs: 3000,
  answerTimeoutMs: 60_000,
  bodyTimeoutMs: 60_000,
  upgrades: ['websocket'] as readonly string[],
}
type Settings = typeof defaults & HttpRouterOptions

/** Closed behind an answer that the client may not have read: for so long it may still send. */
const lingerMs = 5000
/** May be asked again (RFC 9110 9.2.2), and has no body. */
const repeatable = ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']
const parkedKey = 'sluice.http'
/** For so long behind an answer, at most, the server's connection waits for its client's next request;
 *  then it is parked, for whoever needs one. */
const mostKeptMs = 1000
const silent = new Error('no request')
const isSilent = () => silent
const headIsLate = () => new BadMessage(408, 'the head is late')

/** A service that routes each request of a connection. */
export function httpRouter(route: HttpRoute, options: HttpRouterOptions = {}): ServiceFunction {
  return (inbound, context) =>
    new RoutedConnection(inbound, context, route, { ...defaults, ...options }).run()
}

/** Its fields are put together for who asks for them. */
function routed({ method, target, minor, fields }: RequestHead, inbound: Socket): RoutedRequest {
  let headers: Record<string, string> | undefined
  return {
    ...{ method, target, inbound },
    httpVersion: minor === 0 ? '1.0' : '1.1',
    host: fields.of('host')[0],
    get headers() {
      headers ??= headersOf(fields)
      return headers
    },
  }
}

function headersOf(fields: Fields): Record<string, string> {
  const headers: Record<string, string> = Object.create(null)
  for (const { name, value } of fields) {
    const separator = name === 'cookie' ? '; ' : ', '
    headers[name] = name in headers ? `${headers[name]}${separator}${value}` : value
  }
  return headers
}

class RoutedConnection {
  readonly #inbound: Socket
  readonly #context: ServiceContext
  readonly #route: HttpRoute
  readonly #settings: Settings
  readonly #reader: StreamReader
  /** Of the request that is being served. */
  #method = ''
  #hasAnswered = false
  /** That served last, and may serve again. */
  #server: ServerSide | undefined
  #keeping: NodeJS.Timeout | undefined
  /** When the one before that is out of the way. */
  #parted = Promise.resolve()

  constructor(inbound: Socket, context: ServiceContext, route: HttpRoute, settings: Settings) {
    this.#inbound = inbound
    this.#context = context
    this.#route = route
    this.#settings = settings
    // A client may end its side behind its last request, and read on.
    inbound.allowHalfOpen = true
    // A head and what follows are two writes: neither is to wait for the other's ACK.
    inbound.setNoDelay()
    this.#reader = new StreamReader(inbound)
  }

  async run(): Promise<void> {
    const gone = () => this.#server?.reader.fail(new Error('the client is gone'))
    this.#inbound.once('close', gone)
    try {
      while (await this.#serveOne()) {
        this.#hasAnswered = false
        this.#method = ''
      }
    } catch (error) {
      this.#refuse(error)
    } finally {
      this.#inbound.off('close', gone)
      this.#reader.stop()
      await this.#letGo()
    }
  }

  /** False where no other one follows. */
  async #serveOne(): Promise<boolean> {
    const request = await this.#readRequest()
    if (!request) {
      this.#close()
      return false
    }
    this.#method = request.method
    const { client, isReusable } = await this.#serve(request)
    if (client === 'tunnel') {
      await this.#tunnel()
      return false
    }
    if (!isReusable) await this.#letGo(false)
    else if (client === 'keep') await this.#keep()
    if (client === 'close') this.#close()
    return client === 'keep'
  }

  /** Undefined where the client has no more, or is silent. */
  async #readRequest(): Promise<RequestHead | undefined> {
    const { idleTimeoutMs, headTimeoutMs, maxHeadBytes } = this.#settings
    const reader = this.#reader
    try {
      reader.limit(idleTimeoutMs, isSilent)
      if (!(await reader.untilBytes())) return undefined
    } catch (error) {
      if (error === silent) return undefined
      throw error
    }
    reader.limit(headTimeoutMs, headIsLate)
    const text = await reader.head(maxHeadBytes)
    reader.noLimit()
    if (text === undefined) return undefined
    const request = readRequest(text)
    const { upgrade } = request
    const isFine = !upgrade || this.#settings.upgrades.includes(upgrade.toLowerCase())
    return isFine ? request : { ...request, upgrade: undefined }
  }

  async #serve(request: RequestHead): Promise<Exchanged> {
    for (let isFirst = true; ; isFirst = false) {
      const to = await this.#serverOf(request)
      let isTunnel = false
      try {
        const exchanged = await this.#exchange(request, await this.#serverAt(to, isFirst))
        isTunnel = exchanged.client === 'tunnel'
        return exchanged
      } catch (error) {
        if (!(error instanceof ServerGone)) throw error
        // It ended the connection while we took it: another one will do, where nothing was changed.
        const isRepeatable =
          request.framing.kind === 'none' && repeatable.includes(request.method) && error.cause
        if (!isFirst || !isRepeatable) throw new BadMessage(502, 'the server is gone')
      } finally {
        // A tunnel is a connection of its node until its client's ends.
        if (!isTunnel) to.release()
      }
    }
  }

  async #exchange(request: RequestHead, server: ServerSide): Promise<Exchanged> {
    const { isReused } = server
    const exchange = new Exchange(server, request, this.#reader, this.#settings)
    try {
      return await exchange.run()
    } catch (error) {
      this.#server = undefined
      await server.end()
      const isGone = error instanceof ServerGone
      throw isGone ? new ServerGone('', { cause: isReused || undefined }) : error
    } finally {
      this.#hasAnswered = exchange.hasAnswered
    }
  }

  async #serverOf(request: RequestHead): Promise<Destination> {
    const asked = routed(request, this.#inbound)
    const to = await this.#route(asked)
    const isPool = typeof to === 'string'
    const node = isPool ? this.#context.pools.pick(to, this.#inbound, asked) : undefined
    const server = isPool ? node : to
    if (server === undefined) throw new BadMessage(503, 'no server')
    return new Destination(server, node)
  }

  /** The one that served last, where the request is for it; else one that is parked, or a new one. */
  async #serverAt(to: Destination, mayReuse: boolean): Promise<ServerSide> {
    clearTimeout(this.#keeping)
    if (this.#server?.suits(to)) return this.#server
    await this.#letGo()
    const { pair } = await this.#connect(to, mayReuse)
    if (!pair) throw new BadMessage(502, 'the server is gone')
    const { address, port } = to
    this.#server = new ServerSide(pair, { address, port })
    if (!this.#server.isReused) to.served()
    return this.#server
  }

  /** Nothing of the request is gone yet: where a server takes no connection, another one may have it. */
  async #connect(to: Destination, mayReuse: boolean): Promise<Socket> {
    for (;;) {
      try {
        return await this.#open(to, mayReuse)
      } catch (error) {
        if (this.#context.signal.aborted) throw error
        const { code, message } = error as SluiceError
        if (to.failed(code)) continue
        throw new BadMessage(code === 'ERR_SLUICE_TIMEOUT' ? 504 : 502, message)
      }
    }
  }

  async #open({ address, port }: Destination, mayReuse: boolean): Promise<Socket> {
    const { preserveClient = this.#inbound.preserveClient, allowOtherClient } = this.#settings
    const outbound = await this.#context.stack.connect({
      ...{ address, port, associateWith: this.#inbound, mirrorOptions: false },
      // The client has one port for all its requests, and servers remember closed connections.
      preserveClient: preserveClient && { port: false },
      reuseParked: mayReuse && { key: parkedKey, allowOtherClient },
      timeout: this.#settings.connectTimeoutMs,
      signal: this.#context.signal,
    })
    return outbound.setNoDelay()
  }

  /** Each request is a use of it, where uses are counted: those of the lot. */
  #keep(): Promise<void> | undefined {
    const { ttl = mostKeptMs, maxUses } = this.#settings.park ?? {}
    if (maxUses !== undefined) return this.#letGo()
    this.#keeping = setTimeout(() => void this.#letGo(), Math.min(mostKeptMs, ttl))
    return undefined
  }

  /** What is on its way passes, then the engine has it; where that cannot, TypeScript. */
  async #tunnel(): Promise<void> {
    this.#reader.stop()
    const server = this.#server
    this.#server = undefined
    if (!server) return
    const { reader, pair } = server
    reader.stop()
    const [asked, answered] = [this.#reader.takeRest(), reader.takeRest()]
    if (asked) pair.outbound.write(asked)
    if (answered) pair.inbound.write(answered)
    try {
      await pair.unproxy()
    } catch (error) {
      // The two sockets are with two workers.
      const isApart = (error as SluiceError).code === 'ERR_SLUICE_STATE' && pair.mode === 'proxied'
      if (isApart) return void pair.process()
      await server.end()
      throw error
    }
  }

  /** Nobody reads it any more: the next one that needs it takes it. */
  #letGo(isReusable = true): Promise<void> {
    clearTimeout(this.#keeping)
    const server = this.#server
    this.#server = undefined
    if (server) this.#parted = this.#park(server, isReusable)
    return this.#parted
  }

  async #park(server: ServerSide, isReusable: boolean): Promise<void> {
    await server.part()
    const { outbound } = server.pair
    if (outbound.destroyed) return
    const { park } = this.#settings
    const parked =
      isReusable && !server.reader.hasBytes && outbound.park({ ...park, key: parkedKey })
    // What it sends behind its answer is nobody's.
    await Promise.resolve(parked).catch(() => false)
    if (!outbound.destroyed) outbound.destroy()
  }

  /** What was written goes, and what still comes is read for a while: a RST would take the answer along. */
  #close(): void {
    this.#reader.stop()
    const inbound = this.#inbound
    inbound.end()
    inbound.resume()
    const timer = setTimeout(() => inbound.destroy(), lingerMs).unref()
    inbound.once('close', () => clearTimeout(timer))
  }

  #refuse(error: unknown): void {
    if (this.#context.signal.aborted || this.#inbound.destroyed) return
    const isBad = error instanceof BadMessage
    if (this.#hasAnswered) {
      // Half an answer: only a reset says so.
      this.#inbound.resetAndDestroy()
      return
    }
    if (!isBad) {
      const details = {
        event: 'service',
        code: 'ERR_SLUICE_SERVICE',
        name: this.#context.name,
      } as const
      this.#context.log.warn({ ...details, err: error }, 'a route failed')
    }
    this.#inbound.write(ownAnswer(isBad ? error.status : 500, this.#method))
    this.#close()
  }
}
