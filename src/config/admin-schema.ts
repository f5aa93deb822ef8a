/** The schema of the administration over the network. */
import { z } from 'zod'
import { parseEndpoint } from '../bus/address.js'
import type { Endpoint } from '../endpoint.js'
import { hostProblem, isUnspecified, routedHostProblem } from './host-address.js'
import { endpointForm } from './json-forms.js'
import { matching, oneOrMore, reading } from './readers.js'

/** An address of the host: a loopback address is one, and an unspecified one stands for all. */
const listen = reading<Endpoint>(endpointForm, (input) => {
  const remedy = "write it as '10.1.0.254:9443' or '[2001:db8::fe]:9443'"
  const endpoint = typeof input === 'string' ? parseEndpoint(input) : undefined
  if (!endpoint) return { problem: 'is not an address with a port', remedy }
  const { address, family } = endpoint
  const problem = routedHostProblem(address, family)
  const loopback = hostProblem(address, family) === 'is a loopback address'
  if (problem === undefined || loopback || isUnspecified(address)) return endpoint
  return { problem, remedy: 'take an address that this host has' }
})

const file = matching(/./, 'names no file', "write its path: '/etc/sluice/admin.pem'")

export const admin = z.strictObject({
  listen: oneOrMore(listen),
  key: file,
  cert: file,
  ca: file,
  write: z.boolean().default(false),
})
