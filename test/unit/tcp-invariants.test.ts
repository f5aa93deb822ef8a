import { describe, expect, test } from 'vitest'
import type { CapturedFrame } from '../helpers/pcap.js'
import { ACK, SYN, tcpFrame } from '../helpers/tcp-frame.js'
import { tcpViolations } from '../helpers/tcp-invariants.js'

const hosts = {
  4: { client: '192.0.2.10', server: '192.0.2.100' },
  6: { client: '2001:db8:1::10', server: '2001:db8:1::100' },
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

function frame(family: 4 | 6, segment: Segment): CapturedFrame {
  const client = { mac: '02:00:00:00:00:0a', address: hosts[family].client, port: 40000 }
  const server = { mac: '02:00:00:00:00:0b', address: hosts[family].server, port: 80 }
  const [from, to] = segment.from === 'client' ? [client, server] : [server, client]
  // A window scale of 2 on SYNs, a time stamp, and three bytes of nothing.
  const scale = segment.flags & SYN ? [3, 3, 2] : [1, 1, 1]
  const options = [...scale, 8, 10, 0, 0, 0, segment.time ?? 0, 0, 0, 0, 0, 1, 1, 0]
  const bytes = tcpFrame({ ...segment, from, to, options })
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
