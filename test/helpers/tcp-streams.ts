/** Puts the TCP conversations of a capture together again, and says where they contradict themselves. */
import { createHash } from 'node:crypto'
import { type DecodedFrame, type DecodedTcp, decodeFrame } from './frame.js'
import type { CapturedFrame } from './pcap.js'

export interface TcpSegment {
  time: bigint
  frame: DecodedFrame
  tcp: DecodedTcp
}

/** One direction of one connection. */
export interface TcpStream {
  /** `192.0.2.10:40000` or `[2001:db8:1::10]:40000`. */
  from: string
  to: string
  segments: TcpSegment[]
  /** The payload in order, each byte once, up to the first one that the capture lacks. */
  bytes: Buffer
  sha256: string
  /** Bytes that came more than once. */
  repeated: number
  /** Sequence offsets where a repeated byte was not the byte of the first time. */
  contradictions: number[]
  finished: boolean
  reset: boolean
}

/** All streams, in the order in which their first segments were seen. */
export function tcpStreams(frames: readonly CapturedFrame[]): TcpStream[] {
  const directions = new Map<string, TcpSegment[][]>()
  for (const captured of frames) {
    const frame = decodeFrame(captured.bytes)
    if (!frame.tcp) continue
    const key = `${endpoint(frame, 'source')} ${endpoint(frame, 'destination')}`
    const connections = directions.get(key) ?? []
    directions.set(key, connections)
    const segment = { time: captured.time, frame, tcp: frame.tcp }
    if (beginsAnother(segment, connections.at(-1))) connections.push([])
    connections.at(-1)?.push(segment)
  }
  const all = [...directions.values()].flat().map(streamOf)
  return all.sort((a, b) => Number((a.segments[0]?.time ?? 0n) - (b.segments[0]?.time ?? 0n)))
}

/** The streams of connections to `port`, as pairs of both directions. */
export function conversations(frames: readonly CapturedFrame[], port: number) {
  const streams = tcpStreams(frames)
  const forward = streams.filter(({ to }) => to.endsWith(`:${port}`))
  return forward.map((stream) => ({
    request: stream,
    reply: streams.find(({ from, to }) => from === stream.to && to === stream.from),
  }))
}

function endpoint(frame: DecodedFrame, side: 'source' | 'destination'): string {
  const address = frame.ip?.[side] ?? ''
  const port = side === 'source' ? frame.tcp?.sourcePort : frame.tcp?.destinationPort
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

/** A SYN with another initial sequence number uses the same addresses and ports again. */
function beginsAnother({ tcp }: TcpSegment, connection: TcpSegment[] | undefined): boolean {
  const first = connection?.[0]?.tcp
  if (!first) return true
  return tcp.flags.has('SYN') && first.flags.has('SYN') && tcp.sequence !== first.sequence
}

function streamOf(segments: TcpSegment[]): TcpStream {
  const first = segments[0] as TcpSegment
  const start = (first.tcp.sequence + (first.tcp.flags.has('SYN') ? 1 : 0)) >>> 0
  const { bytes, repeated, contradictions } = reassemble(segments, start)
  return {
    from: endpoint(first.frame, 'source'),
    to: endpoint(first.frame, 'destination'),
    segments,
    bytes,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    repeated,
    contradictions,
    finished: segments.some(({ tcp }) => tcp.flags.has('FIN')),
    reset: segments.some(({ tcp }) => tcp.flags.has('RST')),
  }
}

function reassemble(segments: TcpSegment[], start: number) {
  const pieces = segments
    .filter(({ tcp }) => tcp.payload.length > 0)
    .map(({ tcp }) => ({ at: offsetOf(tcp, start), payload: tcp.payload }))
  const end = Math.max(0, ...pieces.map(({ at, payload }) => at + payload.length))
  const [bytes, seen] = [Buffer.alloc(end), Buffer.alloc(end)]
  const contradictions: number[] = []
  let repeated = 0
  for (const { at, payload } of pieces) {
    for (let index = Math.max(0, -at); index < payload.length; index++) {
      const byte = payload[index] as number
      if (seen[at + index]) {
        repeated++
        if (bytes[at + index] !== byte) contradictions.push(at + index)
        continue
      }
      bytes[at + index] = byte
      seen[at + index] = 1
    }
  }
  const gap = seen.indexOf(0)
  return { bytes: gap < 0 ? bytes : bytes.subarray(0, gap), repeated, contradictions }
}

/** Where a payload begins in its stream; a keep-alive probe's byte lies before the start. */
function offsetOf(tcp: DecodedTcp, start: number): number {
  const first = tcp.sequence + (tcp.flags.has('SYN') ? 1 : 0)
  // Signed: streams of less than 2 GiB, which a capture in memory is.
  return (first - start) | 0
}
