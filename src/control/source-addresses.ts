/**
 * The addresses that flows leave from where their servers are not to see the client's (`snat`), and who
 * has which of their ports. Two flows may have the same endpoint towards different servers. A port is
 * taken only where the worker of the client's packets also gets what comes back to it.
 */
import { hashAddress } from '../balance/hash.js'
import { parseAddress } from '../bus/address.js'
import type { ResolvedSources, ResolvedVirtualServer } from '../config/resolved.js'
import { isTcp, leavesFromPorts } from '../protocol.js'
import { FlowFlags, type FlowView } from './flow-table.js'
import type { Node } from './node.js'
import { makePortSet, PortLeases, type PortSet } from './port-leases.js'
import { addressWords, destinationWord, protocolOf, sameAddress, sourceWord } from './signature.js'

/** Where a session leaves from, if not from its client's endpoint: the number of the address, 0 for the
 *  client's own, and the port. */
export type SourceEndpoint = number
export const noSource: SourceEndpoint = 0

export class SourceAddress {
  readonly bytes: Uint8Array
  readonly words: Int32Array
  /** The configuration has it no more; it goes when its last flow has. */
  isRetired = false
  readonly #leases = new Map<string, Map<number, PortLeases>>()
  /** By the range of ports, for each worker. */
  readonly #usable = new Map<string, readonly PortSet[]>()

  constructor(
    readonly number: number,
    readonly address: string,
    private readonly homes: Uint8Array,
    private readonly workers: number,
  ) {
    this.bytes = parseAddress(address) as Uint8Array
    this.words = addressWords(this.bytes)
  }

  /** Those of a range that come back to a worker. */
  usable({ first, last }: ResolvedSources, worker: number): PortSet {
    const inRange = (port: number) => port >= first && port <= last
    const sets = obtain(this.#usable, `${first} ${last}`, () =>
      Array.from({ length: this.workers }, (_, home) =>
        makePortSet((port) => inRange(port) && this.homes[port] === home),
      ),
    )
    return sets[worker] as PortSet
  }

  /** Towards an endpoint of a server. */
  leases(address: string, port: number, protocol: number): PortLeases {
    const ofAddress = obtain(this.#leases, address, () => new Map<number, PortLeases>())
    return obtain(ofAddress, port * 256 + protocol, () => new PortLeases())
  }

  get isEmpty(): boolean {
    return [...this.#leases.values()].every((of) => [...of.values()].every((one) => one.isEmpty))
  }

  /** Forgets the servers towards which nothing is in use. */
  sweep(now: number): void {
    for (const [address, of] of this.#leases) {
      for (const [key, leases] of of) if (leases.isIdle(now)) of.delete(key)
      if (of.size === 0) this.#leases.delete(address)
    }
  }
}

export interface SourceAddressOptions {
  readonly workers: number
  /** Fills in the worker that packets to each port of an address come to, from one on. */
  readonly homesOf: (address: Uint8Array, first: number, into: Uint8Array) => void
  /** Milliseconds since 1970. */
  readonly now: () => number
}

const mostAddresses = 0xffff

export class SourceAddresses {
  readonly #byAddress = new Map<string, SourceAddress>()
  readonly #byNumber: (SourceAddress | undefined)[] = []

  constructor(private readonly options: SourceAddressOptions) {}

  [Symbol.iterator](): IterableIterator<SourceAddress> {
    return this.#byAddress.values()
  }

  /** Takes those of other virtual servers. @returns those that are new */
  replace(servers: readonly ResolvedVirtualServer[]): SourceAddress[] {
    const wanted = new Set(servers.flatMap(({ snat }) => snat?.addresses ?? []))
    for (const source of this) source.isRetired = !wanted.has(source.address)
    const fresh = [...wanted].filter((address) => !this.#byAddress.has(address))
    return fresh.map((address) => this.#make(address))
  }

  /** Lets go of what is no more used. @returns the addresses that are no more ours */
  sweep(): SourceAddress[] {
    const now = this.options.now()
    for (const source of this) source.sweep(now)
    const gone = [...this].filter(({ isRetired, isEmpty }) => isRetired && isEmpty)
    for (const { address, number } of gone) {
      this.#byAddress.delete(address)
      this.#byNumber[number] = undefined
    }
    return gone
  }

  /** Whether packets of this signature go to one of them. */
  isTo(signature: Int32Array): boolean {
    for (const { words } of this) if (sameAddress(words, signature, destinationWord)) return true
    return false
  }

  /** That of an endpoint; undefined where it is the client's own. */
  get(endpoint: SourceEndpoint): SourceAddress | undefined {
    return this.#byNumber[endpoint >>> 16]
  }

  /**
   * An endpoint from which a session goes to a node; noSource where every port is in use, or its
   * protocol has none. A client keeps to one address as far as its ports go (RFC 4787, REQ-2).
   * @param session that has no node yet, but whose virtual server has `snat`
   */
  take(session: FlowView, snat: ResolvedSources, node: Node): SourceEndpoint {
    const { words, signatureAt, serial } = session
    const { addresses } = snat
    const protocol = protocolOf(words, signatureAt)
    if (!leavesFromPorts(protocol)) return noSource
    const port = session.has(FlowFlags.keepsPort) ? 0 : node.port
    const first = hashAddress(words, signatureAt + sourceWord) % addresses.length
    for (let turn = 0; turn < addresses.length; turn++) {
      const address = addresses[(first + turn) % addresses.length] as string
      const source = this.#byAddress.get(address)
      if (!source) continue
      const leases = source.leases(node.address, port, protocol)
      const taken = leases.take(source.usable(snat, workerOf(serial)), this.options.now())
      if (taken !== 0) return (source.number << 16) | taken
    }
    return noSource
  }

  /** Takes the endpoint that a session has in the data flow segment. */
  claim(session: FlowView, address: Int32Array, port: number): SourceEndpoint {
    if (sameAddress(address, session.words, session.signatureAt + sourceWord)) return port
    for (const source of this) {
      if (!sameAddress(source.words, address, 0)) continue
      return this.#leasesOf(session, source).claim(port) ? (source.number << 16) | port : noSource
    }
    return noSource
  }

  /** The session goes, and has its node still. */
  giveBack(session: FlowView): void {
    const { source: endpoint, words, signatureAt } = session
    const source = this.get(endpoint)
    if (!source) return
    const cools = isTcp(protocolOf(words, signatureAt)) && !session.has(FlowFlags.closed)
    const leases = this.#leasesOf(session, source)
    leases.giveBack(endpoint & 0xffff, cools, this.options.now())
  }

  #leasesOf(session: FlowView, source: SourceAddress): PortLeases {
    const { words, signatureAt } = session
    const node = session.node as Node
    const port = session.has(FlowFlags.keepsPort) ? 0 : node.port
    return source.leases(node.address, port, protocolOf(words, signatureAt))
  }

  #make(address: string): SourceAddress {
    let number = 1
    while (this.#byNumber[number]) number++
    if (number > mostAddresses) throw new RangeError('more source addresses than numbers')
    const homes = new Uint8Array(65_536)
    const { workers, homesOf } = this.options
    if (workers > 1) homesOf(parseAddress(address) as Uint8Array, 0, homes)
    const source = new SourceAddress(number, address, homes, workers)
    this.#byNumber[number] = source
    this.#byAddress.set(address, source)
    return source
  }
}

/** The data flow segment numbers its workers from 0 on, in the serials that they make (SSMB-11). */
export const workerOf = (serial: number) => (serial >>> 24) & 0x7f

function obtain<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  let value = map.get(key)
  if (value === undefined) {
    value = make()
    map.set(key, value)
  }
  return value
}
