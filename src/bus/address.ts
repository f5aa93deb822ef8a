/**
 * Addresses as text and as the 16 bytes of the bus (IPv4 as ::ffff:a.b.c.d, docs/messages.md).
 * Text is canonical: dotted for IPv4, RFC 5952 for IPv6, so equal addresses are equal strings.
 */
import { isIPv4, isIPv6 } from 'node:net'
import type { Endpoint, Family } from '../endpoint.js'
import { carriesPorts, type ListenProtocol } from '../protocol.js'

/** An address with the prefix length of its network. */
export interface Prefix {
  readonly address: string
  readonly length: number
  readonly family: Family
}

const mappedPrefix = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff)

function ipv4Bytes(text: string): number[] {
  return text.split('.').map(Number)
}

/** Without a list of parts: this is done for every connection that is opened. */
function readIpv4(text: string, into: Uint8Array): void {
  for (let i = 0, at = 12; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48
    if (digit < 0) at++
    else into[at] = into[at] * 10 + digit
  }
}

function ipv6Groups(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)]
    const [a, b, c, d] = ipv4Bytes(group)
    return [(a << 8) | b, (c << 8) | d]
  })
}

/** The 16 bytes of an address, or undefined where the text is none. Zones are refused. */
export function parseAddress(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(16)
  if (isIPv4(text)) {
    bytes.set(mappedPrefix)
    readIpv4(text, bytes)
    return bytes
  }
  if (!isIPv6(text) || text.includes('%')) return undefined
  const [head, tail] = text.split('::')
  const first = ipv6Groups(head)
  const last = tail === undefined ? [] : ipv6Groups(tail)
  const split = (groups: number[]) => groups.flatMap((group) => [group >> 8, group & 0xff])
  bytes.set(split(first))
  bytes.set(split(last), 16 - 2 * last.length)
  return bytes
}

/** Whether the 16 bytes at `at` hold an IPv4 address. */
function isMapped(bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < 12; i++) if (bytes[at + i] !== mappedPrefix[i]) return false
  return true
}

export function familyAt(bytes: Uint8Array, at = 0): Family {
  return isMapped(bytes, at) ? 4 : 6
}

/** RFC 5952 4.2: the longest run of two or more zero groups, the first of equals. */
function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: -1, length: 1 }
  let start = 0
  groups.forEach((group, i) => {
    if (group !== 0) start = i + 1
    else if (i + 1 - start > best.length) best = { start, length: i + 1 - start }
  })
  return best
}

function formatIpv6(bytes: Uint8Array, at: number): string {
  const groups: number[] = []
  for (let i = 0; i < 16; i += 2) {
    groups.push((bytes[at + i] << 8) | bytes[at + i + 1])
  }
  const text = (part: number[]) => part.map((group) => group.toString(16)).join(':')
  const run = longestZeroRun(groups)
  if (run.start < 0) return text(groups)
  return `${text(groups.slice(0, run.start))}::${text(groups.slice(run.start + run.length))}`
}

/** The canonical text of the 16 bytes at `at`. */
export function formatAddress(bytes: Uint8Array, at = 0): string {
  if (!isMapped(bytes, at)) return formatIpv6(bytes, at)
  return `${bytes[at + 12]}.${bytes[at + 13]}.${bytes[at + 14]}.${bytes[at + 15]}`
}

function formatHost({ address, family }: Endpoint): string {
  return family === 4 ? address : `[${address}]`
}

/** 'address:port'; the address alone where there is no port. With brackets around IPv6. */
export function formatEndpoint(endpoint: Endpoint): string {
  return endpoint.port === 0 ? formatHost(endpoint) : `${formatHost(endpoint)}:${endpoint.port}`
}

/** 'tcp://address:port', 'gre://address'; port 0 is any. */
export function formatListen(protocol: ListenProtocol, endpoint: Endpoint): string {
  const port = carriesPorts(protocol) ? `:${endpoint.port}` : ''
  return `${protocol}://${formatHost(endpoint)}${port}`
}

/** Reads 'address:port' or '[address]:port', port `lowest` to 65535; undefined where the text is neither. */
export function parseEndpoint(text: string, lowest = 1): Endpoint | undefined {
  const [, ipv6, ipv4, digits] = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(text) ?? []
  const port = Number(digits)
  if (ipv6 !== undefined ? !isIPv6(ipv6) : ipv4 === undefined || !isIPv4(ipv4)) return undefined
  const bytes = parseAddress(ipv6 ?? ipv4 ?? '')
  if (!bytes || !(port >= lowest && port <= 65535)) return undefined
  return { address: formatAddress(bytes), port, family: familyAt(bytes) }
}

/** Reads 'address' or '[address]', without a port. */
export function parseHost(text: string): Endpoint | undefined {
  return parseEndpoint(`${text}:0`, 0)
}

/** Reads 'address/length'; undefined where the text is not that. */
export function parsePrefix(text: string): Prefix | undefined {
  const [, address = '', digits] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? []
  const bytes = parseAddress(address)
  if (!bytes) return undefined
  const length = Number(digits)
  const family = isIPv4(address) ? 4 : 6
  if (length > (family === 4 ? 32 : 128) || family !== familyAt(bytes)) return undefined
  return { address: formatAddress(bytes), length, family }
}

export function formatPrefix(prefix: Prefix): string {
  return `${prefix.address}/${prefix.length}`
}

/** The first address of a prefix: host bits zero. */
export function networkOf(prefix: Prefix): string {
  const bytes = parseAddress(prefix.address) as Uint8Array
  const length = prefix.family === 4 ? prefix.length + 96 : prefix.length
  for (let i = 0; i < 16; i++) {
    const bits = Math.min(8, Math.max(0, length - 8 * i))
    bytes[i] &= 0xff00 >> bits
  }
  return formatAddress(bytes)
}

/** Whether an address lies in a prefix. */
export function contains(prefix: Prefix, address: string, family: Family): boolean {
  return prefix.family === family && networkOf({ ...prefix, address }) === networkOf(prefix)
}
