/**
 * Hashes what makes a session, by tabulation: each byte picks a random number from a table of its own,
 * and all are combined. Whoever does not know the tables cannot make signatures collide, and clients
 * choose their signatures.
 */
import { getRandomValues } from 'node:crypto'

const wordsWithAll = 9
const protocolTable = wordsWithAll * 4
const tables = protocolTable + 1

/** The third word of ::ffff:a.b.c.d; the two before it are zero. */
const mapped = 0xffff

export class SignatureHash {
  readonly #random = getRandomValues(new Int32Array(tables * 256))

  /** A signed number, the same for the same session. */
  of(words: Int32Array): number {
    let hash = this.#random[(protocolTable << 8) | (words[9] >>> 24)]
    hash ^= this.#address(words, 0) ^ this.#address(words, 4) ^ this.#word(words[8], 8)
    return hash
  }

  #address(words: Int32Array, at: number): number {
    const last = this.#word(words[at + 3], at + 3)
    if (words[at] === 0 && words[at + 1] === 0 && words[at + 2] === mapped) return last
    const network = this.#word(words[at], at) ^ this.#word(words[at + 1], at + 1)
    return network ^ this.#word(words[at + 2], at + 2) ^ last
  }

  #word(word: number, at: number): number {
    const random = this.#random
    const table = at << 10
    return (
      random[table | (word & 0xff)] ^
      random[table | 0x100 | ((word >>> 8) & 0xff)] ^
      random[table | 0x200 | ((word >>> 16) & 0xff)] ^
      random[table | 0x300 | (word >>> 24)]
    )
  }
}
