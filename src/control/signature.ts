/**
 * Signatures as the ledger keeps them: the ten words of a SIG block. Source and destination have four
 * words each, the L4 ports share one, and the last has protocol, TOS and VLAN. What makes a session
 * is all of it but TOS and VLAN. Text is made only when somebody asks.
 */
import { familyAt, formatAddress, parseAddress } from '../bus/address.js'
import type { Endpoint } from '../endpoint.js'

export const signatureWords = 10

/** Where the addresses stand. */
export const sourceWord = 0
export const destinationWord = 4

const ports = 8
const rest = 9

/** Copies the SIG block at `at` of a message. */
export function readSignature(view: DataView, at: number, into: Int32Array): void {
  for (let i = 0; i < signatureWords; i++) into[i] = view.getInt32(at + 4 * i)
}

/** Writes the signature that begins at word `from`, as the SIG block at `at` of a message. */
export function writeSignature(words: Int32Array, from: number, view: DataView, at: number): void {
  for (let i = 0; i < signatureWords; i++) view.setInt32(at + 4 * i, words[from + i])
}

/** Whether two signatures are those of one session; `from` says where the first one begins. */
export function sameSession(words: Int32Array, from: number, other: Int32Array): boolean {
  if (words[from + ports] !== other[ports]) return false
  for (let i = 0; i < ports; i++) if (words[from + i] !== other[i]) return false
  return words[from + rest] >>> 24 === other[rest] >>> 24
}

/** Fills `into` with the signature of packets that go the other way. */
export function reverse(signature: Int32Array, into: Int32Array): void {
  for (let i = 0; i < 4; i++) {
    into[i] = signature[destinationWord + i]
    into[destinationWord + i] = signature[i]
  }
  into[ports] = (signature[ports] << 16) | (signature[ports] >>> 16)
  into[rest] = signature[rest]
}

/** An endpoint in the words of a signature. */
export interface EncodedEndpoint {
  readonly address: Int32Array
  readonly port: number
}

/** @param endpoint of valid, canonical text */
export function encodeEndpoint({ address, port }: Endpoint): EncodedEndpoint {
  const bytes = parseAddress(address) as Uint8Array
  const view = new DataView(bytes.buffer)
  return { address: Int32Array.from([0, 4, 8, 12], (at) => view.getInt32(at)), port }
}

/** Puts another destination into a signature. */
export function redirect(signature: Int32Array, to: EncodedEndpoint): void {
  for (let i = 0; i < 4; i++) signature[destinationWord + i] = to.address[i]
  signature[ports] = (signature[ports] & ~0xffff) | to.port
}

export function isFrom(signature: Int32Array, source: EncodedEndpoint): boolean {
  for (let i = 0; i < 4; i++) if (signature[i] !== source.address[i]) return false
  return signature[ports] >>> 16 === source.port
}

const scratch = new Uint8Array(16)
const scratchView = new DataView(scratch.buffer)

function endpoint(words: Int32Array, addressAt: number, port: number): Endpoint {
  for (let i = 0; i < 4; i++) scratchView.setInt32(4 * i, words[addressAt + i])
  return { address: formatAddress(scratch), port, family: familyAt(scratch) }
}

/** The source of the signature that begins at word `from`. */
export function sourceOf(words: Int32Array, from = 0): Endpoint {
  return endpoint(words, from, words[from + ports] >>> 16)
}

export function destinationOf(words: Int32Array, from = 0): Endpoint {
  return endpoint(words, from + destinationWord, words[from + ports] & 0xffff)
}

/** The number of the IP protocol. */
export function protocolOf(words: Int32Array, from = 0): number {
  return words[from + rest] >>> 24
}

export function tosOf(words: Int32Array, from = 0): number {
  return (words[from + rest] >>> 16) & 0xff
}
