/** The schema of a configuration: structure and single values. What concerns several values at
 *  once is in checks.ts. */
import { z } from 'zod'
import {
  familyAt,
  formatAddress,
  networkOf,
  type Prefix,
  parseAddress,
  parseEndpoint,
  parsePrefix,
} from '../bus/address.js'
import type { Endpoint } from '../endpoint.js'
import { type Policy, readDecision, type Verdict } from '../policy/decision.js'
import type { Protocol } from '../policy/new-flow.js'
import {
  connectionLimitBounds,
  cpuBounds,
  idleTimeoutBounds,
  limitBounds,
  mtuBounds,
  policyTimeoutBounds,
  timeoutBounds,
  workerBounds,
} from './defaults.js'
import { hostProblem, isBroadcastOf, routedHostProblem } from './host-address.js'
import { pool, poolKeysAt } from './pool-schema.js'
import { bounded, boundedObject, matching, oneOrMore, reading } from './readers.js'

const ownAddress = reading<Prefix>((input) => {
  const remedy = "write it as '192.0.2.1/24' or '2001:db8::1/64'"
  const prefix = typeof input === 'string' ? parsePrefix(input) : undefined
  if (!prefix) return { problem: 'is not an address with the length of its network', remedy }
  const { address, family } = prefix
  if (isBroadcastOf(prefix, address, family)) {
    return { problem: 'is the broadcast address of its network', remedy }
  }
  const problem = hostProblem(address, family)
  return problem === undefined ? prefix : { problem, remedy }
})

const network = reading<Prefix>((input) => {
  const prefix = typeof input === 'string' ? parsePrefix(input) : undefined
  if (!prefix) {
    return {
      problem: 'is not a network',
      remedy: "write it as '203.0.113.0/24', or '0.0.0.0/0' for every IPv4 address",
    }
  }
  if (networkOf(prefix) === prefix.address) return prefix
  return {
    problem: 'has bits set beyond its length',
    remedy: `write it as '${networkOf(prefix)}/${prefix.length}'`,
  }
})

const plainAddress = reading<string>((input) => {
  const bytes = typeof input === 'string' ? parseAddress(input) : undefined
  if (!bytes) return { problem: 'is not an IP address', remedy: "write it as '192.0.2.254'" }
  const address = formatAddress(bytes)
  const problem = hostProblem(address, familyAt(bytes))
  return problem === undefined ? address : { problem, remedy: 'name a router of your network' }
})

export interface Listen {
  protocol: Protocol
  endpoint: Endpoint
}

const listen = reading<Listen>((input) => {
  const [, protocol, rest = ''] = /^(tcp|udp):\/\/(.+)$/.exec(String(input)) ?? []
  const endpoint = parseEndpoint(rest)
  const remedy = "write it as 'tcp://192.0.2.100:80' or 'udp://[2001:db8::100]:53'"
  if (!endpoint) return { problem: 'is not a protocol with an address and a port', remedy }
  const problem = routedHostProblem(endpoint.address, endpoint.family)
  if (problem !== undefined) return { problem, remedy: 'listen on an address that clients reach' }
  return { protocol: protocol as Protocol, endpoint }
})

const decision = reading<Verdict>(
  (input) =>
    readDecision(input) ?? {
      problem: 'is no decision',
      remedy: "name a pool, or write { node }, { reject: 'reset' } or { reject: 'drop' }",
    },
)

const policy = reading<Policy>((input) =>
  typeof input === 'function'
    ? (input as Policy)
    : { problem: 'is not a function', remedy: 'write it as (flow) => decision; it may be async' },
)

const name = z.string().regex(/^[A-Za-z][\w.-]*$/)

/** IFNAMSIZ leaves 15 bytes; the kernel refuses slashes, colons, white space, '.' and '..'. */
const device = matching(
  /^(?!\.{1,2}$)[^\s/:]{1,15}$/,
  'is no name for a network device',
  'take at most 15 characters without white space, slash or colon',
)

const mac = matching(
  /^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/i,
  'is not the MAC address of one station',
  "write it as '02:00:00:00:00:01'",
)

const port = z.strictObject({
  kind: z.enum(['tap', 'packet', 'xdp', 'memory']),
  device: device.optional(),
  address: oneOrMore(ownAddress),
  hostAddress: oneOrMore(ownAddress).optional(),
  netns: z.string().default(''),
  mac: mac.optional(),
  mtu: bounded(mtuBounds).default(mtuBounds.default),
  role: z.enum(['external', 'internal']).optional(),
  offloads: z.boolean().default(true),
  capture: z.string().default(''),
})

const virtualServer = z.strictObject({
  listen,
  pool: z.string().optional(),
  policy: policy.optional(),
  policyTimeoutMs: bounded(policyTimeoutBounds).optional(),
  fallback: decision.optional(),
  idleTimeoutMs: bounded(idleTimeoutBounds).default(0),
  midSession: z.enum(['reset', 'drop', 'route']).default('reset'),
  connectionLimit: bounded(connectionLimitBounds).default(Number.POSITIVE_INFINITY),
  maintenance: z.boolean().default(false),
  arp: z.boolean().default(true),
  translateAddress: z.boolean().default(true),
  translatePort: z.boolean().default(true),
})

export const schema = z.strictObject({
  ports: z.record(name, port),
  routes: z.array(z.strictObject({ to: network, via: plainAddress })).default([]),
  pools: z.record(name, pool).default({}),
  virtualServers: z.record(name, virtualServer).default({}),
  forward: z.boolean().default(true),
  limits: boundedObject(limitBounds),
  timeouts: boundedObject(timeoutBounds),
  workers: bounded(workerBounds).default(workerBounds.default),
  cpus: z.array(bounded(cpuBounds)).default([]),
})

export type ParsedConfig = z.output<typeof schema>

/** The keys that the object at a path may have. */
export function keysAt(path: readonly PropertyKey[]): readonly string[] {
  const keys = (object: { shape: object }) => Object.keys(object.shape)
  switch (path[0]) {
    case 'ports':
      return keys(port)
    case 'pools':
      return poolKeysAt(path.slice(2))
    case 'virtualServers':
      return keys(virtualServer)
    case 'routes':
      return ['to', 'via']
    case 'limits':
      return Object.keys(limitBounds)
    case 'timeouts':
      return Object.keys(timeoutBounds)
    default:
      return keys(schema)
  }
}
