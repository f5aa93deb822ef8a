/**
 * Connections that nobody has now and somebody will: a server's, as a rule, that has answered. They
 * stay open, and leave the lot the moment that anything comes for them: the next user gets a clean one.
 */
import { EventEmitter } from 'node:events'
import { formatAddress, parseAddress } from '../bus/address.js'
import type { Endpoint } from '../endpoint.js'
import { SocketOption } from '../generated/streams.js'
import { closed, inUse, parkDirty } from './errors.js'
import type { Line } from './line.js'
import type { LineEnd } from './line-end.js'
import { joinPair, lineOf, Socket, type SocketParts, takeApart } from './socket.js'
import type {
  ClientIdentity,
  EvictReason,
  ParkedHandle,
  ParkedInfo,
  ParkedMatch,
  ParkOptions,
} from './types.js'

const defaults = { ttlMs: 60_000, capacity: 1024, probeSeconds: 15 } as const

/** One connection in the lot. */
class Parked implements LineEnd, ParkedInfo {
  readonly readableLength = 0
  readonly bytesHeld = 0
  readonly parkedAt = Date.now()
  readonly #timer: NodeJS.Timeout | undefined

  constructor(
    readonly id: number,
    readonly key: string,
    readonly parts: SocketParts,
    ttl: number,
    /** It leaves the lot, and is over. */
    private readonly leave: (parked: Parked, why: EvictReason) => void,
  ) {
    this.expiresAt = this.parkedAt + ttl
    // One that lives longer than a timer can count has none.
    if (ttl < 2 ** 31) this.#timer = setTimeout(leave, ttl, this, 'ttl').unref()
  }

  readonly expiresAt: number

  get line(): Line {
    return this.parts.line
  }
  get server(): Endpoint {
    return this.parts.remote
  }
  get identity(): ClientIdentity {
    return { ...this.parts.local, socketId: this.id }
  }
  get uses(): number {
    return this.line.uses
  }
  get idleMs(): number {
    return Date.now() - this.parkedAt
  }

  cancel(): void {
    this.leave(this, 'cancelled')
  }
  /** Nothing ends it any more but its next user. */
  stopWaiting(): void {
    clearTimeout(this.#timer)
  }

  // -- of its line

  active(): void {}
  received(): void {
    this.leave(this, 'data')
  }
  peerEnded(): void {
    this.leave(this, 'end')
  }
  lineClosed(): void {
    this.leave(this, 'reset')
  }
  resetAndDestroy(): void {
    this.leave(this, 'stopped')
  }
}

export interface ParkingLotEvents {
  /** One left the lot without a user, and is closed. */
  evict: [parked: ParkedInfo, why: EvictReason]
}

export class ParkingLot extends EventEmitter<ParkingLotEvents> {
  #capacity: number = defaults.capacity
  /** In the order in which they came. */
  readonly #parked = new Map<number, Parked>()
  /** Those of each server and key, the last one last. */
  readonly #byKey = new Map<string, Parked[]>()

  /** Connections that it holds at most: those that have been there longest give way, at once. */
  get capacity(): number {
    return this.#capacity
  }
  set capacity(most: number) {
    this.#capacity = most
    this.#makeRoom()
  }

  /** Connections in it. */
  get size(): number {
    return this.#parked.size
  }

  /**
   * A connection to that server which the same client, or none, was shown on; the one that was parked last.
   * Null where there is none.
   */
  take(match: ParkedMatch): Socket | null {
    return this.takeAt(match, undefined)
  }

  /** The same. @param worker that it has to be with */
  takeAt(match: ParkedMatch, worker: number | undefined): Socket | null {
    const { key = '', allowOtherClient = false, client } = match
    const shown = client && canonical(client.address)
    const isFit = ({ line }: Parked) =>
      (allowOtherClient || line.shows === shown) &&
      (worker === undefined || line.id >>> 24 === worker)
    const parked = this.#byKey.get(indexOf(match, key))?.findLast(isFit)
    return parked ? this.#hand(parked) : null
  }

  /** @throws {SluiceError} `ERR_SLUICE_CLOSED` where it is in the lot no longer; so does redeem() */
  find(handle: ParkedHandle): ParkedInfo {
    return this.#find(handle)
  }

  /** Takes that one. */
  redeem(handle: ParkedHandle): Socket {
    return this.#hand(this.#find(handle))
  }

  entries(): IterableIterator<ParkedInfo> {
    return this.#parked.values()
  }

  /** Closes those of a key, or all. Resolves with how many they were. */
  async drain(key?: string): Promise<number> {
    const all = [...this.#parked.values()].filter((one) => key === undefined || one.key === key)
    for (const parked of all) this.#evict(parked, 'drained')
    return all.length
  }

  /** @throws as `Socket.park` says */
  async park(socket: Socket, options: ParkOptions): Promise<ParkedHandle> {
    options.signal?.throwIfAborted()
    if (socket.use === 'paired') throw inUse(`Socket ${socket.id}`)
    assertClean(socket)
    socket[joinPair]('reserved')
    try {
      await untilQuiet(socket, options.signal)
      return this.#keep(socket, options)
    } finally {
      socket[joinPair](undefined)
    }
  }

  /** A handle is good for one stay. */
  #find(handle: ParkedHandle): Parked {
    const parked = this.#parked.get(handle.id)
    if (parked === undefined || parked !== handle) {
      throw closed(`Socket ${handle.id} is parked no longer.`)
    }
    return parked
  }

  #keep(socket: Socket, { key = '', ttl, maxUses, keepAlive }: ParkOptions): ParkedHandle {
    const parts = socket[takeApart]()
    const { line } = parts
    const leave = (one: Parked, why: EvictReason) => this.#evict(one, why)
    const parked = new Parked(line.id, key, parts, ttl ?? defaults.ttlMs, leave)
    line.end = parked
    this.#parked.set(parked.id, parked)
    const index = indexOf(parked.server, key)
    const others = this.#byKey.get(index)
    if (others) others.push(parked)
    else this.#byKey.set(index, [parked])
    if (keepAlive) line.set(SocketOption.keepAlive, defaults.probeSeconds)
    line.rest()
    if (maxUses !== undefined && line.uses >= maxUses) this.#evict(parked, 'uses')
    this.#makeRoom()
    return parked
  }

  #hand(parked: Parked): Socket {
    this.#remove(parked)
    const { line } = parked
    line.uses++
    line.set(SocketOption.keepAlive, 0)
    return new Socket(parked.parts)
  }

  #makeRoom(): void {
    for (const oldest of this.#parked.values()) {
      if (this.size <= this.#capacity) break
      this.#evict(oldest, 'full')
    }
  }

  /** Whatever else comes of its end is nobody's, and its connection may be there again, for another stay. */
  #evict(parked: Parked, why: EvictReason): void {
    if (this.#parked.get(parked.id) !== parked) return
    this.#remove(parked)
    parked.line.letGo(why === 'data' || why === 'stopped' ? 'abort' : 'close')
    this.emit('evict', parked, why)
  }

  #remove(parked: Parked): void {
    parked.stopWaiting()
    this.#parked.delete(parked.id)
    const index = indexOf(parked.server, parked.key)
    const others = this.#byKey.get(index) ?? []
    others.splice(others.indexOf(parked), 1)
    if (others.length === 0) this.#byKey.delete(index)
  }
}

/** Held: what was on its way up came before the answer, what comes later is told to the lot. */
async function untilQuiet(socket: Socket, signal: AbortSignal | undefined): Promise<void> {
  const line = socket[lineOf]
  try {
    const [{ state, sndBuf, rcvBuf }] = await Promise.all([line.ask(), line.hold()])
    if (state !== 'established' || sndBuf.used + rcvBuf.used > 0) throw parkDirty(line.id)
    assertClean(socket)
    signal?.throwIfAborted()
  } catch (error) {
    if (!line.isOver && !socket.destroyed) line.release()
    throw error
  }
}

/** @throws {SluiceError} `ERR_SLUICE_CLOSED`, `ERR_SLUICE_PARK_DIRTY` */
function assertClean(socket: Socket): void {
  const line = socket[lineOf]
  if (socket.destroyed || line.isOver) throw closed('The socket is over.')
  const isOpen = socket.writable && !line.hasPeerEnded
  if (!isOpen || socket.readableLength + socket.writableLength > 0) throw parkDirty(socket.id)
}

/** As sockets have it: what a user writes need not be. */
function canonical(address: string): string {
  const bytes = parseAddress(address)
  return bytes ? formatAddress(bytes) : address
}

const indexOf = ({ address, port }: { address: string; port: number }, key: string) =>
  `${canonical(address)} ${port} ${key}`
