/** What concerns several values of a configuration at once: virtual servers. */
import { formatEndpoint } from '../bus/address.js'
import type { Endpoint } from '../endpoint.js'
import type { Verdict } from '../policy/decision.js'
import { carriesPorts } from '../protocol.js'
import { isUnspecified } from './host-address.js'
import { checkPoolName } from './pool-checks.js'
import { isBroadcast, linksOf } from './reach.js'
import type { Report } from './report.js'
import type { ParsedConfig } from './schema.js'
import { checkSources } from './sources.js'
import { listenOf, type ParsedServer } from './virtual-server-schema.js'

/** Who sends flows to the pool of a virtual server. */
const listener = 'the server listens on'

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
  const ways = (['pool', 'policy', 'service'] as const).filter((way) => server[way] !== undefined)
  if (ways.length !== 1) {
    const problem = ways.length === 0 ? 'has no way to decide' : `has a ${ways.join(' and a ')}`
    report(key, problem, 'give it one of pool, policy and service')
  }
  for (const option of ['fallback', 'policyTimeoutMs'] as const) {
    if (server[option] === undefined || server.policy !== undefined) continue
    report(`${key}.${option}`, 'belongs to a policy', 'take it out, or add policy')
  }
}

/** What is of packets that are passed on means nothing where a connection ends. */
function checkService(key: string, server: ParsedServer, report: Report): void {
  if (server.service === undefined) {
    if (server.timeWaitMs === undefined) return
    report(`${key}.timeWaitMs`, 'belongs to a service', 'take it out, or add service')
    return
  }
  const { protocol } = server.listen
  if (protocol !== 'tcp' && protocol !== 'udp') {
    const problem = `is of ${protocol}, and a service has TCP connections or flows of UDP`
    report(`${key}.listen`, problem, "listen on 'tcp://' or 'udp://'")
  }
  if (protocol === 'udp' && server.timeWaitMs !== undefined) {
    report(`${key}.timeWaitMs`, 'belongs to TCP connections', 'take it out')
  }
  const others = {
    inspect: server.inspect !== undefined,
    snat: server.snat !== undefined,
    translateAddress: !server.translateAddress,
    translatePort: !server.translatePort,
    preservePort: server.preservePort,
    midSession: server.midSession !== 'reset',
  }
  for (const [option, isSet] of Object.entries(others)) {
    if (isSet) report(`${key}.${option}`, 'does not go with a service', 'take it out')
  }
}

function checkListen(
  config: ParsedConfig,
  key: string,
  server: ParsedServer,
  report: Report,
): void {
  const { endpoint, protocol } = server.listen
  if (carriesPorts(protocol) && !server.wildcardPort && endpoint.port === 0) {
    report(key, 'is on no port', 'name a port, or set wildcardPort for those that nobody else has')
  }
  if (!carriesPorts(protocol) && server.wildcardPort) {
    report(key, `is of ${protocol}, which names no port`, 'take out wildcardPort')
  }
  if (server.wildcardAddress) return
  if (isUnspecified(endpoint.address)) {
    const remedy = 'name an address, or set wildcardAddress for those that nobody else has'
    report(key, 'names no host', remedy)
  }
  const hosts = Object.values(config.ports).flatMap((port) => port.hostAddress ?? [])
  if (hosts.some((host) => host.address === endpoint.address)) {
    report(key, "is an address of the host's side of a tap", 'listen on another address')
  }
  if (isBroadcast(linksOf(config), endpoint.address, endpoint.family)) {
    report(key, 'is on the broadcast address of a network', 'listen on another address')
  }
  // A server may stand in for a node, whose address it must not claim (LB-11).
  const nodes = Object.values(config.pools).flatMap((pool) => pool.nodes)
  if (server.arp && nodes.some((node) => node.address.address === endpoint.address)) {
    const remedy =
      'listen on another address, or set arp: false where clients reach it by the engine'
    report(key, 'has the address of a node of a pool', remedy)
  }
}

/** SCTP's ports stand under a checksum that the engine does not compute. */
function checkKeptPort(
  config: ParsedConfig,
  key: string,
  { listen, pool, wildcardPort }: ParsedServer,
  report: Report,
): void {
  if (listen.protocol !== 'sctp' || wildcardPort || pool === undefined) return
  const nodes = Object.hasOwn(config.pools, pool) ? config.pools[pool].nodes : []
  const others = nodes.filter(
    ({ address: { port } }) => port !== 0 && port !== listen.endpoint.port,
  )
  if (others.length === 0) return
  const remedy = `let the nodes listen on ${listen.endpoint.port}, or name them without a port`
  report(key, `'${pool}' has nodes on other ports, and those of SCTP are not translated`, remedy)
}

/** Their numbers have 16 bits on the bus (SSMB, CSMB: vs_id), and 0 is none. */
const mostVirtualServers = 65_000

/** Of UDP the first datagram is read, of TCP what a client sends before it has a server. */
function checkInspect(key: string, server: ParsedServer, report: Report): void {
  const { inspect, listen } = server
  if (inspect === undefined) return
  const { kind, name, ...limits } = inspect
  if (kind === 'cookie' && name === undefined) {
    const remedy = "write { kind: 'cookie', name: 'session' }"
    report(`${key}.inspect`, 'reads a cookie without a name', remedy)
  }
  if (kind !== 'cookie' && name !== undefined) {
    report(`${key}.inspect.name`, 'belongs to a cookie', "take it out, or set kind: 'cookie'")
  }
  if (listen.protocol === 'udp') checkDatagrams(key, kind, limits, report)
  else checkConnections(key, server, report)
}

/** What is of packets that are passed on means nothing where a connection ends. */
function checkConnections(key: string, server: ParsedServer, report: Report): void {
  const { listen } = server
  if (listen.protocol !== 'tcp') {
    const problem = `is of ${listen.protocol}, of which nothing is read`
    report(`${key}.inspect`, problem, "listen on 'tcp://' or 'udp://', or take it out")
  }
  const others = {
    translateAddress: !server.translateAddress,
    midSession: server.midSession !== 'reset',
  }
  for (const [option, isSet] of Object.entries(others)) {
    if (!isSet) continue
    report(
      `${key}.${option}`,
      'does not go with inspect, for the connection ends here',
      'take it out',
    )
  }
}

/** What a pool balances by has to be read. */
function checkHash(config: ParsedConfig, key: string, server: ParsedServer, report: Report): void {
  const { pool = '', inspect } = server
  const balance = Object.hasOwn(config.pools, pool) ? config.pools[pool].balance.name : ''
  const [, hash, name] = /^hash (cookie|header|url|tls-session) ?(.*)$/.exec(balance) ?? []
  if (hash === undefined) return
  const kind = hash === 'tls-session' ? 'tls' : 'http'
  const isNamed = hash === 'cookie' && inspect?.kind === 'cookie' && inspect.name === name
  if (inspect?.kind === kind || isNamed) return
  const problem = `does not read what '${pool}' balances by: ${balance}`
  report(`${key}.inspect`, problem, `set it to '${kind}'`)
}

function checkDatagrams(key: string, kind: string, limits: object, report: Report): void {
  if (kind !== 'raw') {
    report(`${key}.inspect`, `reads ${kind}, which UDP does not carry`, "take 'raw', or 'tcp://'")
  }
  for (const [limit, value] of Object.entries(limits)) {
    if (value === undefined) continue
    report(`${key}.inspect.${limit}`, 'belongs to TCP connections', 'take it out')
  }
}

export function checkVirtualServers(config: ParsedConfig, report: Report): void {
  const count = Object.keys(config.virtualServers).length
  if (count > mostVirtualServers) {
    report('virtualServers', `has ${count} entries`, `name at most ${mostVirtualServers}`)
    return
  }
  const listeners = new Map<string, string>()
  for (const [name, server] of Object.entries(config.virtualServers)) {
    const key = `virtualServers.${name}`
    const { endpoint } = server.listen
    const listen = listenOf(server)
    const other = listeners.get(listen)
    if (other) report(`${key}.listen`, `is that of ${other}`, 'give each its own endpoint')
    listeners.set(listen, key)
    checkListen(config, `${key}.listen`, server, report)
    checkWayToDecide(key, server, report)
    checkService(key, server, report)
    checkInspect(key, server, report)
    if (server.service === undefined) checkSources(config, key, server, report)
    if (server.pool !== undefined) {
      checkPoolName(config, `${key}.pool`, server.pool, endpoint.family, listener, report)
      checkKeptPort(config, `${key}.pool`, server, report)
      checkHash(config, key, server, report)
    }
    if (server.fallback !== undefined) {
      checkFallback(config, `${key}.fallback`, server.fallback, endpoint, report)
    }
  }
}
