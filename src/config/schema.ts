/** The schema of a configuration: structure and single values. What concerns several values at
 *  once is in checks.ts. */
import { z } from 'zod'
import { algorithms, hashes, userFunction } from '../balance/algorithms.js'
import type { Balance } from '../balance/balance.js'
import type { BalancerFactory } from '../balance/balancer.js'
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
  slowStartBounds,
  timeoutBounds,
  weightBounds,
  workerBounds,
} from './defaults.js'
import { hostProblem, isBroadcastOf, routedHostProblem } from './host-address.js'

interface Trouble {
  problem: string
  remedy: string
  /** The key inside the value that is to blame. */
  inside?: string
}

const isTrouble = (value: object): value is Trouble => 'problem' in value && 'remedy' in value

/** A value that `read` makes of any input, or says what is wrong with it. */
function reading<T extends object | string | number>(read: (input: unknown) => T | Trouble) {
  return z.unknown().transform((input, context): T => {
    const result = read(input)
    if (typeof result !== 'object' || !isTrouble(result)) return result
    const { problem, remedy, inside } = result
    const path = inside === undefined ? [] : [inside]
    context.addIssue({ code: 'custom', message: problem, params: { remedy }, path })
    return z.NEVER
  })
}

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

const nodeAddress = reading<Endpoint>((input) => {
  const remedy = "write it as '10.1.0.11:80' or '[2001:db8::11]:80'"
  const endpoint = typeof input === 'string' ? parseEndpoint(input) : undefined
  if (!endpoint) return { problem: 'is not an address with a port', remedy }
  const problem = routedHostProblem(endpoint.address, endpoint.family)
  return problem === undefined ? endpoint : { problem, remedy: 'name one server of your network' }
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

export interface NamedBalance {
  name: string
  make: BalancerFactory
}

const quoted = (names: object) =>
  Object.keys(names)
    .map((name) => `'${name}'`)
    .join(', ')

function readBalance(input: unknown): NamedBalance | Trouble {
  if (typeof input === 'function') {
    return { name: 'function', make: userFunction(input as Balance) }
  }
  if (typeof input === 'string' && Object.hasOwn(algorithms, input)) {
    return { name: input, make: algorithms[input as keyof typeof algorithms] }
  }
  return {
    problem: 'is no balance algorithm',
    remedy: `take ${quoted(algorithms)}, { hash: 'source' } or a function`,
  }
}

function readHash(input: object): NamedBalance | Trouble {
  const { hash, ...others } = input as { hash?: unknown }
  const known = typeof hash === 'string' && Object.hasOwn(hashes, hash)
  if (known && Object.keys(others).length === 0) {
    return { name: `hash ${hash}`, make: hashes[hash as keyof typeof hashes] }
  }
  const inside = known ? undefined : 'hash'
  return { problem: 'is no hash that balances', remedy: `take one of ${quoted(hashes)}`, inside }
}

const balance = reading<NamedBalance>((input) =>
  typeof input === 'object' && input !== null ? readHash(input) : readBalance(input),
)

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

/** One value or a list of them, as a list. */
const oneOrMore = <T extends z.ZodType>(item: T) =>
  z.preprocess((input) => (Array.isArray(input) ? input : [input]), z.array(item).min(1))

const bounded = ({ min, max }: { readonly min: number; readonly max: number }) =>
  reading<number>((input) =>
    typeof input === 'number' && Number.isInteger(input) && input >= min && input <= max
      ? input
      : { problem: `is not a whole number from ${min} to ${max}`, remedy: 'choose one in between' },
  )

const number = bounded({ min: 0, max: 0 }).default(0)

function boundedObject<
  B extends Record<
    string,
    { readonly min: number; readonly max: number; readonly default: number }
  >,
>(bounds: B) {
  const shape = Object.fromEntries(
    Object.entries(bounds).map(([key, value]) => [key, bounded(value).default(value.default)]),
  )
  return z.strictObject(shape as { [K in keyof B]: typeof number }).prefault({} as never)
}

const matching = (pattern: RegExp, problem: string, remedy: string) =>
  reading<string>((input) =>
    typeof input === 'string' && pattern.test(input) ? input : { problem, remedy },
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

const connectionLimit = bounded(connectionLimitBounds).default(Number.POSITIVE_INFINITY)

const node = z.preprocess(
  (input) => (typeof input === 'string' ? { address: input } : input),
  z.strictObject({
    address: nodeAddress,
    weight: bounded(weightBounds).default(weightBounds.default),
    connectionLimit,
  }),
)

const pool = z.strictObject({
  nodes: z.array(node).min(1),
  balance: balance.prefault('round-robin'),
  fallback: z.string().optional(),
  slowStartMs: bounded(slowStartBounds).default(slowStartBounds.default),
})

const virtualServer = z.strictObject({
  listen,
  pool: z.string().optional(),
  policy: policy.optional(),
  policyTimeoutMs: bounded(policyTimeoutBounds).optional(),
  fallback: decision.optional(),
  idleTimeoutMs: bounded(idleTimeoutBounds).default(0),
  connectionLimit,
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
      return path.length > 2 ? keys(node.out) : keys(pool)
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
