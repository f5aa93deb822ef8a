/** The algorithms by the names that a configuration uses. */
import { AddressHash, hashKeys } from './address-hash.js'
import type { Balance } from './balance.js'
import type { BalancerFactory } from './balancer.js'
import { Fastest } from './fastest.js'
import { LeastBytes } from './least-bytes.js'
import { LeastConnections } from './least-connections.js'
import { RoundRobin } from './round-robin.js'
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
  source: (nodes) => new AddressHash(nodes, hashKeys.source),
  destination: (nodes) => new AddressHash(nodes, hashKeys.destination),
  'source-destination': (nodes) => new AddressHash(nodes, hashKeys['source-destination']),
}

export function userFunction(balance: Balance): BalancerFactory {
  return (nodes) => new UserFunction(nodes, balance)
}

/** What stands in a pool's `balance`. */
export type BalanceChoice = AlgorithmName | { readonly hash: HashKey } | Balance
