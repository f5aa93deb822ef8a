/** The schema of a pool. */
import { z } from 'zod'
import {
  algorithms,
  hashes,
  hashNames,
  isNamed,
  isRequestKey,
  type RequestKey,
  requestHash,
  userFunction,
} from '../balance/algorithms.js'
import type { Balance } from '../balance/balance.js'
import type { BalancerFactory } from '../balance/balancer.js'
import { parseEndpoint, parseHost } from '../bus/address.js'
import type { Endpoint } from '../endpoint.js'
import type { CheckFunction } from '../health/function-probe.js'
import { plainAddress } from './address-reader.js'
import {
  checkBounds,
  connectionLimitBounds,
  passiveBounds,
  slowStartBounds,
  weightBounds,
} from './defaults.js'
import { routedHostProblem } from './host-address.js'
import { nodeForm } from './json-forms.js'
import {
  bounded,
  type JsonForm,
  matching,
  notInJson,
  reading,
  type Trouble,
  withShortForm,
} from './readers.js'

const nodeAddress = reading<Endpoint>(nodeForm, (input) => {
  const remedy = "write it as '10.1.0.11:80' or '[2001:db8::11]:80', or without a port"
  const endpoint =
    typeof input === 'string' ? (parseEndpoint(input) ?? parseHost(input)) : undefined
  if (!endpoint) return { problem: 'is not an address with or without a port', remedy }
  const problem = routedHostProblem(endpoint.address, endpoint.family)
  return problem === undefined ? endpoint : { problem, remedy: 'name one server of your network' }
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
  if (isRequestKey(hash)) return readRequestHash(hash, others)
  const known = typeof hash === 'string' && Object.hasOwn(hashes, hash)
  if (known && Object.keys(others).length === 0) {
    return { name: `hash ${hash}`, make: hashes[hash as keyof typeof hashes] }
  }
  const inside = known ? undefined : 'hash'
  const remedy = `take one of ${hashNames.map((name) => `'${name}'`).join(', ')}`
  return { problem: 'is no hash that balances', remedy, inside }
}

/** RFC 9110 5.6.2: a token, as names of fields and of cookies are. */
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,255}$/

function readRequestHash(hash: RequestKey, others: { name?: unknown }): NamedBalance | Trouble {
  const { name, ...more } = others
  const isFit = isNamed(hash) ? token.test(String(name ?? '')) : name === undefined
  if (isFit && Object.keys(more).length === 0) {
    const named = name === undefined ? '' : ` ${name}`
    return { name: `hash ${hash}${named}`, make: requestHash(hash, String(name ?? '')) }
  }
  const remedy = isNamed(hash)
    ? `write { hash: '${hash}', name: 'session' }`
    : `write { hash: '${hash}' }`
  return {
    problem: 'is no hash that balances',
    remedy,
    inside: name === undefined ? undefined : 'name',
  }
}

const hashForm = (keys: readonly string[], more: Record<string, JsonForm>): JsonForm => ({
  type: 'object',
  properties: { hash: { enum: [...keys] }, ...more },
  required: ['hash', ...Object.keys(more)],
  additionalProperties: false,
})

const balanceForm: JsonForm = {
  anyOf: [
    { enum: Object.keys(algorithms) },
    hashForm(
      hashNames.filter((name) => !isRequestKey(name) || !isNamed(name)),
      {},
    ),
    hashForm(['cookie', 'header'], { name: { type: 'string' } }),
  ],
  default: 'round-robin',
}

const balance = reading<NamedBalance>(balanceForm, (input) =>
  typeof input === 'object' && input !== null ? readHash(input) : readBalance(input),
)

const node = withShortForm(
  nodeAddress,
  (input) => (typeof input === 'string' ? { address: input } : input),
  z.strictObject({
    address: nodeAddress,
    weight: bounded(weightBounds).default(weightBounds.default),
    connectionLimit: bounded(connectionLimitBounds).default(Number.POSITIVE_INFINITY),
    nextHop: plainAddress('10.1.0.254', 'name a router of your network').optional(),
  }),
)

const path = matching(
  /^\/[\x21-\x7e]*$/,
  'is no path of a URL',
  "write it as '/health', other characters as %xx",
)

const host = matching(/^[\w.:[\]-]+$/, 'is no name of a host', "write it as 'www.example.org'")

export interface StatusRange {
  first: number
  last: number
}

const statusForm: JsonForm = { type: 'integer', minimum: 100, maximum: 599 }

const rangeForm: JsonForm = { type: 'array', items: statusForm, minItems: 2, maxItems: 2 }

const status = reading<StatusRange>({ anyOf: [statusForm, rangeForm] }, (input) => {
  const [first, last] = Array.isArray(input) && input.length === 2 ? input : [input, input]
  const isStatus = (value: unknown): value is number =>
    Number.isInteger(value) && Number(value) >= 100 && Number(value) <= 599
  return isStatus(first) && isStatus(last) && first <= last
    ? { first, last }
    : { problem: 'is no status and no range of them', remedy: 'write it as 200 or [200, 299]' }
})

const body = reading<string | RegExp>({ type: 'string' }, (input) =>
  typeof input === 'string' || input instanceof RegExp
    ? input
    : { problem: 'is no text', remedy: 'write what the body contains, or a regular expression' },
)

const run = reading<CheckFunction>(notInJson, (input) =>
  typeof input === 'function'
    ? (input as CheckFunction)
    : { problem: 'is not a function', remedy: 'write it as async (node, { signal }) => boolean' },
)

const checkNumber = (name: keyof typeof checkBounds) =>
  bounded(checkBounds[name]).default(checkBounds[name].default)

/** Which key goes with which kind is a matter of checks.ts. */
const check = withShortForm(
  undefined,
  (input) => (typeof input === 'function' ? { kind: 'function', run: input } : input),
  z.strictObject({
    kind: z.enum(['tcp', 'http', 'function']),
    intervalMs: checkNumber('intervalMs'),
    timeoutMs: checkNumber('timeoutMs'),
    rise: checkNumber('rise'),
    fall: checkNumber('fall'),
    path: path.optional(),
    host: host.optional(),
    status: status.optional(),
    body: body.optional(),
    run: run.optional(),
  }),
)

export type ParsedCheck = z.output<typeof check>

const passive = z.strictObject({
  fall: bounded(passiveBounds.fall).default(passiveBounds.fall.default),
  forMs: bounded(passiveBounds.forMs).default(passiveBounds.forMs.default),
})

export const pool = z.strictObject({
  nodes: z.array(node).min(1),
  balance: balance.prefault('round-robin'),
  check: check.optional(),
  passive: passive.optional(),
  fallback: z.string().optional(),
  onDown: z.enum(['keep', 'reset']).default('keep'),
  slowStartMs: bounded(slowStartBounds).default(slowStartBounds.default),
})

/** The keys of the object at a path inside a pool. */
export function poolKeysAt(path: readonly PropertyKey[]): readonly string[] {
  const inside = { nodes: node.out, check: check.out, passive }[String(path[0])]
  return Object.keys((inside ?? pool).shape)
}
