/** The addresses that the flows of a virtual server leave from. */
import { familyAt, parseAddress } from '../bus/address.js'
import { leavesFromPorts, protocolNumber } from '../protocol.js'
import { sourcePortBounds } from './defaults.js'
import { isBroadcast, linksOf, ownAddresses, sourceTowards } from './reach.js'
import type { Report } from './report.js'
import type { ResolvedSources } from './resolved.js'
import type { ParsedConfig } from './schema.js'
import type { ParsedServer } from './virtual-server-schema.js'

/** The pools that its flows may go to: every one of its family where a policy decides. */
function poolsOf(config: ParsedConfig, server: ParsedServer): ParsedConfig['pools'][string][] {
  const { family } = server.listen.endpoint
  const all = Object.values(config.pools)
  if (server.pool === undefined) {
    return all.filter(({ nodes }) => nodes[0].address.family === family)
  }
  const reached = new Set<string>()
  for (let name: string | undefined = server.pool; name !== undefined && !reached.has(name); ) {
    if (!Object.hasOwn(config.pools, name)) break
    reached.add(name)
    name = config.pools[name].fallback
  }
  return [...reached].map((name) => config.pools[name])
}

/** The engine's own addresses towards the nodes. */
function insideAddresses(config: ParsedConfig, server: ParsedServer): string[] {
  const links = linksOf(config)
  const nodes = poolsOf(config, server).flatMap((pool) => pool.nodes)
  const addresses = nodes.flatMap(({ address: { address, family }, nextHop }) => {
    const own = sourceTowards(links, nextHop ?? address, family)
    return own === undefined ? [] : [own]
  })
  return [...new Set(addresses)]
}

/** Undefined where servers see the client. */
export function sourcesOf(config: ParsedConfig, server: ParsedServer): ResolvedSources | undefined {
  const { min: first, max: last } = sourcePortBounds
  if (server.snat) return { addresses: server.snat.addresses, ...server.snat.ports }
  if (server.preserveClient ?? true) return undefined
  return { addresses: insideAddresses(config, server), first, last }
}

export function checkSources(
  config: ParsedConfig,
  key: string,
  server: ParsedServer,
  report: Report,
): void {
  const { preserveClient, preservePort, snat, translateAddress } = server
  if (preserveClient && snat) {
    report(`${key}.preserveClient`, 'contradicts snat', 'take one of them out')
  }
  if (preservePort && (snat || preserveClient === false)) {
    const other = snat ? 'snat' : 'preserveClient: false'
    report(`${key}.preservePort`, `contradicts ${other}`, 'take one of them out')
  }
  if (!preserveClient && !snat && preserveClient === undefined) return
  if (preserveClient && !snat) return
  const { protocol, endpoint } = server.listen
  if (protocol !== 'ip' && !leavesFromPorts(protocolNumber(protocol, endpoint.family))) {
    const remedy = 'let servers see the client, and answer by the engine'
    report(`${key}.listen`, `is of ${protocol}, whose flows have no port to leave from`, remedy)
  }
  if (!translateAddress) {
    const remedy = 'take out one of them: such a node answers from the virtual address'
    report(`${key}.translateAddress`, 'is false, and snat changes the source', remedy)
  }
  if (!snat && insideAddresses(config, server).length > 1) {
    const remedy = 'name the one to leave from with snat'
    report(`${key}.preserveClient`, 'is false, and the engine has several addresses there', remedy)
  }
  snat?.addresses.forEach((address, i) => {
    const source = { of: `${key}.snat`, address, before: snat.addresses.slice(0, i) }
    checkSource(config, source, server, report)
  })
}

interface Source {
  readonly of: string
  readonly address: string
  readonly before: readonly string[]
}

function checkSource(
  config: ParsedConfig,
  { of, address, before }: Source,
  { listen }: ParsedServer,
  report: Report,
): void {
  const links = linksOf(config)
  const family = familyAt(parseAddress(address) as Uint8Array)
  const nodes = Object.values(config.pools).flatMap((pool) => pool.nodes)
  const hosts = Object.values(config.ports).flatMap((port) => port.hostAddress ?? [])
  if (before.includes(address)) report(of, `${address} is in the list twice`, 'name each once')
  if (family !== listen.endpoint.family) {
    const remedy = `name one of IPv${listen.endpoint.family}: translation keeps the family`
    report(of, `${address} is of another IP family than listen`, remedy)
  } else if (nodes.some((node) => node.address.address === address)) {
    report(of, `${address} is the address of a node`, 'take one that nobody has')
  } else if (hosts.some((host) => host.address === address)) {
    report(of, `${address} is of the host's side of a tap`, 'take one that nobody has')
  } else if (isBroadcast(links, address, family)) {
    report(of, `${address} is the broadcast address of a network`, 'take that of a host')
  } else if (config.routes.some(({ via }) => via === address)) {
    report(of, `${address} is a router`, 'take one that nobody has')
  } else if (
    !ownAddresses(links).has(address) &&
    sourceTowards(links, address, family) === undefined
  ) {
    const remedy = 'take one of the network of a port, or an address of the engine'
    report(of, `${address} is in no network that a port leads to`, remedy)
  }
}
