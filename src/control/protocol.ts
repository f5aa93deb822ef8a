/** IP protocols by number and by name. */
import type { Protocol } from '../policy/new-flow.js'

export const protocolNumbers = { tcp: 6, udp: 17 } as const satisfies Record<Protocol, number>

export function protocolName(number: number): Protocol | `ip-${number}` {
  if (number === protocolNumbers.tcp) return 'tcp'
  return number === protocolNumbers.udp ? 'udp' : `ip-${number}`
}
