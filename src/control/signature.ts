/**
 * The five fields that make a session, as one immutable string: the first 37 bytes of a SIG block
 * (source, destination, L4 ports, protocol; not the DSCP), a character for each byte. It is key of
 * the ledger and, decoded only when somebody asks, the endpoints of the session.
 */
import { familyAt, formatAddress, parseAddress } from '../bus/address.js'
import type { Endpoint } from '../endpoint.js'

export type Signature = string

const ports = 32
const protocolAt = 36
export const signatureSize = 37

/** Reads the signature of a SIG block at `at`. */
export function readSignature(bytes: Buffer, at: number): Signature {
  return bytes.toString('latin1', at, at + signatureSize)
}

/** Writes it at the start of a SIG block. */
export function writeSignature(signature: Signature, bytes: Uint8Array, at: number): void {
  for (let i = 0; i < signatureSize; i++) bytes[at + i] = signature.charCodeAt(i)
}

/** The signature of packets that go the other way. */
export function reversed(signature: Signature): Signature {
  return (
    signature.slice(16, 32) +
    signature.slice(0, 16) +
    signature.slice(ports + 2, ports + 4) +
    signature.slice(ports, ports + 2) +
    signature.slice(protocolAt)
  )
}

/** The same source and protocol, towards another destination, in the form of encodeEndpoint. */
export function towards(signature: Signature, destination: EncodedEndpoint): Signature {
  return (
    signature.slice(0, 16) +
    destination.address +
    signature.slice(ports, ports + 2) +
    destination.port +
    signature.slice(protocolAt)
  )
}

/** An endpoint in the characters of a signature. */
export interface EncodedEndpoint {
  readonly address: string
  readonly port: string
}

/** @param endpoint of valid, canonical text */
export function encodeEndpoint(endpoint: Endpoint): EncodedEndpoint {
  const bytes = parseAddress(endpoint.address) as Uint8Array
  return {
    address: Buffer.from(bytes).toString('latin1'),
    port: String.fromCharCode(endpoint.port >> 8, endpoint.port & 0xff),
  }
}

export function isFrom(signature: Signature, source: EncodedEndpoint): boolean {
  return signature.startsWith(source.address) && signature.startsWith(source.port, ports)
}

function endpoint(signature: Signature, addressAt: number, portAt: number): Endpoint {
  const bytes = Buffer.from(signature.slice(addressAt, addressAt + 16), 'latin1')
  return {
    address: formatAddress(bytes),
    port: (signature.charCodeAt(portAt) << 8) | signature.charCodeAt(portAt + 1),
    family: familyAt(bytes),
  }
}

export function sourceOf(signature: Signature): Endpoint {
  return endpoint(signature, 0, ports)
}

export function destinationOf(signature: Signature): Endpoint {
  return endpoint(signature, 16, ports + 2)
}

/** The number of the IP protocol. */
export function protocolOf(signature: Signature): number {
  return signature.charCodeAt(protocolAt)
}
