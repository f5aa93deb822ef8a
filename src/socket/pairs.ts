/** All pairs of an engine, and how they are found. */
import { parseAddress } from '../bus/address.js'
import type { Endpoint } from '../endpoint.js'
import { SluiceError } from '../errors.js'
import { DatagramPair } from './datagram-pair.js'
import type { DatagramSocket } from './datagram-socket.js'
import { SocketPair } from './pair.js'
import type { Socket } from './socket.js'
import type { DatagramQuery, FlowQuery, PairMode, PeerClose } from './types.js'

export type AnyPair = SocketPair | DatagramPair

export class Pairs {
  readonly #pairs = new Map<number, AnyPair>()
  #lastId = 0

  get size(): number {
    return this.#pairs.size
  }

  [Symbol.iterator](): IterableIterator<AnyPair> {
    return this.#pairs.values()
  }

  /** Pairs by mode; of those that are closed there are none. */
  get byMode(): Record<PairMode, number> {
    const counts = { proxied: 0, draining: 0, relay: 0, splice: 0, reproxying: 0, closed: 0 }
    for (const { mode } of this.#pairs.values()) counts[mode]++
    return counts
  }

  join(inbound: Socket, outbound: Socket, onPeerClose: PeerClose): SocketPair {
    const id = ++this.#lastId
    const ended = () => void this.#pairs.delete(id)
    const pair = new SocketPair({ id, inbound, outbound, onPeerClose, pairs: this, ended })
    this.#pairs.set(id, pair)
    return pair
  }

  joinDatagrams(inbound: DatagramSocket, outbound: DatagramSocket): DatagramPair {
    const id = ++this.#lastId
    const ended = () => void this.#pairs.delete(id)
    const pair = new DatagramPair({ id, inbound, outbound, ended })
    this.#pairs.set(id, pair)
    return pair
  }

  /** @throws {SluiceError} `ERR_SLUICE_NO_SUCH_FLOW` where the query is none */
  find(query: FlowQuery): SocketPair | undefined {
    return this.#find(query, (pair) => pair instanceof SocketPair)
  }

  /** @throws {SluiceError} `ERR_SLUICE_NO_SUCH_FLOW` where the query is none */
  findDatagrams(query: DatagramQuery): DatagramPair | undefined {
    return this.#find(query, (pair) => pair instanceof DatagramPair)
  }

  #find<Pair extends AnyPair>(
    query: FlowQuery | DatagramQuery,
    isOfKind: (pair: AnyPair) => pair is Pair,
  ): Pair | undefined {
    const isMeant = matcher(query)
    for (const pair of this.#pairs.values()) if (isOfKind(pair) && isMeant(pair)) return pair
    return undefined
  }
}

/** What both kinds of sockets are found by. */
type Found = Pick<Socket, 'id' | 'remoteAddress' | 'remotePort' | 'localAddress' | 'localPort'>
interface FoundPair {
  readonly id: number
  readonly inbound: Found
  readonly outbound: Found
}

function matcher(query: FlowQuery | DatagramQuery): (pair: FoundPair) => boolean {
  if ('pairId' in query) return ({ id }) => id === query.pairId
  if ('socketId' in query) {
    const { socketId } = query
    return ({ inbound, outbound }) => inbound.id === socketId || outbound.id === socketId
  }
  if ('client' in query) {
    const { client, vip } = query
    return ({ inbound }) => remoteIs(inbound, client) && (!vip || localIs(inbound, vip))
  }
  if ('src' in query) {
    const { src, dst } = query
    const isSocket = (socket: Found) =>
      (remoteIs(socket, src) && localIs(socket, dst)) ||
      (remoteIs(socket, dst) && localIs(socket, src))
    return ({ inbound, outbound }) => isSocket(inbound) || isSocket(outbound)
  }
  throw new SluiceError(
    'ERR_SLUICE_NO_SUCH_FLOW',
    'A pair is not found by that.',
    'Name { socketId }, { pairId }, { client } or { protocol, src, dst }.',
  )
}

const remoteIs = (socket: Found, endpoint: Endpoint) =>
  socket.remotePort === endpoint.port && isSame(socket.remoteAddress, endpoint.address)

const localIs = (socket: Found, endpoint: Endpoint) =>
  socket.localPort === endpoint.port && isSame(socket.localAddress, endpoint.address)

/** Those of sockets are canonical; what a user writes need not be. */
function isSame(canonical: string, written: string): boolean {
  if (canonical === written) return true
  const [one, other] = [parseAddress(canonical), parseAddress(written)]
  return one !== undefined && other !== undefined && Buffer.compare(one, other) === 0
}
