/** The algorithms by the names that a configuration uses. */
import { destinationHash, sourceDestinationHash, sourceHash } from './address-hash.js'
import type { Balance } from './balance.js'
import { leastConnections } from './least-connections.js'
import { roundRobin } from './round-robin.js'

export const algorithms = {
  'round-robin': roundRobin,
  'least-connections': leastConnections,
} as const satisfies Record<string, Balance>

export const hashes = {
  source: sourceHash,
  destination: destinationHash,
  'source-destination': sourceDestinationHash,
} as const satisfies Record<string, Balance>

export type AlgorithmName = keyof typeof algorithms
export type HashKey = keyof typeof hashes

/** What stands in a pool's `balance`. */
export type BalanceChoice = AlgorithmName | { readonly hash: HashKey } | Balance
