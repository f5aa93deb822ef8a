/** Makes ICMP messages as anybody could forge them, in frames whose checksums are right. */
import { addressBytes, onesComplementSum } from './frame.js'
import { ipFrame, type Station } from './tcp-frame.js'

export interface IcmpFrameOptions {
  from: Station
  to: Station
  type: number
  code: number
  /** The second word of the message. */
  rest?: number
  body: Buffer
}

/** ICMP or ICMPv6, as the addresses are. */
export function icmpFrame({ from, to, type, code, rest = 0, body }: IcmpFrameOptions): Buffer {
  const message = Buffer.concat([Buffer.from([type, code, 0, 0, 0, 0, 0, 0]), body])
  message.writeUInt32BE(rest, 4)
  const addresses = Buffer.concat([addressBytes(from.address), addressBytes(to.address)])
  const isIpv6 = addresses.length === 32
  const pseudo = Buffer.from([0, 58, message.length >> 8, message.length & 0xff])
  const parts = isIpv6 ? [addresses, pseudo, message] : [message]
  message.writeUInt16BE(~onesComplementSum(...parts) & 0xffff, 2)
  return ipFrame(from, to, isIpv6 ? 58 : 1, message)
}
