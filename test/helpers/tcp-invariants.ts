/**
 * What holds of every TCP conversation in a capture, whoever ran it and whatever stood in between.
 * Segments may be lost on their way to where the capture was taken, and come in another order.
 */
import { type DecodedFrame, type DecodedTcp, decodeFrame } from './frame.js'
import type { CapturedFrame } from './pcap.js'
import { tcpStreams } from './tcp-streams.js'

/** One direction of a conversation. */
interface Sender {
  /** Sequence number behind the last byte that it sent. */
  end: number
  /** The segment that offered a window last, and the window's right edge. */
  offer: { tcp: DecodedTcp; edge: number } | undefined
  scale: number
}

/** Every breach, in words; none is what a test hopes for. */
export function tcpViolations(frames: readonly CapturedFrame[]): string[] {
  const senders = new Map<string, Sender>()
  const violations: string[] = []
  for (const [index, { bytes }] of frames.entries()) {
    const frame = decodeFrame(bytes)
    if (!frame.ip || !frame.tcp) continue
    const key = `${frame.ip.source}.${frame.tcp.sourcePort}`
    const peerKey = `${frame.ip.destination}.${frame.tcp.destinationPort}`
    const sender = follow(senders, `${key} > ${peerKey}`, frame.tcp)
    const peer = senders.get(`${peerKey} > ${key}`)
    const report = (what: string) => violations.push(`frame ${index + 1}, ${key}: ${what}`)
    for (const what of checksumFaults(frame)) report(what)
    if (!frame.tcp.flags.has('ACK')) continue
    if (peer && after(frame.tcp.acknowledgement, peer.end)) report('acknowledges what was not sent')
    if (!peer || frame.tcp.flags.has('RST')) continue
    const edge = rightEdge(frame.tcp, sender, peer)
    const last = sender.offer
    if (last && !isNewer(frame.tcp, last.tcp)) continue
    if (last && after(last.edge, edge)) report('its window edge moves left')
    sender.offer = { tcp: frame.tcp, edge }
  }
  for (const { from, contradictions } of tcpStreams(frames)) {
    if (contradictions.length > 0) violations.push(`${from}: sends other bytes than the first time`)
  }
  return violations
}

function follow(senders: Map<string, Sender>, key: string, tcp: DecodedTcp): Sender {
  const length = tcp.payload.length + Number(tcp.flags.has('SYN')) + Number(tcp.flags.has('FIN'))
  const end = (tcp.sequence + length) >>> 0
  const known = senders.get(key)
  if (known && !tcp.flags.has('SYN')) {
    if (after(end, known.end)) known.end = end
    return known
  }
  const begun = { end, offer: undefined, scale: tcp.options.windowScale ?? 0 }
  senders.set(key, begun)
  return begun
}

function checksumFaults({ ip, tcp }: DecodedFrame): string[] {
  const faults: string[] = []
  if (ip?.checksum === 'bad') faults.push('its IP checksum is bad')
  if (tcp?.checksum === 'bad') faults.push('its TCP checksum is bad')
  return faults
}

/** Whether a sender's segment was certainly sent after another one of it. */
function isNewer(tcp: DecodedTcp, other: DecodedTcp): boolean {
  if (tcp.acknowledgement !== other.acknowledgement) {
    return after(tcp.acknowledgement, other.acknowledgement)
  }
  const [time, before] = [tcp.options.timestamps?.value, other.options.timestamps?.value]
  return time !== undefined && before !== undefined && after(time, before)
}

/** The windows of SYNs are not scaled, and none is if one side does not scale (RFC 7323 2.2). */
function rightEdge(tcp: DecodedTcp, sender: Sender, peer: Sender): number {
  const scales = !tcp.flags.has('SYN') && sender.scale > 0 && peer.scale > 0
  return (tcp.acknowledgement + (scales ? tcp.window * 2 ** sender.scale : tcp.window)) >>> 0
}

/** Whether sequence number `a` comes after `b` (RFC 9293 3.4). */
function after(a: number, b: number): boolean {
  return ((a - b) | 0) > 0
}
