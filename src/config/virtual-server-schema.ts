/** The schema of a virtual server. */
import { z } from 'zod'
import { formatEndpoint, parseEndpoint } from '../bus/address.js'
import type { Endpoint } from '../endpoint.js'
import { type Policy, readDecision, type Verdict } from '../policy/decision.js'
import type { Protocol } from '../policy/new-flow.js'
import { plainAddress } from './address-reader.js'
import {
  connectionLimitBounds,
  idleTimeoutBounds,
  policyTimeoutBounds,
  sourcePortBounds,
} from './defaults.js'
import { isUnspecified, routedHostProblem } from './host-address.js'
import { listenForm } from './json-forms.js'
import { bounded, type JsonForm, notInJson, oneOrMore, reading, withShortForm } from './readers.js'

export interface Listen {
  protocol: Protocol
  endpoint: Endpoint
}

/** Which wildcard goes with which endpoint is a matter of virtual-server-checks.ts. */
const listen = reading<Listen>(listenForm(['tcp', 'udp']), (input) => {
  const [, protocol, rest = ''] = /^(tcp|udp):\/\/(.+)$/.exec(String(input)) ?? []
  const endpoint = parseEndpoint(rest, 0)
  const remedy = "write it as 'tcp://192.0.2.100:80' or 'udp://[2001:db8::100]:53'"
  if (!endpoint) return { problem: 'is not a protocol with an address and a port', remedy }
  const problem = routedHostProblem(endpoint.address, endpoint.family)
  if (problem !== undefined && !isUnspecified(endpoint.address)) {
    return { problem, remedy: 'listen on an address that clients reach' }
  }
  return { protocol: protocol as Protocol, endpoint }
})

const only = (key: string, value: JsonForm): JsonForm => ({
  type: 'object',
  properties: { [key]: value },
  required: [key],
  additionalProperties: false,
})

const decisionForm: JsonForm = {
  anyOf: [
    { type: 'string' },
    only('pool', { type: 'string' }),
    only('node', { type: 'string' }),
    only('reject', { enum: ['reset', 'drop'] }),
  ],
}

const decision = reading<Verdict>(
  decisionForm,
  (input) =>
    readDecision(input) ?? {
      problem: 'is no decision',
      remedy: "name a pool, or write { node }, { reject: 'reset' }, or 'unreachable', 'drop'",
    },
)

const policy = reading<Policy>(notInJson, (input) =>
  typeof input === 'function'
    ? (input as Policy)
    : { problem: 'is not a function', remedy: 'write it as (flow) => decision; it may be async' },
)

const sourceAddress = plainAddress('10.1.0.5', 'take an address that is for the engine alone')

export interface PortRange {
  first: number
  last: number
}

const { min: lowest, max: highest } = sourcePortBounds

const portForm: JsonForm = { type: 'integer', minimum: lowest, maximum: highest }
const rangeForm: JsonForm = { type: 'array', items: portForm, minItems: 2, maxItems: 2 }

const portRange = reading<PortRange>(rangeForm, (input) => {
  const [first, last] = Array.isArray(input) && input.length === 2 ? input : []
  const isPort = (value: unknown): value is number =>
    Number.isInteger(value) && Number(value) >= lowest && Number(value) <= highest
  return isPort(first) && isPort(last) && first <= last
    ? { first, last }
    : { problem: `is no range of ports from ${lowest} on`, remedy: 'write it as [32768, 60999]' }
})

const sourceAddresses = oneOrMore(sourceAddress)

/** Where its flows leave from, so that servers do not see the client. */
const snat = withShortForm(
  sourceAddresses,
  (input) => (typeof input === 'string' || Array.isArray(input) ? { addresses: input } : input),
  z.strictObject({
    addresses: sourceAddresses,
    ports: portRange.default({ first: lowest, last: highest }),
  }),
)

export const virtualServer = z.strictObject({
  listen,
  pool: z.string().optional(),
  policy: policy.optional(),
  policyTimeoutMs: bounded(policyTimeoutBounds).optional(),
  fallback: decision.optional(),
  idleTimeoutMs: bounded(idleTimeoutBounds).default(0),
  midSession: z.enum(['reset', 'drop', 'route']).default('reset'),
  connectionLimit: bounded(connectionLimitBounds).default(Number.POSITIVE_INFINITY),
  maintenance: z.boolean().default(false),
  refuse: z.enum(['reset', 'unreachable', 'drop']).default('reset'),
  onRemove: z.enum(['drain', 'reset']).default('drain'),
  arp: z.boolean().default(true),
  translateAddress: z.boolean().default(true),
  translatePort: z.boolean().default(true),
  preserveClient: z.boolean().optional(),
  preservePort: z.boolean().default(false),
  snat: snat.optional(),
  wildcardAddress: z.boolean().default(false),
  wildcardPort: z.boolean().default(false),
  inspect: z.enum(['raw']).optional(),
})

export type ParsedServer = z.output<typeof virtualServer>

/** The endpoint that it takes: zero stands for what may be any. */
export function endpointOf({ listen, wildcardAddress, wildcardPort }: ParsedServer): Endpoint {
  const { family, address, port } = listen.endpoint
  const any = family === 4 ? '0.0.0.0' : '::'
  return { family, address: wildcardAddress ? any : address, port: wildcardPort ? 0 : port }
}

/** 'tcp://address:port'. */
export function listenOf(server: ParsedServer): string {
  return `${server.listen.protocol}://${formatEndpoint(endpointOf(server))}`
}

/** The keys of the object at a path inside a virtual server. */
export function virtualServerKeysAt(path: readonly PropertyKey[]): readonly string[] {
  return Object.keys(path[0] === 'snat' ? snat.out.shape : virtualServer.shape)
}
