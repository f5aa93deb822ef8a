/** The algorithms by the names that a configuration uses. */
import type { Balance } from './balance.js'
import type { BalancerFactory } from './balancer.js'
import { Fastest } from './fastest.js'
import { FlowHash, hashKeys } from './flow-hash.js'
import { LeastBytes } from './least-bytes.js'
import { LeastConnections } from './least-connections.js'
import { namedKeys, requestKeys } from './request-hash.js'
import { RoundRobin } from './round-robin.js'
import { TlsSession } from './tls-session.js'
import { UserFunction } from './user-function.js'

export const algorithms = {
  'round-robin': (nodes) => new RoundRobin(nodes),
  'least-connections': (nodes) => new LeastConnections(nodes),
  'least-bytes': (nodes) => new LeastBytes(nodes),
  fastest: (nodes) => new Fastest(nodes),
} as const satisfies Record<string, BalancerFactory>

export type AlgorithmName = keyof typeof algorithms
export type HashKey = keyof typeof hashKeys

export const hashes: Readonly<Record<HashKey, BalancerFactory>> = {
  source: (nodes) => new FlowHash(nodes, hashKeys.source),
  destination: (nodes) => new FlowHash(nodes, hashKeys.destination),
  'source-destination': (nodes) => new FlowHash(nodes, hashKeys['source-destination']),
}

/** Of what the client sent first: `inspect` of its virtual server has it read. */
const requestHashes = {
  ...requestKeys,
  'tls-session': undefined,
} as const
export type RequestKey = keyof typeof requestHashes
export type NamedKey = (typeof namedKeys)[number]

export function requestHash(key: RequestKey, name: string): BalancerFactory {
  if (key === 'tls-session') return (nodes) => new TlsSession(nodes)
  return (nodes) => new FlowHash(nodes, requestKeys[key](name))
}

export const isRequestKey = (key: unknown): key is RequestKey =>
  typeof key === 'string' && Object.hasOwn(requestHashes, key)

export const isNamed = (key: RequestKey): key is NamedKey =>
  (namedKeys as readonly string[]).includes(key)

export const hashNames = [...Object.keys(hashes), ...Object.keys(requestHashes)]

export function userFunction(balance: Balance): BalancerFactory {
  return (nodes) => new UserFunction(nodes, balance)
}

/** What stands in a pool's `balance`. */
export type BalanceChoice =
  | AlgorithmName
  | { readonly hash: HashKey | Exclude<RequestKey, NamedKey> }
  | { readonly hash: NamedKey; readonly name: string }
  | Balance
