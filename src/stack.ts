/** The sockets of an engine, for its users: docs/sockets.md. */
import { familyAt, formatAddress, parseAddress } from './bus/address.js'
import type { SluiceConfig } from './config/config.js'
import type { Endpoint } from './endpoint.js'
import { SluiceError } from './errors.js'
import { associate } from './socket/associate.js'
import { connect, connectDatagrams } from './socket/connect.js'
import { DatagramPair } from './socket/datagram-pair.js'
import type { DatagramSocket } from './socket/datagram-socket.js'
import { closed } from './socket/errors.js'
import type { SocketPair } from './socket/pair.js'
import type { Pairs } from './socket/pairs.js'
import type { ParkingLot } from './socket/parking.js'
import { Server } from './socket/server.js'
import type { Socket } from './socket/socket.js'
import type { Sockets } from './socket/sockets.js'
import type {
  AssociateOptions,
  CloseOptions,
  ConnectOptions,
  DatagramConnectOptions,
  DatagramListenOptions,
  DatagramQuery,
  FlowQuery,
  GetOptions,
  ListenOptions,
  PairInfo,
  PairMode,
  ParkedHandle,
  StackStats,
} from './socket/types.js'
import { until } from './socket/until.js'
import { type StackOptions, stackConfig } from './stack-options.js'

/** What a listener asks of the engine. */
export interface ListenOrder {
  readonly protocol: 'tcp' | 'udp'
  /** The address zero is any that is nobody's else, and the port 0 any port. */
  readonly endpoint: Endpoint
  readonly allowHalfOpen: boolean
  readonly connectionLimit: number
  readonly take: ((socket: Socket) => void) | ((socket: DatagramSocket) => void)
  /** Called when the engine stops. */
  readonly ended: () => void
}

/** The engine, as far as its stack needs it. */
export interface StackHost {
  readonly sockets: Sockets
  readonly pairs: Pairs
  /** Resolves with what takes it back. @throws {SluiceError} `ERR_SLUICE_ADDR_IN_USE` */
  listen(order: ListenOrder): Promise<() => Promise<void>>
  /** Connections that are over and remembered in TIME-WAIT. */
  timeWait(): number
  stop(): Promise<void>
}

const defaultBacklog = 511

type AnySocket = Socket | DatagramSocket
type AnyServer = Server<AnySocket>

export class Stack implements AsyncDisposable {
  readonly #host: StackHost
  readonly #servers = new Set<AnyServer>()
  /** Made by open(): the engine is its own, and ends with it. */
  #ownsEngine = false
  #closing: Promise<void> | undefined

  constructor(host: StackHost) {
    this.#host = host
  }

  /**
   * Starts an engine that has nothing but sockets. `Engine.start` with a configuration gives one with
   * virtual servers, pools and policies as well, and a stack, too.
   * @throws {SluiceError} what `Engine.start` throws
   */
  static async open(options: StackOptions): Promise<Stack> {
    // An engine has a stack; this is the one way round that a module graph cannot have.
    const { Engine } = await import('./engine.js')
    const { logger, signal, segment } = options
    const config: SluiceConfig = stackConfig(options)
    const { stack } = await Engine.start(config, { logger, signal, segment })
    stack.#ownsEngine = true
    return stack
  }

  /**
   * Takes the connections to an endpoint, of the engine's own address or of another one that it then
   * answers for; of UDP, the flows that begin.
   * @throws {SluiceError} `ERR_SLUICE_ADDR_IN_USE`, `ERR_SLUICE_ADDR_NOT_OWNED`; the reason of `signal`,
   * which closes the server, too, whenever it comes
   */
  async listen(options: ListenOptions, onConnection?: (socket: Socket) => void): Promise<Server>
  async listen(
    options: DatagramListenOptions,
    onSocket?: (socket: DatagramSocket) => void,
  ): Promise<Server<DatagramSocket>>
  async listen(
    options: ListenOptions | DatagramListenOptions,
    onConnection?: (socket: never) => void,
  ): Promise<AnyServer> {
    const { signal, backlog = defaultBacklog } = options
    signal?.throwIfAborted()
    this.#assertOpen()
    const endpoint = endpointOf(options)
    // Clients may be there before it is told that it listens.
    const server: AnyServer = new Server({ endpoint, backlog })
    if (onConnection) server.on('connection', onConnection as (socket: AnySocket) => void)
    server.unlisten = await this.#host.listen({
      protocol: options.protocol ?? 'tcp',
      endpoint,
      allowHalfOpen: 'allowHalfOpen' in options && options.allowHalfOpen === true,
      connectionLimit: options.connectionLimit ?? Number.POSITIVE_INFINITY,
      take: (socket: AnySocket) => server.take(socket),
      ended: () => server.end(),
    })
    this.#keep(server, signal)
    if (signal?.aborted || this.#closing) {
      await server.close()
      signal?.throwIfAborted()
      this.#assertOpen()
    }
    return server
  }

  /**
   * Opens a connection, or a flow of UDP. With `associateWith` it is the other side of that client's:
   * they are a pair, and the server sees the client.
   * @throws {SluiceError} `ERR_SLUICE_NO_ROUTE`, `ERR_SLUICE_TIMEOUT`, `ERR_SLUICE_IN_USE`,
   * `ERR_SLUICE_TUPLE_IN_USE`, `ERR_SLUICE_STATE`, `ERR_SLUICE_IDENTITY`, `ERR_SLUICE_MEMORY`,
   * `ERR_SLUICE_CLOSED`; errors with the codes ECONNREFUSED and ECONNRESET; the reason of `signal`
   */
  async connect(options: ConnectOptions): Promise<Socket>
  async connect(options: DatagramConnectOptions): Promise<DatagramSocket>
  async connect(
    options: ConnectOptions | DatagramConnectOptions,
  ): Promise<Socket | DatagramSocket> {
    this.#assertOpen()
    return options.protocol === 'udp'
      ? connectDatagrams(this.#host, options)
      : connect(this.#host, options)
  }

  /**
   * Makes a pair of two sockets that have none, or of one and a connection that is parked.
   * @throws {SluiceError} `ERR_SLUICE_IN_USE`, `ERR_SLUICE_STATE`, `ERR_SLUICE_BUFFERED`,
   * `ERR_SLUICE_IDENTITY`; `ERR_SLUICE_CLOSED` where it is parked no longer
   */
  async associate(
    inbound: Socket,
    outbound: Socket | ParkedHandle,
    options: AssociateOptions = {},
  ): Promise<SocketPair> {
    options.signal?.throwIfAborted()
    return associate(this.#host, inbound, outbound, options)
  }

  /** Connections that wait for their next user (SOCK-25). */
  get parking(): ParkingLot {
    return this.#host.sockets.parking
  }

  /**
   * The pair, whose bytes a service has again unless `proxy` is false; null where there is none.
   * @throws {SluiceError} `ERR_SLUICE_NO_SUCH_FLOW` where it is `required`
   */
  async get(query: FlowQuery, options?: GetOptions): Promise<SocketPair | null>
  async get(query: DatagramQuery, options?: GetOptions): Promise<DatagramPair | null>
  async get(
    query: FlowQuery | DatagramQuery,
    options: GetOptions = {},
  ): Promise<SocketPair | DatagramPair | null> {
    const { proxy = true, required = false, signal } = options
    signal?.throwIfAborted()
    const pair = this.#find(query) ?? null
    if (pair && proxy) await pair.proxy({ signal })
    if (pair || !required) return pair
    throw new SluiceError(
      'ERR_SLUICE_NO_SUCH_FLOW',
      'There is no such pair.',
      'Leave `required` out where there need not be one.',
    )
  }

  #find(query: FlowQuery | DatagramQuery): SocketPair | DatagramPair | undefined {
    if ('protocol' in query && query.protocol === 'udp')
      return this.#host.pairs.findDatagrams(query)
    return this.#host.pairs.find(query as FlowQuery)
  }

  async *pairs(
    filter: { mode?: PairMode; service?: string } = {},
  ): AsyncGenerator<PairInfo, undefined> {
    for (const pair of this.#host.pairs) {
      const protocol = pair instanceof DatagramPair ? 'udp' : 'tcp'
      const info: PairInfo = { protocol, ...pair.report() }
      if (filter.mode !== undefined && info.mode !== filter.mode) continue
      if (filter.service === undefined || info.service === filter.service) yield info
    }
  }

  stats(): StackStats {
    const { sockets, pairs } = this.#host
    return {
      sockets: sockets.size,
      parked: sockets.parking.size,
      pairs: pairs.byMode,
      timeWait: this.#host.timeWait(),
      bytesHeld: sockets.bytesHeld,
    }
  }

  /**
   * Takes no more connections, and ends those that there are: after `graceMs`, or when the last one is
   * over. One of `Stack.open` stops its engine. Idempotent.
   * @throws the reason of `signal`, the moment that it comes: sockets are reset then
   */
  close(options: CloseOptions = {}): Promise<void> {
    this.#closing ??= this.#close(options)
    return this.#closing
  }

  async #close({ graceMs = 0, signal }: CloseOptions): Promise<void> {
    const { sockets } = this.#host
    sockets.abortOpenings(stackClosed())
    await sockets.parking.drain()
    const servers = await Promise.allSettled([...this.#servers].map((server) => server.close()))
    try {
      if (graceMs > 0) await until(sockets.empty(graceMs), signal)
    } finally {
      for (const line of sockets) line.end.resetAndDestroy()
      if (this.#ownsEngine) await this.#host.stop()
    }
    for (const server of servers) if (server.status === 'rejected') throw server.reason
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #keep(server: AnyServer, signal: AbortSignal | undefined): void {
    const close = () => void server.close().catch(ignore)
    this.#servers.add(server)
    signal?.addEventListener('abort', close, { once: true })
    server.once('close', () => {
      this.#servers.delete(server)
      signal?.removeEventListener('abort', close)
    })
  }

  #assertOpen(): void {
    if (this.#closing) throw stackClosed()
  }
}

const stackClosed = () => closed('The stack was closed.')
/** Who closes a server himself learns why that failed. */
const ignore = () => {}

/** @throws {SluiceError} `ERR_SLUICE_ADDR_NOT_OWNED` */
function endpointOf({ address, port }: Pick<ListenOptions, 'address' | 'port'>): Endpoint {
  const bytes = parseAddress(address === '*' ? '0.0.0.0' : address)
  const number = port === '*' ? 0 : port
  if (bytes && Number.isInteger(number) && port !== 0 && number >= 0 && number <= 65_535) {
    return { address: formatAddress(bytes), port: number, family: familyAt(bytes) }
  }
  throw new SluiceError(
    'ERR_SLUICE_ADDR_NOT_OWNED',
    `Nobody can listen on ${address}:${port}.`,
    "Name an IP address, and a port from 1 to 65535 or '*'.",
  )
}
