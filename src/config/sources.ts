/** The addresses that flows leave from, those of a virtual server and those that begin inside. */
import { familyAt, parseAddress } from '../bus/address.js'
import { leavesFromPorts, protocolNumber } from '../protocol.js'
import { sourcePortBounds } from './defaults.js'
import {
  internalPorts,
  isBroadcast,
  linksOf,
  ownAddresses,
  portTowards,
  sourceTowards,
} from './reach.js'
import type { Report } from './report.js'
import type { ResolvedConfig, ResolvedSources } from './resolved.js'
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
  if (server.service !== undefined) return undefined
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
    const { family } = server.listen.endpoint
    if (familyOf(address) !== family) {
      const remedy = `name one of IPv${family}: translation keeps the family`
      report(source.of, `${address} is of another IP family than listen`, remedy)
    } else {
      checkSource(config, source, report)
    }
  })
}

/** By family, those that flows leave from which begin behind an internal port. */
export function outboundSources({ snat }: ParsedConfig): ResolvedConfig['snat'] {
  if (!snat) return {}
  const families = ([4, 6] as const).flatMap((family) => {
    const addresses = snat.addresses.filter((address) => familyOf(address) === family)
    return addresses.length > 0 ? [[family, { addresses, ...snat.ports }] as const] : []
  })
  return Object.fromEntries(families)
}

export function checkOutboundSources(config: ParsedConfig, report: Report): void {
  const { snat, forward } = config
  if (!snat) return
  const internal = internalPorts(config)
  if (forward !== true) {
    report('snat', `is for what is routed, and forward is ${forward}`, 'take one of them out')
  }
  if (internal.size === 0) {
    report('snat', 'is for what begins behind an internal port', "give a port role: 'internal'")
  }
  snat.addresses.forEach((address, i) => {
    const source = { of: 'snat', address, before: snat.addresses.slice(0, i) }
    checkSource(config, source, report)
    const port = portTowards(linksOf(config), address, familyOf(address))
    const users = Object.entries(config.virtualServers).filter(([, server]) =>
      sourcesOf(config, server)?.addresses.includes(address),
    )
    if (port !== undefined && internal.has(port)) {
      report(
        'snat',
        `${address} is behind an internal port`,
        'take one that is reached from outside',
      )
    } else if (users.length > 0) {
      const remedy = 'take another one for what begins inside'
      report('snat', `flows of virtualServers.${users[0]?.[0]} leave from ${address}`, remedy)
    }
  })
}

const familyOf = (address: string) => familyAt(parseAddress(address) as Uint8Array)

interface Source {
  readonly of: string
  readonly address: string
  readonly before: readonly string[]
}

function checkSource(config: ParsedConfig, { of, address, before }: Source, report: Report): void {
  const links = linksOf(config)
  const family = familyOf(address)
  const nodes = Object.values(config.pools).flatMap((pool) => pool.nodes)
  const hosts = Object.values(config.ports).flatMap((port) => port.hostAddress ?? [])
  if (before.includes(address)) report(of, `${address} is in the list twice`, 'name each once')
  if (nodes.some((node) => node.address.address === address)) {
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
