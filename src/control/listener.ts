/** What somebody listens on without a configuration, as the virtual server that it is. */
import { formatEndpoint, formatListen } from '../bus/address.js'
import { isUnspecified, routedHostProblem } from '../config/host-address.js'
import type { ResolvedConfig, ResolvedVirtualServer } from '../config/resolved.js'
import type { Endpoint } from '../endpoint.js'
import { SluiceError } from '../errors.js'
import type { ListenOrder } from '../stack.js'

/** @throws {SluiceError} `ERR_SLUICE_ADDR_NOT_OWNED` */
export function listenerSettings(
  config: ResolvedConfig,
  { protocol, endpoint, allowHalfOpen, connectionLimit, take }: ListenOrder,
): ResolvedVirtualServer {
  assertOwned(config, endpoint)
  return {
    name: formatListen(protocol, endpoint),
    protocol,
    listen: endpoint,
    decide: undefined,
    service: take,
    terminates: true,
    allowHalfOpen,
    preserveClient: true,
    timeWaitMs: config.timeouts.timeWaitMs,
    policyTimeoutMs: 0,
    fallback: { reject: 'reset' },
    idleTimeoutMs: 0,
    midSession: 'reset',
    connectionLimit,
    maintenance: false,
    refuse: 'reset',
    onRemove: 'drain',
    arp: true,
    translateAddress: true,
    translatePort: true,
    preservePort: false,
    snat: undefined,
    wildcardAddress: isUnspecified(endpoint.address),
    wildcardPort: endpoint.port === 0,
    inspect: undefined,
  }
}

function assertOwned(config: ResolvedConfig, endpoint: Endpoint): void {
  const { address, family } = endpoint
  const isHosts = config.ports.some(({ hostAddresses }) =>
    hostAddresses.some((host) => host.address === address),
  )
  const problem = isHosts ? "is of the host's side of a tap" : routedHostProblem(address, family)
  if (problem === undefined || isUnspecified(address)) return
  throw new SluiceError(
    'ERR_SLUICE_ADDR_NOT_OWNED',
    `The engine cannot listen on ${formatEndpoint(endpoint)}: it ${problem}.`,
    'Take an address of the engine, or one that it may answer for.',
  )
}
