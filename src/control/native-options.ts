/** The options of a data flow segment, from a configuration. */
import { formatPrefix } from '../bus/address.js'
import type { ResolvedConfig } from '../config/resolved.js'
import type { NativeSegmentOptions } from '../native.js'

/** By `forward` of a configuration. */
const forwardings = { true: 'route', bridge: 'bridge', false: 'none' } as const

export function nativeOptions(config: ResolvedConfig): NativeSegmentOptions {
  const { timeouts } = config
  const { bufferMemory: bufferBytes, ...limits } = config.limits
  return {
    node: 0,
    workers: config.workers,
    cpus: [...config.cpus],
    ports: config.ports.map(({ addresses, hostAddresses, ...port }) => ({
      ...port,
      addresses: addresses.map(formatPrefix),
      hostAddresses: hostAddresses.map(formatPrefix),
    })),
    routes: config.routes.map(({ to, via }) => ({ to: formatPrefix(to), via })),
    forwarding: forwardings[`${config.forward}`],
    synCookies: config.synCookies,
    limits: { ...limits, bufferBytes },
    timeouts: {
      tcpEstablished: timeouts.tcpEstablishedMs,
      tcpOpening: timeouts.tcpOpeningMs,
      tcpClosing: timeouts.tcpClosingMs,
      udp: timeouts.udpMs,
      icmp: timeouts.icmpMs,
      other: timeouts.otherMs,
      linger: timeouts.lingerMs,
      refused: timeouts.refusedMs,
      statsInterval: timeouts.statsIntervalMs,
      timeWait: timeouts.timeWaitMs,
    },
  }
}
