/** Opens connections, alone or as the other side of a client's. */
import { familyAt, parseAddress } from '../bus/address.js'
import type { OpenOrder } from '../bus/stream-orders.js'
import { SluiceError } from '../errors.js'
import { SocketProtocol } from '../generated/streams.js'
import { DatagramLine } from './datagram-line.js'
import { DatagramSocket } from './datagram-socket.js'
import { closed, inUse, wrongIdentity } from './errors.js'
import { Line } from './line.js'
import { type Opened, Opening } from './opening.js'
import type { Pairs } from './pairs.js'
import { joinPair, lineOf, Socket } from './socket.js'
import type { Sockets } from './sockets.js'
import type { ClientIdentity, ConnectOptions, DatagramConnectOptions, SocketUse } from './types.js'

export interface ConnectHost {
  readonly sockets: Sockets
  readonly pairs: Pairs
}

const defaultTimeoutMs = 30_000

/** What both kinds of sockets have that is of interest here. */
interface Either {
  readonly id: number
  readonly use: SocketUse
  readonly pair: unknown
  readonly destroyed: boolean
  readonly remoteAddress: string
  readonly remotePort: number
  readonly preserveClient: boolean
  [joinPair](pair: 'reserved' | undefined): void
  once(event: 'close', listener: () => void): unknown
  off(event: 'close', listener: () => void): unknown
  emit(event: 'connect' | 'ready'): boolean
  resetAndDestroy(): unknown
}

type EitherOptions = Omit<ConnectOptions, 'protocol' | 'associateWith'>

/** Whoever parks it later has to know whom its server sees. */
function noteClient(_pairs: Pairs, inbound: Socket, outbound: Socket): void {
  if (outbound.localAddress === inbound.remoteAddress) {
    outbound[lineOf].shows = inbound.remoteAddress
  }
}

/** @throws {SluiceError} `ERR_SLUICE_IDENTITY` */
function takeParked(
  { sockets }: ConnectHost,
  { address, port, reuseParked, ...options }: EitherOptions,
  inbound: Socket | undefined,
): Socket | null {
  if (!reuseParked) return null
  const policy = reuseParked === true ? {} : reuseParked
  if (options.localAddress !== undefined || options.localPort) return null
  if (policy.allowOtherClient && options.preserveClient === true) {
    throw wrongIdentity(
      'The server cannot be shown the client where it may be shown another one.',
      'Leave preserveClient or allowOtherClient out.',
    )
  }
  const preserved = options.preserveClient ?? inbound?.preserveClient
  const isShown = typeof preserved === 'boolean' ? preserved : (preserved?.address ?? true)
  const client = inbound && isShown ? { address: inbound.remoteAddress } : undefined
  // Of another worker it could not be relayed to.
  const worker = inbound && inbound.id >>> 24
  return sockets.parking.takeAt({ address, port, client, ...policy }, worker)
}

/** How a kind of sockets is made, and paired. */
interface Kind<Made> extends Opened<Made> {
  readonly protocol: number
  isOne(end: unknown): end is Made
  join(pairs: Pairs, inbound: Made, outbound: Made): void
  /** One that is parked, and will do. */
  reused?(host: ConnectHost, options: EitherOptions, inbound: Made | undefined): Made | null
}

const streams = (allowHalfOpen: boolean): Kind<Socket> => ({
  protocol: SocketProtocol.tcp,
  isOne: (end) => end instanceof Socket,
  line: ({ socket, credit }, sockets) => new Line(socket, sockets, credit),
  make: (line, sockets, local, remote) =>
    new Socket({ line, sockets, local, remote, allowHalfOpen }),
  join: (pairs, inbound, outbound) => {
    noteClient(pairs, inbound, outbound)
    pairs.join(inbound, outbound, 'close')
  },
  reused: takeParked,
})

const datagrams: Kind<DatagramSocket> = {
  protocol: SocketProtocol.udp,
  isOne: (end) => end instanceof DatagramSocket,
  line: (message, sockets) => new DatagramLine(message, sockets),
  make: (line, _sockets, local, remote) =>
    new DatagramSocket({ line: line as DatagramLine, local, remote }),
  join: (pairs, inbound, outbound) => pairs.joinDatagrams(inbound, outbound),
}

/** @throws as `Stack.connect` says */
export async function connect(host: ConnectHost, options: ConnectOptions): Promise<Socket> {
  return open(host, options, options.associateWith, streams(options.allowHalfOpen ?? false))
}

/** @throws as `Stack.connect` says */
export async function connectDatagrams(
  host: ConnectHost,
  options: DatagramConnectOptions,
): Promise<DatagramSocket> {
  return open(host, options, options.associateWith, datagrams)
}

async function open<Made extends Either>(
  host: ConnectHost,
  options: EitherOptions,
  associateWith: Made | ClientIdentity | undefined,
  kind: Kind<Made>,
): Promise<Made> {
  options.signal?.throwIfAborted()
  const inbound = inboundOf(host.sockets, associateWith, kind)
  if (!inbound) {
    return kind.reused?.(host, options, undefined) ?? begin(host, options, undefined, kind).done
  }
  if (isGone(inbound)) throw closed('The client is gone.')
  if (inbound.use === 'paired') throw inUse(`Socket ${inbound.id}`)
  const reused = kind.reused?.(host, options, inbound)
  if (reused) {
    kind.join(host.pairs, inbound, reused)
    return reused
  }
  inbound[joinPair]('reserved')
  let opening: Opening<Made> | undefined
  const gone = () => opening?.abort(closed('The client is gone.'))
  inbound.once('close', gone)
  try {
    opening = begin(host, options, inbound, kind)
    const outbound = await opening.done
    // Gone in the same moment: nobody would end what was opened for it.
    if (isGone(inbound)) {
      outbound.resetAndDestroy()
      throw closed('The client is gone.')
    }
    return outbound
  } finally {
    inbound.off('close', gone)
    if (!inbound.pair) inbound[joinPair](undefined)
  }
}

const isGone = ({ use }: Either) => use === 'closed' || use === 'parked'

/**
 * Opens what takes the place of the other side of a client's socket, which still has one: in no pair yet.
 * @throws as `Stack.connect` says
 */
export async function connectBeside(
  host: ConnectHost,
  options: Omit<ConnectOptions, 'associateWith'>,
  inbound: Socket,
): Promise<Socket> {
  options.signal?.throwIfAborted()
  const reused = takeParked(host, options, inbound)
  if (reused) return reused
  const kind = { ...streams(options.allowHalfOpen ?? false), join: noteClient }
  return begin(host, options, inbound, kind).done
}

function begin<Made extends Either>(
  { sockets, pairs }: ConnectHost,
  options: EitherOptions,
  inbound: Made | undefined,
  kind: Kind<Made>,
): Opening<Made> {
  const { address, port, signal } = options
  const destination = addressBytes(address)
  const order: Omit<OpenOrder, 'request'> = {
    socket: inbound?.id ?? 0,
    protocol: kind.protocol,
    destination,
    destinationPort: portOf(port),
    ...sourceOf(options, inbound, destination),
    mirror: options.mirrorOptions ?? true,
  }
  const connected = (outbound: Made) => {
    if (inbound) kind.join(pairs, inbound, outbound)
  }
  const timeoutMs = options.timeout ?? defaultTimeoutMs
  const { line, make } = kind
  return new Opening(sockets, { order, address, port, line, make, timeoutMs, signal, connected })
}

type Source = Pick<OpenOrder, 'source' | 'sourcePort'>

function sourceOf(
  options: EitherOptions,
  inbound: Either | undefined,
  destination: Uint8Array,
): Source {
  const { address, localAddress, localPort = 0, preserveClient } = options
  if (localAddress !== undefined || localPort !== 0 || !inbound) {
    const source = localAddress === undefined ? undefined : addressBytes(localAddress)
    return { source, sourcePort: portOf(localPort, 0) }
  }
  const preserved = preserveClient ?? inbound.preserveClient
  const keeps = (what: 'address' | 'port') =>
    typeof preserved === 'boolean' ? preserved : (preserved[what] ?? true)
  if (!keeps('address')) return { source: undefined, sourcePort: 0 }
  const { remoteAddress, remotePort } = inbound
  const source = addressBytes(remoteAddress)
  if (familyAt(source) !== familyAt(destination)) {
    throw wrongIdentity(
      `${address} cannot see the client ${remoteAddress}: it is of another IP family.`,
      'Take a server of the same family, or preserveClient: false.',
    )
  }
  return { source, sourcePort: keeps('port') ? remotePort : 0 }
}

function inboundOf<Made extends Either>(
  sockets: Sockets,
  client: Made | ClientIdentity | undefined,
  kind: Kind<Made>,
): Made | undefined {
  if (client === undefined || kind.isOne(client)) return client
  const end = 'socketId' in client ? sockets.get(client.socketId)?.end : undefined
  if (kind.isOne(end)) return end
  throw closed('The client is gone.')
}

/** @throws {SluiceError} `ERR_SLUICE_ADDR_NOT_OWNED` */
function addressBytes(address: string): Uint8Array {
  const bytes = parseAddress(address)
  if (bytes) return bytes
  throw new SluiceError(
    'ERR_SLUICE_ADDR_NOT_OWNED',
    `${address} is not an IP address.`,
    'Look names up first, as with node:dns: the engine does not.',
  )
}

function portOf(port: number, lowest = 1): number {
  if (Number.isInteger(port) && port >= lowest && port <= 65_535) return port
  throw new SluiceError(
    'ERR_SLUICE_ADDR_NOT_OWNED',
    `${port} is not a port.`,
    `Take a whole number from ${lowest} to 65535.`,
  )
}
