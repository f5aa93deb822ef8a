/**
 * Where flows leave from that begin behind an internal port and that no virtual server takes (`snat` of
 * the configuration): those that leave by an external port, for the families that have addresses.
 */
import { networkOf, type Prefix, parseAddress } from '../bus/address.js'
import { portTowards } from '../config/reach.js'
import type { ResolvedConfig, ResolvedSources } from '../config/resolved.js'
import { leavesFromPorts } from '../protocol.js'
import type { Question } from './question.js'
import { addressWords, destinationWord, protocolOf } from './signature.js'

/** A network, and whether it is behind an external port. */
interface Network {
  readonly words: Int32Array
  /** Bits of it in each word. */
  readonly masks: Int32Array
  readonly length: number
  readonly isOutside: boolean
}

/** The third word of ::ffff:a.b.c.d. */
const mapped = 0xffff

export class Outbound {
  /** The longest first. */
  readonly #networks: readonly Network[]
  #snat: ResolvedConfig['snat']

  constructor({ ports, routes, snat }: ResolvedConfig) {
    this.#snat = snat
    const internal = new Set(ports.filter((port) => port.internal).map(({ name }) => name))
    const isOutside = (port: string | undefined) => port !== undefined && !internal.has(port)
    const onLink = ports.flatMap(({ name, addresses }) =>
      addresses.map((prefix) => networkFrom(prefix, isOutside(name))),
    )
    const links = { ports, routes: [] }
    const routed = routes.map(({ to, via }) =>
      networkFrom(to, isOutside(portTowards(links, via, to.family))),
    )
    this.#networks = [...onLink, ...routed].sort((a, b) => b.length - a.length)
  }

  /** Takes another configuration, whose ports and routes are the same. */
  configure({ snat }: ResolvedConfig): void {
    this.#snat = snat
  }

  /** Undefined where the flow with this signature keeps the endpoint that it has. */
  sourcesOf(words: Int32Array, at: number): ResolvedSources | undefined {
    // Only L4 ports tell one endpoint inside from another.
    if (!leavesFromPorts(protocolOf(words, at))) return undefined
    const isIpv4 = words[at] === 0 && words[at + 1] === 0 && words[at + 2] === mapped
    const sources = this.#snat[isIpv4 ? 4 : 6]
    return sources && this.#leadsOutside(words, at + destinationWord) ? sources : undefined
  }

  /** Whether a flow is the middle of a session whose endpoint outside is forgotten. */
  isLost({ resumes, outbound, signature }: Question): boolean {
    return resumes && outbound && this.sourcesOf(signature, 0) !== undefined
  }

  #leadsOutside(words: Int32Array, at: number): boolean {
    return this.#networks.find((network) => contains(network, words, at))?.isOutside ?? false
  }
}

function networkFrom(prefix: Prefix, isOutside: boolean): Network {
  const length = prefix.family === 4 ? prefix.length + 96 : prefix.length
  const masks = Int32Array.from([0, 32, 64, 96], (before) => {
    const bits = Math.min(Math.max(length - before, 0), 32)
    return bits === 0 ? 0 : -1 << (32 - bits)
  })
  const words = addressWords(parseAddress(networkOf(prefix)) as Uint8Array)
  return { words, masks, length, isOutside }
}

function contains({ words: network, masks }: Network, words: Int32Array, at: number): boolean {
  for (let i = 0; i < 4; i++) if (((network[i] ^ words[at + i]) & masks[i]) !== 0) return false
  return true
}
