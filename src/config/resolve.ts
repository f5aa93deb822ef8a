/** From what a user wrote to what the engine runs, or to the list of everything wrong with it. */
import { configError } from '../errors.js'
import type { CheckSettings } from '../health/settings.js'
import { checkConfig } from './checks.js'
import type { SluiceConfig } from './config.js'
import { inspectBounds, policyTimeoutBounds } from './defaults.js'
import { describeIssues } from './issues.js'
import type { ParsedCheck } from './pool-schema.js'
import { internalPorts } from './reach.js'
import {
  type ResolvedConfig,
  type ResolvedInspect,
  type ResolvedPort,
  type ResolvedVirtualServer,
  resolved,
} from './resolved.js'
import { keysAt, type ParsedConfig, schema } from './schema.js'
import { outboundSources, sourcesOf } from './sources.js'
import { endpointOf, type ParsedServer } from './virtual-server-schema.js'

function resolvePorts(config: ParsedConfig): ResolvedPort[] {
  const ports = Object.entries(config.ports)
  const internal = internalPorts(config)
  return ports.map(([name, port]) => ({
    name,
    kind: port.kind,
    device: port.device ?? name,
    addresses: port.address,
    hostAddresses: port.hostAddress ?? [],
    netns: port.netns,
    mac: port.mac?.toLowerCase() ?? '',
    mtu: port.mtu,
    vlans: port.vlan ?? [],
    internal: internal.has(name),
    offloads: port.offloads,
    capture: port.capture,
  }))
}

function resolveVirtualServer(
  config: ParsedConfig,
  name: string,
  server: ParsedServer,
): ResolvedVirtualServer {
  return {
    name,
    protocol: server.listen.protocol,
    listen: endpointOf(server),
    decide: server.pool ?? server.policy,
    service: server.service,
    terminates: server.service !== undefined,
    preserveClient: server.preserveClient ?? true,
    allowHalfOpen: false,
    timeWaitMs: server.timeWaitMs ?? config.timeouts.timeWaitMs,
    policyTimeoutMs: server.policyTimeoutMs ?? policyTimeoutBounds.default,
    fallback: server.fallback ?? { reject: 'reset' },
    idleTimeoutMs: server.idleTimeoutMs,
    midSession: server.midSession,
    connectionLimit: server.connectionLimit,
    maintenance: server.maintenance,
    refuse: server.refuse,
    onRemove: server.onRemove,
    arp: server.arp,
    translateAddress: server.translateAddress,
    translatePort: server.translatePort,
    preservePort: server.preservePort,
    snat: sourcesOf(config, server),
    wildcardAddress: server.wildcardAddress,
    wildcardPort: server.wildcardPort || server.listen.protocol === 'ip',
    inspect: server.inspect && resolveInspect(server.inspect),
  }
}

function resolveInspect(inspect: NonNullable<ParsedServer['inspect']>): ResolvedInspect {
  const { kind, name = '', unread = 'reset' } = inspect
  const usual = (key: keyof typeof inspectBounds) => inspect[key] ?? inspectBounds[key].default
  return {
    kind,
    name,
    maxBytes: usual('maxBytes'),
    timeoutMs: usual('timeoutMs'),
    connectTimeoutMs: usual('connectTimeoutMs'),
    unread,
  }
}

function resolveCheck(check: ParsedCheck): CheckSettings {
  const { kind, run, intervalMs, timeoutMs, rise, fall } = check
  const { path = '/', host, status = { first: 200, last: 399 }, body } = check
  const how = {
    tcp: () => ({ kind: 'tcp' as const }),
    http: () => ({ kind: 'http' as const, path, host, status, body }),
    // checkConfig made sure that it is there.
    function: () => ({ kind: 'function' as const, run: run as NonNullable<typeof run> }),
  }[kind]()
  return { how, intervalMs, timeoutMs, rise, fall }
}

/** A flow of which nothing was heard for so long should have ended by itself, and that been told. */
function longestSilence(timeouts: ParsedConfig['timeouts']): number {
  const { tcpEstablishedMs, tcpOpeningMs, tcpClosingMs, statsIntervalMs } = timeouts
  const { udpMs, icmpMs, otherMs } = timeouts
  const ofTcp = Math.max(tcpEstablishedMs, tcpOpeningMs, tcpClosingMs)
  return Math.max(ofTcp, udpMs, icmpMs, otherMs) + 2 * statsIntervalMs
}

function build(config: ParsedConfig): ResolvedConfig {
  const pools = Object.entries(config.pools).map(([name, pool]) => ({
    name,
    nodes: pool.nodes.map(({ address: endpoint, ...settings }) => ({ endpoint, ...settings })),
    balance: pool.balance.make,
    balanceName: pool.balance.name,
    fallback: pool.fallback,
    slowStartMs: pool.slowStartMs,
    onDown: pool.onDown,
    check: pool.check && resolveCheck(pool.check),
    passive: pool.passive,
  }))
  return {
    [resolved]: true,
    ports: resolvePorts(config),
    routes: config.routes,
    pools,
    virtualServers: Object.entries(config.virtualServers).map(([name, server]) =>
      resolveVirtualServer(config, name, server),
    ),
    forward: config.forward,
    synCookies: config.synCookies,
    snat: outboundSources(config),
    admin: config.admin,
    workers: config.workers,
    cpus: config.cpus,
    limits: config.limits,
    timeouts: {
      ...config.timeouts,
      reapMs: config.timeouts.reapMs || longestSilence(config.timeouts),
    },
  }
}

function isResolved(config: unknown): config is ResolvedConfig {
  return typeof config === 'object' && config !== null && resolved in config
}

/**
 * Checks a configuration and puts the defaults in. A resolved one comes back as it is.
 * @throws {SluiceError} `ERR_SLUICE_CONFIG`, with every problem in `issues`. `subject` is its name
 * in the sentence.
 */
export function resolveConfig(
  config: SluiceConfig | ResolvedConfig | unknown,
  subject = 'The configuration',
): ResolvedConfig {
  if (isResolved(config)) return config
  const parsed = schema.safeParse(config)
  if (!parsed.success) {
    throw configError(subject, describeIssues(parsed.error, config, keysAt))
  }
  const issues = checkConfig(parsed.data)
  if (issues.length > 0) throw configError(subject, issues)
  return build(parsed.data)
}
