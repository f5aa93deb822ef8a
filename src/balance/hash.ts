/** Hashes that are the same in every engine, so that several send a client to the same node. */

/** The finalizer of MurmurHash3: every bit of the input changes each of the output with even odds. */
export function mixed(hash: number): number {
  let h = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** FNV-1a over UTF-16 units, mixed: short texts differ in few bits. */
export function hashText(text: string): number {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  return mixed(h)
}

/** Of the four words of an address, from `at` on. */
export function hashAddress(words: Int32Array, at: number): number {
  let h = 0
  for (let i = at; i < at + 4; i++) h = mixed(Math.imul(h, 31) ^ words[i])
  return h
}
