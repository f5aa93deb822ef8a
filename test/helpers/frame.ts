/** Decodes frames for assertions. It trusts nothing of the engine's own parser, and is no part of it. */

/**
 * `partial`: the field holds only the pseudo-header's sum, as between kernels that leave the rest to
 * a device. `absent`: UDP over IPv4 without one. `cut`: the capture does not hold all bytes.
 */
export type ChecksumState = 'good' | 'partial' | 'absent' | 'bad' | 'cut'

export interface DecodedIp {
  version: 4 | 6
  source: string
  destination: string
  /** Of the payload, extension headers skipped. */
  protocol: number
  ttl: number
  dscp: number
  ecn: number
  /** IPv4 header checksum; always `good` in IPv6, which has none. */
  checksum: ChecksumState
  /** Offset within the datagram, in bytes, and whether more follow; only where it is a fragment. */
  fragment?: { offset: number; more: boolean; id: number }
}

export interface DecodedTcp {
  sourcePort: number
  destinationPort: number
  sequence: number
  acknowledgement: number
  flags: Set<'FIN' | 'SYN' | 'RST' | 'PSH' | 'ACK' | 'URG' | 'ECE' | 'CWR'>
  window: number
  options: TcpOptions
  payload: Buffer
  checksum: ChecksumState
}

export interface TcpOptions {
  mss?: number
  windowScale?: number
  sackPermitted?: boolean
  sack?: [left: number, right: number][]
  timestamps?: { value: number; echo: number }
}

export interface DecodedUdp {
  sourcePort: number
  destinationPort: number
  payload: Buffer
  checksum: ChecksumState
}

export interface DecodedIcmp {
  type: number
  code: number
  body: Buffer
  checksum: ChecksumState
}

export interface DecodedArp {
  operation: 'request' | 'reply' | number
  senderMac: string
  senderAddress: string
  targetMac: string
  targetAddress: string
}

export interface DecodedFrame {
  source: string
  destination: string
  vlans: number[]
  etherType: number
  arp?: DecodedArp
  ip?: DecodedIp
  tcp?: DecodedTcp
  udp?: DecodedUdp
  icmp?: DecodedIcmp
}

const FLAGS = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG', 'ECE', 'CWR'] as const

/** Decodes as far as the bytes go: a layer that is not whole is left out. */
export function decodeFrame(bytes: Buffer): DecodedFrame {
  const frame: DecodedFrame = {
    destination: mac(bytes, 0),
    source: mac(bytes, 6),
    vlans: [],
    etherType: bytes.readUInt16BE(12),
  }
  let at = 14
  while ((frame.etherType === 0x8100 || frame.etherType === 0x88a8) && bytes.length >= at + 4) {
    frame.vlans.push(bytes.readUInt16BE(at) & 0xfff)
    frame.etherType = bytes.readUInt16BE(at + 2)
    at += 4
  }
  const rest = bytes.subarray(at)
  if (frame.etherType === 0x0806 && rest.length >= 28) frame.arp = decodeArp(rest)
  if (frame.etherType === 0x0800 && rest.length >= 20) decodeIpv4(rest, frame)
  if (frame.etherType === 0x86dd && rest.length >= 40) decodeIpv6(rest, frame)
  return frame
}

/** The Internet checksum's sum, folded, not complemented (RFC 1071). */
export function onesComplementSum(...parts: Buffer[]): number {
  let sum = 0
  for (const part of parts) {
    const even = part.length & ~1
    for (let at = 0; at < even; at += 2) sum += part.readUInt16BE(at)
    if (part.length > even) sum += part.readUInt8(even) << 8
    sum = (sum & 0xffff) + Math.floor(sum / 0x10000)
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return sum
}

function decodeArp(bytes: Buffer): DecodedArp {
  const operation = bytes.readUInt16BE(6)
  return {
    operation: operation === 1 ? 'request' : operation === 2 ? 'reply' : operation,
    senderMac: mac(bytes, 8),
    senderAddress: ipv4(bytes, 14),
    targetMac: mac(bytes, 18),
    targetAddress: ipv4(bytes, 24),
  }
}

function decodeIpv4(bytes: Buffer, frame: DecodedFrame): void {
  const headerLength = (bytes.readUInt8(0) & 0xf) * 4
  const total = bytes.readUInt16BE(2)
  if (headerLength < 20 || bytes.length < headerLength) return
  const trafficClass = bytes.readUInt8(1)
  const word = bytes.readUInt16BE(6)
  frame.ip = {
    version: 4,
    source: ipv4(bytes, 12),
    destination: ipv4(bytes, 16),
    protocol: bytes.readUInt8(9),
    ttl: bytes.readUInt8(8),
    dscp: trafficClass >> 2,
    ecn: trafficClass & 3,
    checksum: onesComplementSum(bytes.subarray(0, headerLength)) === 0xffff ? 'good' : 'bad',
  }
  const [offset, more] = [(word & 0x1fff) * 8, (word & 0x2000) !== 0]
  if (offset > 0 || more) frame.ip.fragment = { offset, more, id: bytes.readUInt16BE(4) }
  // Ethernet pads short packets: what counts is the length that the header states. A super-packet
  // of more than 64 KB states 0.
  const end = total === 0 ? bytes.length : total
  decodeTransport(bytes.subarray(headerLength, end), end - headerLength, frame)
}

const EXTENSION_HEADERS = new Set([0, 43, 44, 60])

function decodeIpv6(bytes: Buffer, frame: DecodedFrame): void {
  const word = bytes.readUInt32BE(0)
  const trafficClass = (word >>> 20) & 0xff
  const stated = bytes.readUInt16BE(4)
  const end = stated === 0 ? bytes.length : 40 + stated
  let protocol = bytes.readUInt8(6)
  let at = 40
  let fragment: DecodedIp['fragment']
  while (EXTENSION_HEADERS.has(protocol) && at + 8 <= bytes.length) {
    if (protocol === 44) {
      const field = bytes.readUInt16BE(at + 2)
      fragment = { offset: field & 0xfff8, more: (field & 1) === 1, id: bytes.readUInt32BE(at + 4) }
    }
    const length = protocol === 44 ? 8 : (bytes.readUInt8(at + 1) + 1) * 8
    protocol = bytes.readUInt8(at)
    at += length
  }
  frame.ip = {
    version: 6,
    source: ipv6(bytes, 8),
    destination: ipv6(bytes, 24),
    protocol,
    ttl: bytes.readUInt8(7),
    dscp: trafficClass >> 2,
    ecn: trafficClass & 3,
    checksum: 'good',
  }
  if (fragment) frame.ip.fragment = fragment
  decodeTransport(bytes.subarray(at, end), end - at, frame)
}

function decodeTransport(bytes: Buffer, stated: number, frame: DecodedFrame): void {
  const ip = frame.ip as DecodedIp
  if (ip.fragment && ip.fragment.offset > 0) return
  const isWhole = bytes.length === stated && !ip.fragment
  const state = (at: number) => (isWhole ? checksumState(bytes, at, ip) : 'cut')
  if (ip.protocol === 6 && bytes.length >= 20) frame.tcp = decodeTcp(bytes, state(16))
  if (ip.protocol === 17 && bytes.length >= 8) {
    frame.udp = {
      sourcePort: bytes.readUInt16BE(0),
      destinationPort: bytes.readUInt16BE(2),
      payload: bytes.subarray(8),
      checksum: bytes.readUInt16BE(6) === 0 ? 'absent' : state(6),
    }
  }
  if ((ip.protocol === 1 || ip.protocol === 58) && bytes.length >= 4) {
    const [type, code] = [bytes.readUInt8(0), bytes.readUInt8(1)]
    frame.icmp = { type, code, body: bytes.subarray(4), checksum: state(2) }
  }
}

function decodeTcp(bytes: Buffer, checksum: ChecksumState): DecodedTcp {
  const headerLength = Math.min((bytes.readUInt8(12) >> 4) * 4, bytes.length)
  const bits = bytes.readUInt8(13)
  return {
    sourcePort: bytes.readUInt16BE(0),
    destinationPort: bytes.readUInt16BE(2),
    sequence: bytes.readUInt32BE(4),
    acknowledgement: bytes.readUInt32BE(8),
    flags: new Set(FLAGS.filter((_, bit) => bits & (1 << bit))),
    window: bytes.readUInt16BE(14),
    options: decodeTcpOptions(bytes.subarray(20, headerLength)),
    payload: bytes.subarray(headerLength),
    checksum,
  }
}

function decodeTcpOptions(bytes: Buffer): TcpOptions {
  const options: TcpOptions = {}
  let at = 0
  while (at < bytes.length) {
    const kind = bytes.readUInt8(at)
    if (kind === 0) break
    if (kind === 1) {
      at += 1
      continue
    }
    const length = at + 1 < bytes.length ? bytes.readUInt8(at + 1) : 0
    if (length < 2 || at + length > bytes.length) break
    decodeTcpOption(kind, bytes.subarray(at + 2, at + length), options)
    at += length
  }
  return options
}

function decodeTcpOption(kind: number, value: Buffer, options: TcpOptions): void {
  if (kind === 2 && value.length === 2) options.mss = value.readUInt16BE(0)
  if (kind === 3 && value.length === 1) options.windowScale = value.readUInt8(0)
  if (kind === 4 && value.length === 0) options.sackPermitted = true
  if (kind === 5) {
    const count = Math.floor(value.length / 8)
    options.sack = Array.from({ length: count }, (_, index) => [
      value.readUInt32BE(index * 8),
      value.readUInt32BE(index * 8 + 4),
    ])
  }
  if (kind === 8 && value.length === 8) {
    options.timestamps = { value: value.readUInt32BE(0), echo: value.readUInt32BE(4) }
  }
}

function checksumState(bytes: Buffer, at: number, ip: DecodedIp): ChecksumState {
  // ICMP for IPv4 is the one without a pseudo-header.
  const pseudo = ip.protocol === 1 ? Buffer.alloc(0) : pseudoHeader(bytes.length, ip)
  if (onesComplementSum(pseudo, bytes) === 0xffff) return 'good'
  const isPartial = pseudo.length > 0 && bytes.readUInt16BE(at) === onesComplementSum(pseudo)
  return isPartial ? 'partial' : 'bad'
}

function pseudoHeader(length: number, ip: DecodedIp): Buffer {
  const tail = Buffer.alloc(8)
  tail.writeUInt32BE(length, 0)
  tail.writeUInt32BE(ip.protocol, 4)
  return Buffer.concat([addressBytes(ip.source), addressBytes(ip.destination), tail])
}

/** Network byte order. */
export function addressBytes(address: string): Buffer {
  if (!address.includes(':')) return Buffer.from(address.split('.').map(Number))
  const [head = '', tail] = address.split('::')
  const groups = (text: string) =>
    text ? text.split(':').map((group) => Number.parseInt(group, 16)) : []
  const [before, after] = [groups(head), groups(tail ?? '')]
  const middle = tail === undefined ? [] : new Array(8 - before.length - after.length).fill(0)
  const bytes = Buffer.alloc(16)
  for (const [index, group] of [...before, ...middle, ...after].entries()) {
    bytes.writeUInt16BE(group, index * 2)
  }
  return bytes
}

function mac(bytes: Buffer, at: number): string {
  return [...bytes.subarray(at, at + 6)].map((byte) => byte.toString(16).padStart(2, '0')).join(':')
}

function ipv4(bytes: Buffer, at: number): string {
  return [...bytes.subarray(at, at + 4)].join('.')
}

/** As RFC 5952 writes it: the longest run of zero groups shortened, the first of equals. */
function ipv6(bytes: Buffer, at: number): string {
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(at + index * 2))
  let best = { start: -1, length: 1 }
  for (let start = 0; start < 8; start++) {
    let length = 0
    while (start + length < 8 && groups[start + length] === 0) length++
    if (length > best.length) best = { start, length }
  }
  const text = (from: number, to: number) =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(':')
  if (best.start < 0) return text(0, 8)
  return `${text(0, best.start)}::${text(best.start + best.length, 8)}`
}
