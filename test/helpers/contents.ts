/** Files of a stated size whose bytes are pseudo-random but always the same: order and loss show. */
import { createCipheriv, createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { pipeline } from 'node:stream/promises'

const CHUNK = Buffer.alloc(1 << 20)

/** Writes a file of `size` bytes and returns the SHA-256 of what is in it. */
export async function writeContents(path: string, size: number): Promise<string> {
  await mkdir(dirname(path), { recursive: true })
  const stream = createCipheriv('aes-128-ctr', Buffer.alloc(16, 'sluice'), Buffer.alloc(16))
  const hash = createHash('sha256')
  await using file = await open(path, 'w')
  for (let left = size; left > 0; left -= CHUNK.length) {
    const bytes = stream.update(CHUNK.subarray(0, Math.min(left, CHUNK.length)))
    hash.update(bytes)
    await file.write(bytes)
  }
  return hash.digest('hex')
}

export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}
