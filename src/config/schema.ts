/** The schema of a configuration: structure and single values. What concerns several values at
 *  once is in checks.ts. */
import { z } from 'zod'
import { networkOf, type Prefix, parsePrefix } from '../bus/address.js'
import { plainAddress } from './address-reader.js'
import { admin } from './admin-schema.js'
import {
  cpuBounds,
  limitBounds,
  mtuBounds,
  timeoutBounds,
  vlanBounds,
  workerBounds,
} from './defaults.js'
import { hostProblem, isBroadcastOf } from './host-address.js'
import { prefixForm } from './json-forms.js'
import { pool, poolKeysAt } from './pool-schema.js'
import { bounded, boundedObject, matching, oneOrMore, reading } from './readers.js'
import { snat, virtualServer, virtualServerKeysAt } from './virtual-server-schema.js'

const ownAddress = reading<Prefix>(prefixForm, (input) => {
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

const network = reading<Prefix>(prefixForm, (input) => {
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

const router = plainAddress('192.0.2.254', 'name a router of your network')

const name = z.string().regex(/^[A-Za-z][\w.-]*$/)

/** IFNAMSIZ leaves 15 bytes; the kernel refuses slashes, colons, white space, '.' and '..'. */
const device = matching(
  /^(?!\.{1,2}$)[^\s/:]{1,15}$/,
  'is no name for a network device',
  'take at most 15 characters without white space, slash or colon',
)

const mac = matching(
  /^[0-9A-Fa-f][02468ACEace](:[0-9A-Fa-f]{2}){5}$/,
  'is not the MAC address of one station',
  "write it as '02:00:00:00:00:01'",
)

const port = z.strictObject({
  kind: z.enum(['tap', 'packet', 'xdp', 'memory']),
  device: device.optional(),
  address: oneOrMore(ownAddress).default([]),
  hostAddress: oneOrMore(ownAddress).optional(),
  netns: z.string().default(''),
  mac: mac.optional(),
  mtu: bounded(mtuBounds).default(mtuBounds.default),
  vlan: oneOrMore(bounded(vlanBounds)).optional(),
  role: z.enum(['external', 'internal']).optional(),
  offloads: z.boolean().default(true),
  capture: z.string().default(''),
})

export const schema = z.strictObject({
  ports: z.record(name, port),
  routes: z.array(z.strictObject({ to: network, via: router })).default([]),
  pools: z.record(name, pool).default({}),
  virtualServers: z.record(name, virtualServer).default({}),
  forward: z.literal([true, false, 'bridge']).default(true),
  synCookies: z.enum(['auto', 'always', 'never']).default('auto'),
  snat: snat.optional(),
  admin: admin.optional(),
  limits: boundedObject(limitBounds),
  timeouts: boundedObject(timeoutBounds),
  workers: bounded(workerBounds).default(workerBounds.default),
  cpus: z.array(bounded(cpuBounds)).default([]),
  /** Where an editor finds the schema of a file in JSON. */
  $schema: z.string().optional(),
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
      return virtualServerKeysAt(path.slice(2))
    case 'routes':
      return ['to', 'via']
    case 'snat':
      return keys(snat.out)
    case 'admin':
      return keys(admin)
    case 'limits':
      return Object.keys(limitBounds)
    case 'timeouts':
      return Object.keys(timeoutBounds)
    default:
      return keys(schema)
  }
}
