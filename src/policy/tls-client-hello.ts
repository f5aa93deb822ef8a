/** What a TLS client says of itself first, as a policy sees it. The data flow segment has read it. */

export interface TlsClientHello {
  /** The name of the server that it wants (SNI), in lower case; empty where it says none. */
  readonly serverName: string
  /** The application protocols that it speaks (ALPN), the best first. */
  readonly protocols: readonly string[]
  /** In hexadecimal, empty where there is none. Names a session until TLS 1.2; with TLS 1.3, and of a
   *  client with a ticket, it is random for each connection (RFC 8446 4.1.2, RFC 5077 3.4). */
  readonly sessionId: string
}

export const noHello: TlsClientHello = Object.freeze({
  serverName: '',
  protocols: Object.freeze([]),
  sessionId: '',
})

/** Reads what an APP_QUERY has of a hello (messages.def); what does not add up is left out. */
export function readHello(data: Uint8Array): TlsClientHello {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.length)
  if (bytes.length < 1) return noHello
  const idEnd = 1 + bytes.readUInt8(0)
  if (bytes.length < idEnd + 2) return noHello
  const nameAt = idEnd + 2
  const nameEnd = nameAt + bytes.readUInt16BE(idEnd)
  const protocols: string[] = []
  for (let at = nameEnd; at < bytes.length; ) {
    const end = at + 1 + bytes.readUInt8(at)
    if (end <= bytes.length) protocols.push(bytes.toString('latin1', at + 1, end))
    at = end
  }
  return {
    serverName: bytes.toString('latin1', nameAt, nameEnd).toLowerCase(),
    protocols,
    sessionId: bytes.toString('hex', 1, idEnd),
  }
}
