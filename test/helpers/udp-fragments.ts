/** Makes UDP datagrams in fragments, as a kernel would send them and as none would. */
import { addressBytes, onesComplementSum } from './frame.js'

interface Side {
  mac: string
  address: string
  port: number
}

export interface FragmentedDatagram {
  from: Side
  to: Side
  payload: Buffer
  id: number
  /** Bytes behind the IP header in each but the last, a multiple of 8. */
  size: number
}

/** Where a fragment stands in its datagram. */
export interface FragmentPlace {
  offset: number
  more: boolean
}

export function udpFragments(datagram: FragmentedDatagram): Buffer[] {
  const { from, to, payload, size } = datagram
  const header = Buffer.alloc(8)
  header.writeUInt16BE(from.port, 0)
  header.writeUInt16BE(to.port, 2)
  header.writeUInt16BE(8 + payload.length, 4)
  const whole = Buffer.concat([header, payload])
  const pseudo = Buffer.from([0, 17, whole.length >> 8, whole.length & 0xff])
  const addresses = Buffer.concat([addressBytes(from.address), addressBytes(to.address)])
  whole.writeUInt16BE(~onesComplementSum(addresses, pseudo, whole) & 0xffff || 0xffff, 6)
  const fragments: Buffer[] = []
  for (let offset = 0; offset < whole.length; offset += size) {
    const more = offset + size < whole.length
    const piece = whole.subarray(offset, offset + size)
    fragments.push(fragmentFrame(datagram, { offset, more }, piece))
  }
  return fragments
}

/** One fragment, whatever is in it. */
export function fragmentFrame(
  { from, to, id }: Omit<FragmentedDatagram, 'payload' | 'size'>,
  { offset, more }: FragmentPlace,
  bytes: Buffer,
): Buffer {
  const macs = Buffer.from((to.mac + from.mac).replaceAll(':', ''), 'hex')
  const addresses = Buffer.concat([addressBytes(from.address), addressBytes(to.address)])
  if (addresses.length === 8) {
    const ip = Buffer.concat([Buffer.from('450000000000000040110000', 'hex'), addresses])
    ip.writeUInt16BE(20 + bytes.length, 2)
    ip.writeUInt16BE(id, 4)
    ip.writeUInt16BE((offset >> 3) | (more ? 0x2000 : 0), 6)
    ip.writeUInt16BE(~onesComplementSum(ip) & 0xffff, 10)
    return Buffer.concat([macs, Buffer.from('0800', 'hex'), ip, bytes])
  }
  const ip = Buffer.concat([Buffer.from('6000000000002c40', 'hex'), addresses])
  ip.writeUInt16BE(8 + bytes.length, 4)
  const fragment = Buffer.alloc(8)
  fragment.writeUInt8(17, 0)
  fragment.writeUInt16BE(offset | (more ? 1 : 0), 2)
  fragment.writeUInt32BE(id, 4)
  return Buffer.concat([macs, Buffer.from('86dd', 'hex'), ip, fragment, bytes])
}
