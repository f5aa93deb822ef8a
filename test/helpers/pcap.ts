/** Reads capture files: pcap of either byte order and resolution, and pcapng. Frames only. */
import { readFileSync } from 'node:fs'

export interface CapturedFrame {
  /** Nanoseconds since 1970. */
  time: bigint
  /** Length on the wire; more than `bytes` holds where the capture cut it off. */
  length: number
  bytes: Buffer
  /** Number of the interface in a pcapng file; 0 in a pcap file. */
  interface: number
}

const LINKTYPE_ETHERNET = 1

export function readCapture(path: string): CapturedFrame[] {
  return parseCapture(readFileSync(path))
}

/** @throws {Error} where the file is none of the formats, or is not of Ethernet frames. */
export function parseCapture(file: Buffer): CapturedFrame[] {
  const magic = file.readUInt32BE(0)
  if (magic === 0x0a0d0d0a) return parsePcapng(file)
  for (const [known, littleEndian, nanoseconds] of PCAP_MAGICS) {
    if (magic === known) return parsePcap(new Fields(file, littleEndian), nanoseconds)
  }
  throw new Error(`not a capture file: begins with ${magic.toString(16)}`)
}

const PCAP_MAGICS = [
  [0xa1b2c3d4, false, 1000n],
  [0xd4c3b2a1, true, 1000n],
  [0xa1b23c4d, false, 1n],
  [0x4d3cb2a1, true, 1n],
] as const

class Fields {
  constructor(
    readonly bytes: Buffer,
    private readonly littleEndian: boolean,
  ) {}

  u16(at: number): number {
    return this.littleEndian ? this.bytes.readUInt16LE(at) : this.bytes.readUInt16BE(at)
  }

  u32(at: number): number {
    return this.littleEndian ? this.bytes.readUInt32LE(at) : this.bytes.readUInt32BE(at)
  }
}

function parsePcap(fields: Fields, unit: bigint): CapturedFrame[] {
  requireEthernet(fields.u32(20) & 0xffff)
  const frames: CapturedFrame[] = []
  let at = 24
  // A file whose last record is not whole was cut off while it was written: its frame is lost.
  while (at + 16 <= fields.bytes.length) {
    const stored = fields.u32(at + 8)
    if (at + 16 + stored > fields.bytes.length) break
    frames.push({
      time: BigInt(fields.u32(at)) * 1_000_000_000n + BigInt(fields.u32(at + 4)) * unit,
      length: fields.u32(at + 12),
      bytes: fields.bytes.subarray(at + 16, at + 16 + stored),
      interface: 0,
    })
    at += 16 + stored
  }
  return frames
}

const SECTION_HEADER = 0x0a0d0d0a
const INTERFACE_DESCRIPTION = 1
const SIMPLE_PACKET = 3
const ENHANCED_PACKET = 6

function parsePcapng(file: Buffer): CapturedFrame[] {
  const frames: CapturedFrame[] = []
  let units: bigint[] = []
  let fields = new Fields(file, true)
  let at = 0
  while (at + 12 <= file.length) {
    const type = fields.u32(at)
    if (type === SECTION_HEADER) {
      fields = new Fields(file, file.readUInt32LE(at + 8) === 0x1a2b3c4d)
      units = []
    }
    const end = at + fields.u32(at + 4)
    if (end > file.length || end < at + 12) break
    if (type === INTERFACE_DESCRIPTION) units.push(interfaceUnit(fields, at, end))
    if (type === ENHANCED_PACKET) frames.push(enhancedPacket(fields, at, units))
    if (type === SIMPLE_PACKET) frames.push(simplePacket(fields, at, end))
    at = end
  }
  return frames
}

/** Units of a second in an interface's time stamps: option if_tsresol, a millionth by default. */
function interfaceUnit(fields: Fields, block: number, end: number): bigint {
  requireEthernet(fields.u16(block + 8))
  let at = block + 16
  while (at + 4 <= end - 4) {
    const [code, length] = [fields.u16(at), fields.u16(at + 2)]
    if (code === 0) break
    if (code === 9) {
      const resolution = fields.bytes.readUInt8(at + 4)
      return resolution & 0x80 ? 2n ** BigInt(resolution & 0x7f) : 10n ** BigInt(resolution)
    }
    at += 4 + Math.ceil(length / 4) * 4
  }
  return 1_000_000n
}

function enhancedPacket(fields: Fields, block: number, units: bigint[]): CapturedFrame {
  const on = fields.u32(block + 8)
  const ticks = (BigInt(fields.u32(block + 12)) << 32n) | BigInt(fields.u32(block + 16))
  const stored = fields.u32(block + 20)
  return {
    time: (ticks * 1_000_000_000n) / (units[on] ?? 1_000_000n),
    length: fields.u32(block + 24),
    bytes: fields.bytes.subarray(block + 28, block + 28 + stored),
    interface: on,
  }
}

function simplePacket(fields: Fields, block: number, end: number): CapturedFrame {
  const length = fields.u32(block + 8)
  const stored = Math.min(length, end - 4 - (block + 12))
  return {
    time: 0n,
    length,
    bytes: fields.bytes.subarray(block + 12, block + 12 + stored),
    interface: 0,
  }
}

function requireEthernet(linkType: number): void {
  if (linkType !== LINKTYPE_ETHERNET) throw new Error(`link type ${linkType} is not Ethernet`)
}
