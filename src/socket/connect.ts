/** Opens connections, alone or as the other side of a client's. */
import { familyAt, parseAddress } from '../bus/address.js'
import type { OpenOrder } from '../bus/stream-orders.js'
import { SluiceError } from '../errors.js'
import { closed, inUse, wrongIdentity } from './errors.js'
import { Opening } from './opening.js'
import type { Pairs } from './pairs.js'
import { joinPair, Socket } from './socket.js'
import type { Sockets } from './sockets.js'
import type { ClientIdentity, ConnectOptions } from './types.js'

export interface ConnectHost {
  readonly sockets: Sockets
  readonly pairs: Pairs
}

const defaultTimeoutMs = 30_000

/** @throws as `Stack.connect` says */
export async function connect(host: ConnectHost, options: ConnectOptions): Promise<Socket> {
  options.signal?.throwIfAborted()
  const inbound = inboundOf(host.sockets, options.associateWith)
  if (!inbound) return begin(host, options, undefined).done
  if (isGone(inbound)) throw closed('The client is gone.')
  if (inbound.use === 'paired') throw inUse(`Socket ${inbound.id}`)
  inbound[joinPair]('reserved')
  let opening: Opening | undefined
  const gone = () => opening?.abort(closed('The client is gone.'))
  inbound.once('close', gone)
  try {
    opening = begin(host, options, inbound)
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

const isGone = (socket: Socket) => socket.use === 'closed'

function begin(
  { sockets, pairs }: ConnectHost,
  options: ConnectOptions,
  inbound: Socket | undefined,
): Opening {
  const { address, port, allowHalfOpen = false, signal } = options
  const destination = addressBytes(address)
  const order: Omit<OpenOrder, 'request'> = {
    socket: inbound?.id ?? 0,
    destination,
    destinationPort: portOf(port),
    ...sourceOf(options, inbound, destination),
  }
  const connected = (outbound: Socket) => {
    if (inbound) pairs.join(inbound, outbound, 'close')
  }
  const timeoutMs = options.timeout ?? defaultTimeoutMs
  const where = { order, address, port, allowHalfOpen }
  return new Opening(sockets, { ...where, timeoutMs, signal, connected })
}

type Source = Pick<OpenOrder, 'source' | 'sourcePort'>

function sourceOf(
  options: ConnectOptions,
  inbound: Socket | undefined,
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

function inboundOf(
  sockets: Sockets,
  client: Socket | ClientIdentity | undefined,
): Socket | undefined {
  if (client === undefined || client instanceof Socket) return client
  const end = sockets.get(client.socketId)?.end
  if (end instanceof Socket) return end
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
