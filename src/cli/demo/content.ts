/**
 * The bytes of the demo's bulk download: made on the fly, the same for every server, and with the
 * number of each block at its head, so that a block lost, doubled or out of place shows in the hash.
 */
import { createCipheriv, createHash } from 'node:crypto'

const blockBytes = 256 * 1024

/** Bytes that do not compress and never change: AES-CTR of zeros under a zero key. */
const pattern = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16)).update(
  Buffer.alloc(blockBytes),
)

/** The first `length` bytes, in parts. */
export function* content(length: number): Generator<Buffer> {
  for (let block = 0; block * blockBytes < length; block += 1) {
    const head = Buffer.alloc(8)
    head.writeBigUInt64BE(BigInt(block))
    const left = length - block * blockBytes
    yield head.subarray(0, left)
    if (left > head.length) yield pattern.subarray(head.length, left)
  }
}

/** SHA-256 of the first `length` bytes. */
export function contentHash(length: number): string {
  const hash = createHash('sha256')
  for (const part of content(length)) hash.update(part)
  return hash.digest('hex')
}
