/** Which addresses can be those of one host that others reach. */
import { contains, type Prefix, parsePrefix } from '../bus/address.js'
import type { Family } from '../endpoint.js'

/** RFC 1122 3.2.1.3, RFC 1112 4, RFC 4291 2.4. */
const kinds: readonly [string, string][] = [
  ['0.0.0.0/8', 'names no host'],
  ['127.0.0.0/8', 'is a loopback address'],
  ['224.0.0.0/4', 'is a multicast address'],
  ['255.255.255.255/32', 'is the broadcast address'],
  ['::/128', 'names no host'],
  ['::1/128', 'is a loopback address'],
  ['ff00::/8', 'is a multicast address'],
]

const linkLocal = parsePrefix('fe80::/10') as Prefix

const refused = kinds.map(([text, problem]) => ({ prefix: parsePrefix(text) as Prefix, problem }))

/** What is wrong with an address as that of a host; undefined where nothing is. */
export function hostProblem(address: string, family: Family): string | undefined {
  return refused.find(({ prefix }) => contains(prefix, address, family))?.problem
}

/** Stands for any address of its family. */
export function isUnspecified(address: string): boolean {
  return address === '0.0.0.0' || address === '::'
}

/** The same for an address beyond a link: fe80::/10 says nothing about which link is meant. */
export function routedHostProblem(address: string, family: Family): string | undefined {
  if (contains(linkLocal, address, family)) return 'is a link-local address'
  return hostProblem(address, family)
}

/** Whether an address is the broadcast address of an IPv4 network; RFC 3021: a /31 has none. */
export function isBroadcastOf(network: Prefix, address: string, family: Family): boolean {
  if (family !== 4 || network.length >= 31 || !contains(network, address, family)) return false
  const word = address.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0)
  return (word + 1) % 2 ** (32 - network.length) === 0
}
