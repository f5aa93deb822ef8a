/** Which port leads to an address: the networks on the ports' links, then the routes. */
import { contains, type Prefix } from '../bus/address.js'
import type { Endpoint, Family } from '../endpoint.js'
import { isBroadcastOf } from './host-address.js'

export interface Links {
  readonly ports: readonly { readonly name: string; readonly addresses: readonly Prefix[] }[]
  readonly routes: readonly { readonly to: Prefix; readonly via: string }[]
}

/** The links of a configuration as the schema gives it. */
export function linksOf(config: {
  readonly ports: Readonly<Record<string, { readonly address: readonly Prefix[] }>>
  readonly routes: Links['routes']
}): Links {
  const ports = Object.entries(config.ports).map(([name, port]) => ({
    name,
    addresses: port.address,
  }))
  return { ports, routes: config.routes }
}

/** The addresses of the engine itself. */
export function ownAddresses({ ports }: Links): Set<string> {
  return new Set(ports.flatMap(({ addresses }) => addresses.map(({ address }) => address)))
}

/** The port on whose link an address lies. */
export function linkOf({ ports }: Links, address: string, family: Family): string | undefined {
  return ports.find((port) => port.addresses.some((own) => contains(own, address, family)))?.name
}

/** Whether an address is the broadcast address of a network on a port's link. */
export function isBroadcast({ ports }: Links, address: string, family: Family): boolean {
  return ports.some((port) => port.addresses.some((own) => isBroadcastOf(own, address, family)))
}

/** The port through which an address is reached: the longest prefix decides. */
export function portTowards(links: Links, address: string, family: Family): string | undefined {
  const onLink = links.ports.flatMap((port) =>
    port.addresses.map((prefix) => ({ prefix, port: port.name })),
  )
  const routed = links.routes.flatMap(({ to, via }) => {
    const port = linkOf(links, via, to.family)
    return port === undefined ? [] : [{ prefix: to, port }]
  })
  return [...onLink, ...routed]
    .filter(({ prefix }) => contains(prefix, address, family))
    .sort((a, b) => b.prefix.length - a.prefix.length)[0]?.port
}

/** The engine's own address for a packet to another: of the network that it is in, else any one of its
 *  family on the port that leads there. */
export function sourceTowards(links: Links, address: string, family: Family): string | undefined {
  const name = portTowards(links, address, family)
  const port = links.ports.find((one) => one.name === name)
  const own = port?.addresses.filter((prefix) => prefix.family === family) ?? []
  return (own.find((prefix) => contains(prefix, address, family)) ?? own[0])?.address
}

/** The ports that are internal: as they say, else where nodes are reached through them and there are
 *  others. Where all ports are one link addresses do not tell. */
export function internalPorts(config: {
  readonly forward: boolean | 'bridge'
  readonly ports: Readonly<
    Record<string, { readonly role?: string | undefined; readonly address: readonly Prefix[] }>
  >
  readonly routes: Links['routes']
  readonly pools: Readonly<Record<string, { readonly nodes: readonly ReachedNode[] }>>
}): Set<string> {
  const links = linksOf(config)
  const pools = config.forward === 'bridge' ? [] : Object.values(config.pools)
  const nodes = pools.flatMap((pool) => pool.nodes)
  const withNodes = new Set(
    nodes.map(({ address: { address, family }, nextHop }) =>
      portTowards(links, nextHop ?? address, family),
    ),
  )
  const ports = Object.entries(config.ports)
  const isInternal = ([name, { role }]: (typeof ports)[number]) =>
    role ? role === 'internal' : ports.length > 1 && withNodes.has(name)
  return new Set(ports.filter(isInternal).map(([name]) => name))
}

interface ReachedNode {
  readonly address: Endpoint
  readonly nextHop?: string | undefined
}
