/** IP protocols by name and by number. */
import type { Family } from './endpoint.js'

const numbers = { tcp: 6, udp: 17, gre: 47, esp: 50, ah: 51, sctp: 132 } as const
const icmp: Readonly<Record<Family, number>> = { 4: 1, 6: 58 }

/** `icmp` is ICMPv6 between IPv6 addresses; what has no name here is `ip-` with its number. */
export type Protocol = keyof typeof numbers | 'icmp' | `ip-${number}`
/** What a virtual server listens on: a protocol, or every one. */
export type ListenProtocol = Protocol | 'ip'

const names = new Map<number, Protocol>([
  ...Object.entries(numbers).map(([name, number]) => [number, name as Protocol] as const),
  [icmp[4], 'icmp'],
  [icmp[6], 'icmp'],
])

export function protocolName(number: number): Protocol {
  return names.get(number) ?? `ip-${number}`
}

/** As the bus has it: 0 for every one. */
export function protocolNumber(protocol: ListenProtocol, family: Family): number {
  if (protocol === 'ip') return 0
  if (protocol === 'icmp') return icmp[family]
  const named: number | undefined = numbers[protocol as keyof typeof numbers]
  return named ?? Number(protocol.slice('ip-'.length))
}

/** Next headers of IPv6 that are no protocols: options, routing and fragment headers. */
const extensions = new Set([0, 43, 44, 60])

/** Reads `ip-89`; undefined where the number has a name, or is none of a protocol. */
export function numberedProtocol(text: string): Protocol | undefined {
  const [, digits] = /^ip-([1-9]\d{0,2})$/.exec(text) ?? []
  const number = Number(digits)
  const isOne = number <= 254 && !names.has(number) && !extensions.has(number)
  return isOne ? `ip-${number}` : undefined
}

/** Those whose headers name L4 ports. */
export const withPorts = ['tcp', 'udp', 'sctp'] as const
/** Those that have a name and no ports. */
export const withoutPorts = ['icmp', 'gre', 'esp', 'ah', 'ip'] as const

export function carriesPorts(protocol: ListenProtocol): boolean {
  return (withPorts as readonly string[]).includes(protocol)
}

/** Whether the L4 ports of a protocol, by its number, may be others behind the engine. */
export function translatesPorts(number: number): boolean {
  return number === numbers.tcp || number === numbers.udp
}

/** Whether its flows may leave from an address of the engine: by a port, or by ICMP's identifier. */
export function leavesFromPorts(number: number): boolean {
  return translatesPorts(number) || isIcmp(number)
}

export const isTcp = (number: number): boolean => number === numbers.tcp
export const isUdp = (number: number): boolean => number === numbers.udp
export const isIcmp = (number: number): boolean => number === icmp[4] || number === icmp[6]
