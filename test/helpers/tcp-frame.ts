/** Makes TCP segments as no kernel would send them, in frames whose checksums are right. */
import { addressBytes, onesComplementSum } from './frame.js'

export interface Station {
  mac: string
  address: string
}

interface Side extends Station {
  port: number
}

export interface TcpFrameOptions {
  from: Side
  to: Side
  /** Bits of the flags: FIN 1, SYN 2, RST 4, PSH 8, ACK 16. */
  flags: number
  seq: number
  ack?: number
  window?: number
  /** Whole words. */
  options?: number[]
  payload?: string
}

export const [FIN, SYN, RST, ACK] = [0x01, 0x02, 0x04, 0x10]

export function tcpFrame(frame: TcpFrameOptions): Buffer {
  const { from, to, options = [] } = frame
  const addresses = Buffer.concat([addressBytes(from.address), addressBytes(to.address)])
  const header = Buffer.alloc(20)
  header.writeUInt16BE(from.port, 0)
  header.writeUInt16BE(to.port, 2)
  header.writeUInt32BE(frame.seq >>> 0, 4)
  header.writeUInt32BE((frame.ack ?? 0) >>> 0, 8)
  header.writeUInt8((5 + options.length / 4) << 4, 12)
  header.writeUInt8(frame.flags, 13)
  header.writeUInt16BE(frame.window ?? 1000, 14)
  const segment = Buffer.concat([header, Buffer.from(options), Buffer.from(frame.payload ?? '')])
  const pseudo = Buffer.from([0, 6, segment.length >> 8, segment.length & 0xff])
  segment.writeUInt16BE(~onesComplementSum(addresses, pseudo, segment) & 0xffff, 16)
  return ipFrame(from, to, 6, segment)
}

/** A frame with an IPv4 or IPv6 packet, whose payload has its checksum already. */
export function ipFrame(from: Station, to: Station, protocol: number, payload: Buffer): Buffer {
  const addresses = Buffer.concat([addressBytes(from.address), addressBytes(to.address)])
  const macs = Buffer.from((to.mac + from.mac).replaceAll(':', ''), 'hex')
  const header = addresses.length === 8 ? ipv4Header : ipv6Header
  return Buffer.concat([macs, header(addresses, protocol, payload.length), payload])
}

function ipv4Header(addresses: Buffer, protocol: number, length: number): Buffer {
  const header = Buffer.concat([Buffer.from('450000000000400040000000', 'hex'), addresses])
  header.writeUInt8(protocol, 9)
  header.writeUInt16BE(20 + length, 2)
  header.writeUInt16BE(~onesComplementSum(header) & 0xffff, 10)
  return Buffer.concat([Buffer.from('0800', 'hex'), header])
}

function ipv6Header(addresses: Buffer, protocol: number, length: number): Buffer {
  const header = Buffer.concat([Buffer.from('6000000000000040', 'hex'), addresses])
  header.writeUInt8(protocol, 6)
  header.writeUInt16BE(length, 4)
  return Buffer.concat([Buffer.from('86dd', 'hex'), header])
}
