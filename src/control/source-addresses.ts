/**
 * The addresses that flows leave from where their servers are not to see the client's (`snat`), and who
 * has which of their ports. Two flows of virtual servers may have the same endpoint towards different
 * servers; a port is taken only where the worker of the client's packets also gets what comes back to
 * it. What leaves by an external port is steered by its server, and has an endpoint for all of them.
 */
import { hashAddress } from '../balance/hash.js'
import { parseAddress } from '../bus/address.js'
import type { ResolvedConfig, ResolvedSources } from '../config/resolved.js'
import { isTcp, leavesFromPorts } from '../protocol.js'
import { FlowFlags, type FlowView } from './flow-table.js'
import type { Node } from './node.js'
import { OutboundMappings } from './outbound-mappings.js'
import { makePortSet, PortLeases, type PortSet } from './port-leases.js'
import { addressWords, destinationWord, protocolOf, sameAddress, sourceWord } from './signature.js'
import { noSource, type SourceEndpoint } from './source-endpoint.js'

export class SourceAddress {
  readonly bytes: Uint8Array
  readonly words: Int32Array
  /** For what begins behind an internal port: it is answered from outside. */
  isOutbound = false
  /** The data flow segment was not told of it yet. */
  isNew = true
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

  /** Those of a range that come back to a worker; where they come back outside, to any. */
  usable({ first, last }: ResolvedSources, worker: number): PortSet {
    const inRange = (port: number) => port >= first && port <= last
    const sets = obtain(this.#usable, `${first} ${last} ${this.isOutbound}`, () =>
      this.isOutbound
        ? [makePortSet(inRange)]
        : Array.from({ length: this.workers }, (_, home) =>
            makePortSet((port) => inRange(port) && this.homes[port] === home),
          ),
    )
    return sets[this.isOutbound ? 0 : worker] as PortSet
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
  readonly #mappings = new OutboundMappings()

  constructor(private readonly options: SourceAddressOptions) {}

  [Symbol.iterator](): IterableIterator<SourceAddress> {
    return this.#byAddress.values()
  }

  /** Takes those of another configuration. @returns those that are new, or in another use */
  replace({
    virtualServers,
    snat,
  }: Pick<ResolvedConfig, 'virtualServers' | 'snat'>): SourceAddress[] {
    const outbound = new Set(Object.values(snat).flatMap(({ addresses }) => addresses))
    const ofServers = virtualServers.flatMap((server) => server.snat?.addresses ?? [])
    const wanted = new Set([...ofServers, ...outbound])
    const changed: SourceAddress[] = []
    for (const source of this) source.isRetired = !wanted.has(source.address)
    for (const address of wanted) {
      const source = this.#byAddress.get(address) ?? this.#make(address)
      const isOutbound = outbound.has(address)
      if (source.isNew || source.isOutbound !== isOutbound) changed.push(source)
      source.isOutbound = isOutbound
      source.isNew = false
    }
    return changed
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
   * An endpoint from which a session goes to a node, or to where it wants to; noSource where every port is
   * in use, or its protocol has none. A client keeps to one address as far as its ports go (RFC 4787,
   * REQ-2).
   * @param session that has no node yet
   */
  take(session: FlowView, snat: ResolvedSources, node: Node | null): SourceEndpoint {
    if (node) return this.#take(session, snat, node)
    const known = this.#mappings.join(session, (source) => !this.get(source)?.isRetired)
    if (known !== noSource) return known
    const taken = this.#take(session, snat, null)
    if (taken !== noSource) this.#mappings.enter(session, taken)
    return taken
  }

  #take(session: FlowView, snat: ResolvedSources, node: Node | null): SourceEndpoint {
    const { words, signatureAt, serial } = session
    const { addresses } = snat
    if (!leavesFromPorts(protocolOf(words, signatureAt))) return noSource
    const first = hashAddress(words, signatureAt + sourceWord) % addresses.length
    for (let turn = 0; turn < addresses.length; turn++) {
      const address = addresses[(first + turn) % addresses.length] as string
      const source = this.#byAddress.get(address)
      if (!source) continue
      const leases = leasesOf(session, source, node)
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
      const endpoint = (source.number << 16) | port
      const isKnown = !session.node && this.#mappings.join(session, (one) => one === endpoint) !== 0
      if (isKnown) return endpoint
      if (!leasesOf(session, source, session.node).claim(port)) return noSource
      if (!session.node) this.#mappings.enter(session, endpoint)
      return endpoint
    }
    return noSource
  }

  /** The session goes, and has its node still. */
  giveBack(session: FlowView): void {
    const { source: endpoint, words, signatureAt, node } = session
    const source = this.get(endpoint)
    if (!source || (!node && !this.#mappings.leave(session))) return
    const cools = isTcp(protocolOf(words, signatureAt)) && !session.has(FlowFlags.closed)
    leasesOf(session, source, node).giveBack(endpoint & 0xffff, cools, this.options.now())
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

/** Of what has no node, the same for all that it goes to. */
function leasesOf(session: FlowView, source: SourceAddress, node: Node | null): PortLeases {
  const { words, signatureAt } = session
  const port = !node || session.has(FlowFlags.keepsPort) ? 0 : node.port
  return source.leases(node?.address ?? '', port, protocolOf(words, signatureAt))
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
