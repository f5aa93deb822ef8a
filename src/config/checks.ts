/** What concerns several values of a configuration at once. Each check reports what it finds. */
import { contains, formatEndpoint, formatPrefix } from '../bus/address.js'
import type { Endpoint, Family } from '../endpoint.js'
import type { ConfigIssue } from '../errors.js'
import type { Verdict } from '../policy/decision.js'
import { longestDevice, minimumIpv6Mtu, mostPorts } from './defaults.js'
import type { ParsedCheck } from './pool-schema.js'
import { isBroadcast, linkOf, linksOf, portTowards } from './reach.js'
import type { ParsedConfig } from './schema.js'

type Report = (key: string, problem: string, remedy: string) => void
type ParsedServer = ParsedConfig['virtualServers'][string]

/** Who sends flows to the pool of a virtual server. */
const listener = 'the server listens on'

const isIpv6 = (address: { family: Family }) => address.family === 6

function checkPort(name: string, port: ParsedConfig['ports'][string], report: Report): void {
  const key = `ports.${name}`
  if (port.kind !== 'memory' && port.device === undefined && name.length > longestDevice) {
    report(`${key}.device`, 'is missing, and the name of the port is too long for it', 'add it')
  }
  if (port.hostAddress && port.kind !== 'tap') {
    report(
      `${key}.hostAddress`,
      `belongs to a tap, and this port is ${port.kind}`,
      'take it out, or make the port a tap',
    )
  }
  if (port.mtu < minimumIpv6Mtu && port.address.some(isIpv6)) {
    report(
      `${key}.mtu`,
      `is below ${minimumIpv6Mtu}, which IPv6 needs`,
      `set it to at least ${minimumIpv6Mtu}, or take out the IPv6 address`,
    )
  }
  for (const host of port.hostAddress ?? []) {
    const near = port.address.some(
      (own) => contains(own, host.address, host.family) || contains(host, own.address, own.family),
    )
    if (near) continue
    report(
      `${key}.hostAddress`,
      `${formatPrefix(host)} is in no network of the port`,
      'give both sides of the link addresses of one network',
    )
  }
}

function checkPorts(config: ParsedConfig, report: Report): void {
  const ports = Object.entries(config.ports)
  if (ports.length === 0) report('ports', 'is empty', 'name at least one port')
  if (ports.length > mostPorts) {
    report('ports', `has ${ports.length} entries`, `name at most ${mostPorts} ports`)
  }
  const devices = new Map<string, string>()
  const owners = new Map<string, string>()
  for (const [name, port] of ports) {
    checkPort(name, port, report)
    const device = `${port.netns} ${port.device ?? name}`
    const other = devices.get(device)
    if (other !== undefined && port.kind !== 'memory') {
      report(`ports.${name}.device`, `is that of port ${other}`, 'give each port its own device')
    }
    devices.set(device, name)
    const own = port.address.map((prefix) => ['address', prefix.address] as const)
    const hosts = (port.hostAddress ?? []).map((prefix) => ['hostAddress', prefix.address] as const)
    for (const [field, address] of [...own, ...hosts]) {
      const key = `ports.${name}.${field}`
      const owner = owners.get(address)
      if (owner) report(key, `${address} is that of ${owner}`, 'use each address once')
      owners.set(address, key)
    }
  }
}

function checkRoutes(config: ParsedConfig, report: Report): void {
  const links = linksOf(config)
  const own = new Set(links.ports.flatMap((port) => port.addresses.map((at) => at.address)))
  config.routes.forEach(({ to, via }, i) => {
    const key = `routes[${i}].via`
    if (own.has(via)) {
      report(key, `${via} is an address of the engine`, 'name the router that is the next hop')
    } else if (linkOf(links, via, to.family) === undefined) {
      report(
        key,
        `${via} is on the link of no port`,
        `name a router of IPv${to.family} in the network of a port`,
      )
    } else if (isBroadcast(links, via, to.family)) {
      report(key, `${via} is the broadcast address of a network`, 'name the router itself')
    }
  })
}

/** Where flows go while a pool has no node for them: pools of its family, and none twice. */
function checkStandIns(config: ParsedConfig, name: string, report: Report): void {
  const key = `pools.${name}.fallback`
  const { nodes, fallback } = config.pools[name]
  if (fallback === undefined) return
  checkPoolName(config, key, fallback, nodes[0].address.family, 'it has those of', report)
  const seen = new Set([name])
  for (let next: string | undefined = fallback; next !== undefined; ) {
    if (seen.has(next)) {
      report(key, `leads back to '${next}'`, 'let the last of them have no fallback')
      return
    }
    seen.add(next)
    next = poolNamed(config, next)?.fallback
  }
}

/** Keys of a check, by its kind. */
const checkKeys = { tcp: [], http: ['path', 'host', 'status', 'body'], function: ['run'] } as const

function checkCheck(key: string, check: ParsedCheck | undefined, report: Report): void {
  if (!check) return
  for (const [kind, names] of Object.entries(checkKeys)) {
    for (const name of names) {
      if (check[name] === undefined || kind === check.kind) continue
      report(`${key}.${name}`, `belongs to kind '${kind}'`, 'take it out, or change the kind')
    }
  }
  if (check.kind === 'function' && !check.run) {
    report(`${key}.run`, 'is missing', 'write it as async (node, { signal }) => boolean')
  }
}

function checkPools(config: ParsedConfig, report: Report): void {
  const links = linksOf(config)
  const own = new Set(links.ports.flatMap((port) => port.addresses.map((at) => at.address)))
  for (const [name, pool] of Object.entries(config.pools)) {
    checkStandIns(config, name, report)
    checkCheck(`pools.${name}.check`, pool.check, report)
    const seen = new Set<string>()
    pool.nodes.forEach(({ address: node }, i) => {
      const key = `pools.${name}.nodes[${i}]`
      const text = formatEndpoint(node)
      if (seen.has(text)) report(key, `${text} is in the list twice`, 'name each node once')
      seen.add(text)
      if (node.family !== pool.nodes[0].address.family) {
        report(key, 'is of another IP family than the first node', 'make a pool for each family')
      }
      if (own.has(node.address)) {
        report(key, `${node.address} is an address of the engine`, 'name a server behind a port')
      } else if (portTowards(links, node.address, node.family) === undefined) {
        report(
          key,
          `${node.address} is in no network of a port and has no route`,
          'add a port with an address in its network, or a route to it',
        )
      } else if (isBroadcast(links, node.address, node.family)) {
        report(key, `${node.address} is the broadcast address of a network`, 'name one server')
      }
    })
  }
}

function poolNamed(config: ParsedConfig, name: string) {
  return Object.hasOwn(config.pools, name) ? config.pools[name] : undefined
}

/** Reports a pool that does not exist or that is of another family than who sends flows there. */
function checkPoolName(
  config: ParsedConfig,
  key: string,
  name: string,
  family: Family,
  sender: string,
  report: Report,
): void {
  const pool = poolNamed(config, name)
  if (!pool) {
    const names = Object.keys(config.pools).join(', ') || 'none yet'
    report(key, `names no pool: '${name}'`, `add pools.${name}, or take one of: ${names}`)
  } else if (pool.nodes[0].address.family !== family) {
    report(
      key,
      `'${name}' has IPv${pool.nodes[0].address.family} nodes and ${sender} IPv${family}`,
      'translation keeps the family: use a pool of the same one',
    )
  }
}

function checkFallback(
  config: ParsedConfig,
  key: string,
  fallback: Verdict,
  listen: Endpoint,
  report: Report,
): void {
  if ('pool' in fallback) checkPoolName(config, key, fallback.pool, listen.family, listener, report)
  if (!('node' in fallback)) return
  const nodes = Object.values(config.pools).flatMap((pool) => pool.nodes)
  const node = nodes.find(({ address }) => formatEndpoint(address) === fallback.node)
  if (!node || node.address.family !== listen.family) {
    report(
      key,
      `names no node of IPv${listen.family}: '${fallback.node}'`,
      "name the 'address:port' of a node of a pool",
    )
  }
}

/** A virtual server has one way to decide, and the options of a policy only with a policy. */
function checkWayToDecide(key: string, server: ParsedServer, report: Report): void {
  if ((server.pool === undefined) === (server.policy === undefined)) {
    const problem = server.pool === undefined ? 'has no way to decide' : 'has a pool and a policy'
    report(key, problem, 'give it either pool or policy')
  }
  for (const option of ['fallback', 'policyTimeoutMs'] as const) {
    if (server[option] === undefined || server.policy !== undefined) continue
    report(`${key}.${option}`, 'belongs to a policy', 'take it out, or add policy')
  }
}

function checkListen(config: ParsedConfig, key: string, listen: Endpoint, report: Report): void {
  const hosts = Object.values(config.ports).flatMap((port) => port.hostAddress ?? [])
  if (hosts.some((host) => host.address === listen.address)) {
    report(key, "is an address of the host's side of a tap", 'listen on another address')
  }
  if (isBroadcast(linksOf(config), listen.address, listen.family)) {
    report(key, 'is on the broadcast address of a network', 'listen on another address')
  }
  const nodes = Object.values(config.pools).flatMap((pool) => pool.nodes)
  if (nodes.some((node) => formatEndpoint(node.address) === formatEndpoint(listen))) {
    report(key, 'is also a node of a pool', 'listen on another address or port')
  }
}

/** Their numbers have 16 bits on the bus (SSMB, CSMB: vs_id), and 0 is none. */
const mostVirtualServers = 65_000

function checkVirtualServers(config: ParsedConfig, report: Report): void {
  const count = Object.keys(config.virtualServers).length
  if (count > mostVirtualServers) {
    report('virtualServers', `has ${count} entries`, `name at most ${mostVirtualServers}`)
    return
  }
  const listeners = new Map<string, string>()
  for (const [name, server] of Object.entries(config.virtualServers)) {
    const key = `virtualServers.${name}`
    const { protocol, endpoint } = server.listen
    const listen = `${protocol}://${formatEndpoint(endpoint)}`
    const other = listeners.get(listen)
    if (other) report(`${key}.listen`, `is that of ${other}`, 'give each its own endpoint')
    listeners.set(listen, key)
    checkListen(config, `${key}.listen`, endpoint, report)
    checkWayToDecide(key, server, report)
    if (server.pool !== undefined) {
      checkPoolName(config, `${key}.pool`, server.pool, endpoint.family, listener, report)
    }
    if (server.fallback !== undefined) {
      checkFallback(config, `${key}.fallback`, server.fallback, endpoint, report)
    }
  }
}

function checkWorkers({ workers, cpus, ports }: ParsedConfig, report: Report): void {
  if (cpus.length > 0 && cpus.length !== workers) {
    report(
      'cpus',
      `has ${cpus.length} entries for ${workers} workers`,
      'name one CPU for each worker, or none',
    )
  }
  if (workers === 1) return
  for (const [name, port] of Object.entries(ports)) {
    if (port.kind !== 'xdp') continue
    report(
      `ports.${name}.kind`,
      'is xdp, which one worker serves',
      "set workers to 1, or take the kind 'packet'",
    )
  }
}

export function checkConfig(config: ParsedConfig): ConfigIssue[] {
  const issues: ConfigIssue[] = []
  const report: Report = (key, problem, remedy) => issues.push({ key, problem, remedy })
  for (const check of [checkPorts, checkRoutes, checkPools, checkVirtualServers, checkWorkers]) {
    check(config, report)
  }
  return issues
}
