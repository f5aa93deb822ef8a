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

/** Reads the address at `at` of a message into the words from `to` on. */
export function readAddress(view: DataView, at: number, into: Int32Array, to: number): void {
  for (let i = 0; i < 4; i++) into[to + i] = view.getInt32(at + 4 * i)
}

/** Writes the address that begins at word `from` at `at` of a message. */
export function writeAddress(words: Int32Array, from: number, view: DataView, at: number): void {
  for (let i = 0; i < 4; i++) view.setInt32(at + 4 * i, words[from + i])
}

/** Whether two signatures are those of one session; `from` says where the first one begins. */
export function sameSession(words: Int32Array, from: number, other: Int32Array): boolean {
  if (words[from + ports] !== other[ports]) return false
  for (let i = 0; i < ports; i++) if (words[from + i] !== other[i]) return false
  return words[from + rest] >>> 24 === other[rest] >>> 24
}

/** Fills `into` with the signature of packets that go the other way than those of `words`, which
 *  begins at word `from`. */
export function reverse(words: Int32Array, into: Int32Array, from = 0): void {
  for (let i = 0; i < 4; i++) {
    into[i] = words[from + destinationWord + i]
    into[destinationWord + i] = words[from + i]
  }
  into[ports] = (words[from + ports] << 16) | (words[from + ports] >>> 16)
  into[rest] = words[from + rest]
}

/** An address as a signature has it. */
export function addressWords(bytes: Uint8Array): Int32Array {
  return addressAt(new DataView(bytes.buffer, bytes.byteOffset), 0)
}

/** The same of the address at `at` of a message. */
export function addressAt(view: DataView, at: number): Int32Array {
  const words = new Int32Array(4)
  readAddress(view, at, words, 0)
  return words
}

/** Whether an address stands in a signature from word `at` on. */
export function sameAddress(address: Int32Array, words: Int32Array, at: number): boolean {
  for (let i = 0; i < 4; i++) if (address[i] !== words[at + i]) return false
  return true
}

/** An endpoint in the words of a signature. */
export interface EncodedEndpoint {
  readonly address: Int32Array
  readonly port: number
}

/** @param endpoint of valid, canonical text */
export function encodeEndpoint({ address, port }: Endpoint): EncodedEndpoint {
  return { address: addressWords(parseAddress(address) as Uint8Array), port }
}

export function sourceEndpoint(signature: Int32Array): EncodedEndpoint {
  return { address: signature.slice(sourceWord, sourceWord + 4), port: sourcePortOf(signature) }
}

export function destinationEndpoint(signature: Int32Array): EncodedEndpoint {
  const address = signature.slice(destinationWord, destinationWord + 4)
  return { address, port: destinationPortOf(signature) }
}

/** Puts another destination into a signature. */
export function redirect(signature: Int32Array, { address, port }: EncodedEndpoint): void {
  setDestination(signature, address, port)
}

export function setDestination(signature: Int32Array, address: Int32Array, port: number): void {
  for (let i = 0; i < 4; i++) signature[destinationWord + i] = address[i]
  setDestinationPort(signature, port)
}

export function setDestinationPort(signature: Int32Array, port: number): void {
  signature[ports] = (signature[ports] & ~0xffff) | port
}

/** Puts another source address into a signature. */
export function setSourceAddress(signature: Int32Array, address: Int32Array): void {
  for (let i = 0; i < 4; i++) signature[i] = address[i]
}

export function setSourcePort(signature: Int32Array, port: number): void {
  signature[ports] = (signature[ports] & 0xffff) | (port << 16)
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

export function destinationPortOf(words: Int32Array, from = 0): number {
  return words[from + ports] & 0xffff
}

export function sourcePortOf(words: Int32Array, from = 0): number {
  return words[from + ports] >>> 16
}

/** The number of the IP protocol. */
export function protocolOf(words: Int32Array, from = 0): number {
  return words[from + rest] >>> 24
}

export function tosOf(words: Int32Array, from = 0): number {
  return (words[from + rest] >>> 16) & 0xff
}
