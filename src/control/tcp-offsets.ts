/** What TCP's numbers are moved by on their way (requirements 2.3), as a STATE tells it and a REPLY
 *  takes it. */
import { SsmbFlags } from '../generated/messages.js'

/** The fields that have it, in both messages alike. */
interface Message {
  flags: number
  readonly xlat: {
    seqOffset: number
    ackOffset: number
    tsvalOffset: number
    tsecrOffset: number
    wshiftC2s: number
    wshiftS2c: number
  }
}

/** Numbers count modulo 2^32. */
export interface TcpOffsets {
  /** Those of SsmbFlags that say what applies. */
  readonly flags: number
  readonly seq: number
  readonly ack: number
  readonly tsval: number
  readonly tsecr: number
  readonly windowShift: number
  readonly replyWindowShift: number
}

const flagsOfOffsets =
  SsmbFlags.addTcpOffsets |
  SsmbFlags.addTsOffsets |
  SsmbFlags.scaleWindow |
  SsmbFlags.stripSack |
  SsmbFlags.stripTs

/** Undefined where the flow has none: the fields count only with their flags (SSMB-30). */
export function readOffsets({ flags, xlat }: Message): TcpOffsets | undefined {
  if ((flags & flagsOfOffsets) === 0) return undefined
  return {
    flags: flags & flagsOfOffsets,
    seq: xlat.seqOffset,
    ack: xlat.ackOffset,
    tsval: xlat.tsvalOffset,
    tsecr: xlat.tsecrOffset,
    windowShift: xlat.wshiftC2s,
    replyWindowShift: xlat.wshiftS2c,
  }
}

export function writeOffsets(offsets: TcpOffsets, message: Message): void {
  message.flags |= offsets.flags
  const { xlat } = message
  xlat.seqOffset = offsets.seq
  xlat.ackOffset = offsets.ack
  xlat.tsvalOffset = offsets.tsval
  xlat.tsecrOffset = offsets.tsecr
  xlat.wshiftC2s = offsets.windowShift
  xlat.wshiftS2c = offsets.replyWindowShift
}

const negated = (offset: number) => -offset >>> 0

/** The offsets of a flow that goes the other way: `mirrored` of native/rewrite/tcp_offsets.h. */
export function mirrored(offsets: TcpOffsets): TcpOffsets {
  return {
    flags: offsets.flags,
    seq: negated(offsets.ack),
    ack: negated(offsets.seq),
    tsval: negated(offsets.tsecr),
    tsecr: negated(offsets.tsval),
    windowShift: offsets.replyWindowShift,
    replyWindowShift: offsets.windowShift,
  }
}
