import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { decodeFrame, onesComplementSum } from '../helpers/frame.js'
import { type CapturedFrame, parseCapture } from '../helpers/pcap.js'
import { tcpStreams } from '../helpers/tcp-streams.js'

const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ''), 'hex')

/** A SYN from 192.0.2.10:40000 to 192.0.2.100:80 with the options that Linux sends. */
const SYN4 = hex(`
  02000000000b 02000000000a 0800
  4500003c 12344000 40060000 c000020a c0000264
  9c400050 00000064 00000000 a002faf0 00000000
  020405b4 0402080a 00000001 00000000 01030307
`)
SYN4.writeUInt16BE(~onesComplementSum(SYN4.subarray(14, 34)) & 0xffff, 24)

const SYN6 = hex(`
  02000000000b 02000000000a 86dd
  60000000 00280640 20010db8000100000000000000000010 20010db8000100000000000000000100
  9c400050 00000064 00000000 a002faf0 00000000
  020405a0 0402080a 00000001 00000000 01030307
`)

/** The pseudo-header's sum, by hand: what is in the checksum field before a device completes it. */
function pseudoSum(frame: Buffer): number {
  const [addresses, length] =
    frame.readUInt16BE(12) === 0x0800 ? [frame.subarray(26, 34), 40] : [frame.subarray(22, 54), 40]
  return onesComplementSum(addresses, Buffer.from([0, 6, 0, length]))
}

function withTcpChecksum(frame: Buffer, kind: 'good' | 'partial' | 'bad'): Buffer {
  const copy = Buffer.from(frame)
  const at = frame.readUInt16BE(12) === 0x0800 ? 34 : 54
  const pseudo = pseudoSum(copy)
  copy.writeUInt16BE(pseudo, at + 16)
  if (kind === 'partial') return copy
  const whole = ~onesComplementSum(copy.subarray(at)) & 0xffff
  copy.writeUInt16BE(kind === 'good' ? whole : whole ^ 0x0100, at + 16)
  return copy
}

describe.each([
  ['IPv4', SYN4, 4, '192.0.2.10', '192.0.2.100', 1460],
  ['IPv6', SYN6, 6, '2001:db8:1::10', '2001:db8:1::100', 1440],
] as const)('decoding %s', (_name, syn, version, source, destination, mss) => {
  test('a SYN gives addresses, ports, flags and options', () => {
    const frame = decodeFrame(withTcpChecksum(syn, 'good'))
    expect(frame.ip).toMatchObject({ version, source, destination, protocol: 6, ttl: 64 })
    expect(frame.ip?.checksum).toBe('good')
    expect(frame.tcp).toMatchObject({ sourcePort: 40000, destinationPort: 80, sequence: 100 })
    expect(frame.tcp?.options).toEqual({
      mss,
      sackPermitted: true,
      timestamps: { value: 1, echo: 0 },
      windowScale: 7,
    })
    expect([...(frame.tcp?.flags ?? [])]).toEqual(['SYN'])
  })

  test.each(['good', 'partial', 'bad'] as const)('a %s TCP checksum is told', (kind) => {
    expect(decodeFrame(withTcpChecksum(syn, kind)).tcp?.checksum).toBe(kind)
  })

  test('a frame cut short decodes as far as it goes', () => {
    for (let length = 14; length < syn.length; length++) {
      const frame = decodeFrame(syn.subarray(0, length))
      expect(frame.tcp?.checksum ?? 'cut').toBe('cut')
    }
  })

  test('Ethernet padding is not part of the packet', () => {
    const padded = Buffer.concat([withTcpChecksum(syn, 'good'), Buffer.alloc(9, 0xff)])
    expect(decodeFrame(padded).tcp).toMatchObject({ checksum: 'good', payload: Buffer.alloc(0) })
  })

  test('a VLAN tag is passed over and told', () => {
    const tagged = Buffer.concat([syn.subarray(0, 12), hex('8100 0065'), syn.subarray(12)])
    expect(decodeFrame(tagged)).toMatchObject({ vlans: [101], ip: { source } })
  })

  test('a stream is put together from segments out of order and doubled', () => {
    const segment = (sequence: number, payload: string) => {
      const frame = Buffer.concat([syn, Buffer.from(payload)])
      const at = version === 4 ? 34 : 54
      frame.writeUInt32BE(sequence, at + 4)
      frame.writeUInt8(0x10, at + 13)
      if (version === 4) frame.writeUInt16BE(60 + payload.length, 16)
      else frame.writeUInt16BE(40 + payload.length, 18)
      return frame
    }
    const frames = [syn, segment(105, 'efgh'), segment(101, 'abcd'), segment(103, 'cdXf')]
    const [stream, ...others] = tcpStreams(frames.map(captured))
    expect(others).toEqual([])
    expect(stream?.bytes.toString()).toBe('abcdefgh')
    expect(stream?.sha256).toBe(createHash('sha256').update('abcdefgh').digest('hex'))
    expect(stream).toMatchObject({ repeated: 4, contradictions: [4], finished: false })
  })
})

function captured(bytes: Buffer): CapturedFrame {
  return { time: 0n, length: bytes.length, bytes, interface: 0 }
}

describe('IPv6 addresses are written as RFC 5952 says', () => {
  test.each([
    ['20010db8000000000000000000000001', '2001:db8::1'],
    ['00000000000000000000000000000000', '::'],
    ['00000000000000000000000000000001', '::1'],
    ['fe800000000000000000000000000000', 'fe80::'],
    ['20010db8000000010001000100010001', '2001:db8:0:1:1:1:1:1'],
    ['20010000000000010000000000000001', '2001:0:0:1::1'],
    ['20010db8000100000000000100000000', '2001:db8:1::1:0:0'],
  ])('%s', (bytes, text) => {
    const frame = Buffer.from(SYN6)
    hex(bytes).copy(frame, 22)
    expect(decodeFrame(frame).ip?.source).toBe(text)
  })
})

describe('capture files', () => {
  const littleEndian = (...words: number[]) => {
    const bytes = Buffer.alloc(words.length * 4)
    for (const [index, word] of words.entries()) bytes.writeUInt32LE(word >>> 0, index * 4)
    return bytes
  }
  const header = [0x00040002, 0, 0, 65535, 1]

  test.each([
    ['microseconds', 0xa1b2c3d4, 5_000_007_000n],
    ['nanoseconds', 0xa1b23c4d, 5_000_000_007n],
  ])('pcap in %s, of either byte order', (_name, magic, time) => {
    const file = Buffer.concat([
      littleEndian(magic, ...header),
      littleEndian(5, 7, SYN4.length, 2000),
      SYN4,
    ])
    expect(parseCapture(file)).toEqual([{ time, length: 2000, bytes: SYN4, interface: 0 }])
    const swapped = Buffer.concat([file.subarray(0, 40).swap32(), SYN4])
    // The version is two fields of 16 bits, which swap32 has exchanged; nobody reads it.
    expect(parseCapture(swapped)).toEqual([{ time, length: 2000, bytes: SYN4, interface: 0 }])
  })

  test('pcapng with an interface in nanoseconds', () => {
    const padded = Buffer.concat([SYN4, Buffer.alloc((4 - (SYN4.length % 4)) % 4)])
    const length = 32 + padded.length
    const file = Buffer.concat([
      littleEndian(0x0a0d0d0a, 28, 0x1a2b3c4d, 1, -1, -1, 28),
      // if_tsresol 9, end of options
      littleEndian(1, 32, 1, 0, 0x00010009, 9, 0, 32),
      littleEndian(6, length, 0, 1, 7, SYN4.length, SYN4.length),
      padded,
      littleEndian(length),
    ])
    expect(parseCapture(file)).toEqual([
      { time: 0x1_0000_0007n, length: SYN4.length, bytes: SYN4, interface: 0 },
    ])
  })

  test('the whole frames of a file that was cut off are read', () => {
    const record = Buffer.concat([littleEndian(0, 0, SYN4.length, SYN4.length), SYN4])
    const file = Buffer.concat([littleEndian(0xa1b2c3d4, ...header), record, record])
    expect(parseCapture(file.subarray(0, -1))).toHaveLength(1)
  })

  test('anything else is refused', () => {
    expect(() => parseCapture(Buffer.from('no capture'))).toThrow('not a capture file')
    expect(() => parseCapture(littleEndian(0xa1b2c3d4, 0, 0, 0, 0, 101))).toThrow('not Ethernet')
  })
})
