import { describe, expect, test } from 'vitest'
import { onesComplementSum } from '../helpers/frame.js'
import type { CapturedFrame } from '../helpers/pcap.js'
import { tcpViolations } from '../helpers/tcp-invariants.js'

const hosts = {
  4: { client: 'c000020a', server: 'c0000264' },
  6: {
    client: '20010db8000100000000000000000010',
    server: '20010db8000100000000000000000100',
  },
} as const

interface Segment {
  from: 'client' | 'server'
  flags: number
  seq: number
  ack?: number
  window?: number
  payload?: string
  /** Value of the time stamp option. */
  time?: number
}

const [SYN, ACK] = [0x02, 0x10]

/** A frame with both checksums right. */
function frame(family: 4 | 6, segment: Segment): CapturedFrame {
  const isClient = segment.from === 'client'
  const [source, destination] = isClient
    ? (['client', 'server'] as const)
    : (['server', 'client'] as const)
  const addresses = Buffer.from(hosts[family][source] + hosts[family][destination], 'hex')
  const tcp = Buffer.alloc(36)
  tcp.writeUInt16BE(isClient ? 40000 : 80, 0)
  tcp.writeUInt16BE(isClient ? 80 : 40000, 2)
  tcp.writeUInt32BE(segment.seq >>> 0, 4)
  tcp.writeUInt32BE((segment.ack ?? 0) >>> 0, 8)
  tcp.writeUInt8(9 << 4, 12)
  tcp.writeUInt8(segment.flags, 13)
  tcp.writeUInt16BE(segment.window ?? 1000, 14)
  // A window scale of 2 on SYNs, a time stamp, and two bytes of nothing.
  const scale = segment.flags & SYN ? [3, 3, 2] : [1, 1, 1]
  Buffer.from([...scale, 8, 10, 0, 0, 0, segment.time ?? 0, 0, 0, 0, 0, 1, 1, 0]).copy(tcp, 20)
  const bytes = Buffer.concat([tcp, Buffer.from(segment.payload ?? '')])
  const pseudo = Buffer.from([0, 6, bytes.length >> 8, bytes.length & 0xff])
  bytes.writeUInt16BE(~onesComplementSum(addresses, pseudo, bytes) & 0xffff, 16)
  return captured(Buffer.concat([header(family, addresses, bytes.length), bytes]))
}

function header(family: 4 | 6, addresses: Buffer, length: number): Buffer {
  const macs = '02000000000b02000000000a'
  if (family === 6) {
    const fixed = Buffer.from(`${macs}86dd6000000000000640`, 'hex')
    fixed.writeUInt16BE(length, 18)
    return Buffer.concat([fixed, addresses])
  }
  const bytes = Buffer.from(`${macs}0800450000000000400040060000`, 'hex')
  bytes.writeUInt16BE(20 + length, 16)
  const whole = Buffer.concat([bytes, addresses])
  whole.writeUInt16BE(~onesComplementSum(whole.subarray(14)) & 0xffff, 24)
  return whole
}

function captured(bytes: Buffer): CapturedFrame {
  return { time: 0n, length: bytes.length, bytes, interface: 0 }
}

/** Sequence numbers that pass zero on their way. */
const [CLIENT, SERVER] = [0xffff_fffe, 0x7fff_fff0]

const handshake: Segment[] = [
  { from: 'client', flags: SYN, seq: CLIENT },
  { from: 'server', flags: SYN | ACK, seq: SERVER, ack: CLIENT + 1 },
  { from: 'client', flags: ACK, seq: CLIENT + 1, ack: SERVER + 1, time: 1 },
  { from: 'client', flags: ACK, seq: CLIENT + 1, ack: SERVER + 1, payload: 'hello', time: 1 },
]
const answer: Segment = { from: 'server', flags: ACK, seq: SERVER + 1, ack: CLIENT + 6 }

describe.each([[4], [6]] as const)('TCP over IPv%i', (family) => {
  const check = (...segments: Segment[]) =>
    tcpViolations(segments.map((segment) => frame(family, segment)))

  test('a sound conversation breaches nothing', () => {
    const moved = { from: 'client', flags: ACK, seq: CLIENT + 6, ack: SERVER + 2 } as const
    // One byte less of window for one more acknowledged: the edge stays.
    expect(check(...handshake, { ...answer, payload: '!' }, { ...moved, window: 1000 })).toEqual([])
  })

  test('a window edge that moves left, by more than what was acknowledged', () => {
    const data = { ...answer, payload: '12345678' }
    const shrunk = { from: 'client', flags: ACK, seq: CLIENT + 6, ack: SERVER + 9 } as const
    expect(check(...handshake, data, { ...shrunk, window: 998 })).toEqual([])
    expect(check(...handshake, data, { ...shrunk, window: 997 })).toEqual([
      expect.stringContaining('window edge moves left'),
    ])
  })

  test('of two offers with the same acknowledgement, time stamps tell which is newer', () => {
    const offer = { from: 'client', flags: ACK, seq: CLIENT + 6, ack: SERVER + 1 } as const
    expect(check(...handshake, { ...offer, window: 900, time: 1 })).toEqual([])
    expect(check(...handshake, { ...offer, window: 900, time: 2 })).toHaveLength(1)
  })

  test('an acknowledgement of what was not sent', () => {
    expect(check(...handshake, { ...answer, ack: CLIENT + 7 })).toEqual([
      expect.stringContaining('acknowledges what was not sent'),
    ])
  })

  test('other bytes at the same sequence number', () => {
    const [, , , hello] = handshake as [Segment, Segment, Segment, Segment]
    expect(check(...handshake, { ...hello, payload: 'hallo' })).toEqual([
      expect.stringContaining('other bytes'),
    ])
  })

  test('a bad checksum', () => {
    const frames = handshake.map((segment) => frame(family, segment))
    const last = frames.at(-1) as CapturedFrame
    last.bytes.writeUInt8(0, last.length - 1)
    expect(tcpViolations(frames)).toEqual([expect.stringContaining('TCP checksum is bad')])
  })
})
