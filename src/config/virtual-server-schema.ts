/** The schema of a virtual server. */
import { z } from 'zod'
import { formatListen, parseEndpoint, parseHost } from '../bus/address.js'
import type { Endpoint } from '../endpoint.js'
import { type Policy, readDecision, type Verdict } from '../policy/decision.js'
import { type ListenProtocol, numberedProtocol, withoutPorts, withPorts } from '../protocol.js'
import type { AnyServiceFunction } from '../socket/service.js'
import { plainAddress } from './address-reader.js'
import {
  connectionLimitBounds,
  idleTimeoutBounds,
  inspectBounds,
  policyTimeoutBounds,
  sourcePortBounds,
  timeWaitBounds,
} from './defaults.js'
import { isUnspecified, routedHostProblem } from './host-address.js'
import { listenForm } from './json-forms.js'
import {
  bounded,
  type JsonForm,
  matching,
  notInJson,
  oneOrMore,
  reading,
  size,
  type Trouble,
  withShortForm,
} from './readers.js'

export interface Listen {
  protocol: ListenProtocol
  /** Port 0 where the protocol has none. */
  endpoint: Endpoint
}

/** Those that are written with an address alone. */
const portless = (text: string): ListenProtocol | undefined =>
  withoutPorts.find((name) => name === text) ?? numberedProtocol(text)

function readListen(text: string): Listen | Trouble {
  const [, name = '', rest = ''] = /^([a-z0-9-]+):\/\/(.+)$/.exec(text) ?? []
  const ported = withPorts.find((one) => one === name)
  const protocol = ported ?? portless(name)
  const endpoint = ported ? parseEndpoint(rest, 0) : parseHost(rest)
  if (protocol && endpoint) return { protocol, endpoint }
  if (protocol && !ported && parseEndpoint(rest, 0)) {
    return { problem: `has a port, and ${name} none`, remedy: 'write the address alone' }
  }
  const problem = ported
    ? 'is not a protocol with an address and a port'
    : 'is not a protocol with an address, and a port where it has any'
  return { problem, remedy: "write it as 'tcp://192.0.2.100:80' or 'icmp://[2001:db8::100]'" }
}

/** Which wildcard goes with which endpoint is a matter of virtual-server-checks.ts. */
const listen = reading<Listen>(
  listenForm(withPorts, [...withoutPorts, 'ip-[1-9][0-9]{0,2}']),
  (input) => {
    const read = readListen(String(input))
    if ('problem' in read) return read
    const { endpoint } = read
    const problem = routedHostProblem(endpoint.address, endpoint.family)
    if (problem !== undefined && !isUnspecified(endpoint.address)) {
      return { problem, remedy: 'listen on an address that clients reach' }
    }
    return read
  },
)

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

const service = reading<AnyServiceFunction>(notInJson, (input) =>
  typeof input === 'function'
    ? (input as AnyServiceFunction)
    : { problem: 'is not a function', remedy: 'write it as async (inbound, context) => { ... }' },
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

/** Where flows leave from, so that servers do not see the client. */
export const snat = withShortForm(
  sourceAddresses,
  (input) => (typeof input === 'string' || Array.isArray(input) ? { addresses: input } : input),
  z.strictObject({
    addresses: sourceAddresses,
    ports: portRange.default({ first: lowest, last: highest }),
  }),
)

const inspected = z.enum(['http', 'cookie', 'tls', 'raw'])

/** What a flow's policy sees of what its client sends first. The limits are those of TCP. */
const inspect = withShortForm(
  inspected,
  (input) => (typeof input === 'string' ? { kind: input } : input),
  z.strictObject({
    kind: inspected,
    // RFC 6265 4.1.1: a token.
    name: matching(
      /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,255}$/,
      'is no name of a cookie',
      "write the name alone, as 'session'",
    ).optional(),
    maxBytes: size(inspectBounds.maxBytes).optional(),
    timeoutMs: bounded(inspectBounds.timeoutMs).optional(),
    connectTimeoutMs: bounded(inspectBounds.connectTimeoutMs).optional(),
    unread: z.enum(['reset', 'decide']).optional(),
  }),
)

export const virtualServer = z.strictObject({
  listen,
  pool: z.string().optional(),
  policy: policy.optional(),
  service: service.optional(),
  timeWaitMs: bounded(timeWaitBounds).optional(),
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
  inspect: inspect.optional(),
})

export type ParsedServer = z.output<typeof virtualServer>

/** The endpoint that it takes: zero stands for what may be any. */
export function endpointOf({ listen, wildcardAddress, wildcardPort }: ParsedServer): Endpoint {
  const { family, address, port } = listen.endpoint
  const any = family === 4 ? '0.0.0.0' : '::'
  return { family, address: wildcardAddress ? any : address, port: wildcardPort ? 0 : port }
}

export function listenOf(server: ParsedServer): string {
  return formatListen(server.listen.protocol, endpointOf(server))
}

/** The keys of the object at a path inside a virtual server. */
export function virtualServerKeysAt(path: readonly PropertyKey[]): readonly string[] {
  if (path[0] === 'inspect') return Object.keys(inspect.out.shape)
  return Object.keys(path[0] === 'snat' ? snat.out.shape : virtualServer.shape)
}
