/** Counts what is in a pcapng file while it passes, and what its end says was lost. */

/** Types of blocks (draft-ietf-opsawg-pcapng, 4.3, 4.6), in the byte order of this machine. */
const enhancedPacket = 6
const interfaceStatistics = 5
/** Type, length, interface and time stamp; then options of a code, a length and eight bytes each. */
const statisticsHead = 20
const optionBytes = 12
const framesDropped = 5

export class CaptureTally {
  packets = 0
  lost = 0
  /** The beginning of a block: one of 64 KiB at the most. */
  #rest: Buffer = Buffer.alloc(0)

  add(chunk: Buffer): void {
    let bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk
    while (bytes.length >= 8) {
      const size = bytes.readUInt32LE(4)
      if (bytes.length < size) break
      this.#count(bytes.subarray(0, size))
      bytes = bytes.subarray(size)
    }
    this.#rest = bytes
  }

  #count(block: Buffer): void {
    const type = block.readUInt32LE(0)
    if (type === enhancedPacket) this.packets++
    if (type !== interfaceStatistics) return
    for (let at = statisticsHead; at + optionBytes <= block.length - 8; at += optionBytes) {
      if (block.readUInt16LE(at) === framesDropped)
        this.lost += Number(block.readBigUInt64LE(at + 4))
    }
  }
}
