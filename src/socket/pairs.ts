/** All pairs of an engine, and how they are found. */
import { parseAddress } from '../bus/address.js'
import type { Endpoint } from '../endpoint.js'
import { SluiceError } from '../errors.js'
import { SocketPair } from './pair.js'
import type { Socket } from './socket.js'
import type { FlowQuery, PairMode, PeerClose } from './types.js'

export class Pairs {
  readonly #pairs = new Map<number, SocketPair>()
  #lastId = 0

  get size(): number {
    return this.#pairs.size
  }

  [Symbol.iterator](): IterableIterator<SocketPair> {
    return this.#pairs.values()
  }

  /** Pairs by mode; of those that are closed there are none. */
  get byMode(): Record<PairMode, number> {
    const counts = { proxied: 0, draining: 0, relay: 0, reproxying: 0, closed: 0 }
    for (const { mode } of this.#pairs.values()) counts[mode]++
    return counts
  }

  join(inbound: Socket, outbound: Socket, onPeerClose: PeerClose): SocketPair {
    const id = ++this.#lastId
    const ended = () => void this.#pairs.delete(id)
    const pair = new SocketPair({ id, inbound, outbound, onPeerClose, ended })
    this.#pairs.set(id, pair)
    return pair
  }

  /** @throws {SluiceError} `ERR_SLUICE_NO_SUCH_FLOW` where the query is none */
  find(query: FlowQuery): SocketPair | undefined {
    if ('pairId' in query) return this.#pairs.get(query.pairId)
    const isMeant = matcher(query)
    for (const pair of this.#pairs.values()) if (isMeant(pair)) return pair
    return undefined
  }
}

function matcher(query: Exclude<FlowQuery, { pairId: number }>): (pair: SocketPair) => boolean {
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
    const isSocket = (socket: Socket) =>
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

const remoteIs = (socket: Socket, endpoint: Endpoint) =>
  socket.remotePort === endpoint.port && isSame(socket.remoteAddress, endpoint.address)

const localIs = (socket: Socket, endpoint: Endpoint) =>
  socket.localPort === endpoint.port && isSame(socket.localAddress, endpoint.address)

/** Those of sockets are canonical; what a user writes need not be. */
function isSame(canonical: string, written: string): boolean {
  if (canonical === written) return true
  const [one, other] = [parseAddress(canonical), parseAddress(written)]
  return one !== undefined && other !== undefined && Buffer.compare(one, other) === 0
}
