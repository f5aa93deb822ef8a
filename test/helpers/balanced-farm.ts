/** A farm as a balance algorithm sees it, and what the control segment does after each choice. */
import type { BalancedFlow, BalancerFactory } from '../../src/balance/balancer.js'
import { hashAddress } from '../../src/balance/hash.js'
import { encodeEndpoint } from '../../src/control/signature.js'
import type { Family } from '../../src/endpoint.js'
import type { NodeFigures } from '../../src/policy/new-flow.js'

type Mutable<T> = { -readonly [K in keyof T]: T[K] }
export type FarmNode = Mutable<NodeFigures>

export function balancedFarm(
  make: BalancerFactory,
  addresses: readonly string[],
  weights: readonly number[] = [],
) {
  const nodes = addresses.map((address, index): FarmNode => {
    const weight = weights[index] ?? 1
    return {
      name: `${address}:80`,
      address,
      port: 80,
      index,
      connections: 0,
      totalConnections: 0,
      bytesIn: 0,
      bytesOut: 0,
      recentBytes: 0,
      lastOpenedAt: 0,
      lastActiveAt: 0,
      responseMs: undefined,
      weight,
      configuredWeight: weight,
      state: 'up',
      available: true,
    }
  })
  const balancer = make(nodes)
  /** The node for a flow, which it keeps. */
  const choose = (client = '192.0.2.10', destination = '192.0.2.100'): FarmNode | undefined => {
    const node = balancer.choose(flowBetween(client, destination))
    if (!node) return undefined
    node.connections++
    node.totalConnections++
    return node
  }
  /** The places of the nodes for so many flows. */
  const places = (count: number) => Array.from({ length: count }, () => choose()?.index)
  return { nodes, choose, places }
}

export function flowBetween(client: string, destination: string): BalancedFlow {
  return {
    client: { address: client },
    destination: { address: destination },
    sourceHash: hashOf(client),
    destinationHash: hashOf(destination),
  } as BalancedFlow
}

const hashOf = (address: string) =>
  hashAddress(encodeEndpoint({ address, port: 0, family: 4 }).address, 0)

export const addressesOf = (count: number, family: Family) =>
  Array.from({ length: count }, (_, i) => (family === 4 ? `10.1.0.${i + 1}` : `2001:db8::${i + 1}`))

export const clientsOf = (count: number, family: Family) =>
  Array.from({ length: count }, (_, i) =>
    family === 4
      ? `198.${51 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`
      : `2001:db8:${i.toString(16)}::1`,
  )
