/** Counts what a capture shows of each flow as `sluice flows` counts it (STAT-07). */
import { type DecodedFrame, decodeFrame } from './frame.js'
import type { CapturedFrame } from './pcap.js'

export interface FlowCounts {
  packets: { in: number; out: number }
  /** IP bytes as on the wire: each segment of a super-packet with headers of its own. */
  bytes: { in: number; out: number }
  /** Milliseconds since 1970 of the first and the last frame. */
  first: number
  last: number
}

/** A frame of a flow, as counted. */
interface Counted {
  packets: number
  bytes: number
}

/**
 * The flows of clients to `listen`, an address with its port, by client: `192.0.2.10:40000`. A
 * super-packet counts as the segments that it is cut into: those of the smaller MSS of the SYNs.
 */
export function countFlows(
  frames: readonly CapturedFrame[],
  listen: { address: string; port: number },
): Map<string, FlowCounts> {
  const flows = new Map<string, FlowCounts & { mss: number }>()
  for (const { bytes, time } of frames) {
    const frame = decodeFrame(bytes)
    const l4 = frame.tcp ?? frame.udp
    if (!frame.ip || !l4) continue
    const { source, destination } = frame.ip
    const isIn = destination === listen.address && l4.destinationPort === listen.port
    const isOut = source === listen.address && l4.sourcePort === listen.port
    if (!isIn && !isOut) continue
    const client = isIn
      ? endpoint(source, l4.sourcePort)
      : endpoint(destination, l4.destinationPort)
    const at = Number(time) / 1e6
    const flow = flows.get(client) ?? empty(at)
    flows.set(client, flow)
    flow.last = at
    flow.mss = Math.min(flow.mss, frame.tcp?.options.mss ?? flow.mss)
    const counted = countFrame(frame, bytes, flow.mss)
    const way = isIn ? 'in' : 'out'
    flow.packets[way] += counted.packets
    flow.bytes[way] += counted.bytes
  }
  return flows
}

const empty = (first: number): FlowCounts & { mss: number } => ({
  packets: { in: 0, out: 0 },
  bytes: { in: 0, out: 0 },
  first,
  last: first,
  mss: Number.POSITIVE_INFINITY,
})

function countFrame({ ip, tcp }: DecodedFrame, bytes: Buffer, mss: number): Counted {
  const ipLength = ip?.version === 4 ? bytes.readUInt16BE(16) : 40 + bytes.readUInt16BE(18)
  if (!tcp || tcp.payload.length === 0) return { packets: 1, bytes: ipLength }
  const headers = ipLength - tcp.payload.length
  // The MSS is of a segment without options; those of a segment take their room from it.
  const options = headers - (ip?.version === 4 ? 40 : 60)
  const packets = Math.ceil(tcp.payload.length / (mss - options))
  return { packets, bytes: tcp.payload.length + packets * headers }
}

function endpoint(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}
