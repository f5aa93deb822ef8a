/**
 * Heads of HTTP/1.x, read strictly: what two readers could take differently is refused, for that is
 * how requests are smuggled past a proxy (RFC 9112 11.2). The same rules as native/inspect has, and
 * none of what that lets pass for politeness.
 */
import { BadMessage } from './bad-message.js'
import { Fields } from './fields.js'

/** What follows a head (RFC 9112 6.3). */
export type Framing =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly bytes: number }
  | { readonly kind: 'chunked' }
  | { readonly kind: 'close' }

export interface Head {
  readonly fields: Fields
  /** 0 or 1, of HTTP/1.x. */
  readonly minor: number
  /** Whether its sender will go on with the connection behind this message. */
  readonly persistent: boolean
  /** What `Upgrade` names, where Connection says so, and not in HTTP/1.0. */
  readonly upgrade: string | undefined
  readonly framing: Framing
}

export interface RequestHead extends Head {
  readonly method: string
  /** As it was sent. */
  readonly target: string
  readonly expectsContinue: boolean
}

export interface AnswerHead extends Head {
  readonly status: number
  readonly line: string
}

const nothing: Framing = { kind: 'none' }
const requestLine = /^([!#$%&'*+.^_`|~\w-]+) ([\x21\x22\x24-\x7e]+) HTTP\/1\.([01])$/
const statusLine = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/
/** Nothing, or a host or an address, and a port (RFC 9110 7.2, 4.2.1); nothing that ends either. */
const hostValue = /^(?:(?:[\w.~!$&'()*+,;=%-]+|\[[\da-f:.]+\])(?::(\d{0,5}))?)?$/i
const mostPort = 65_535
/** Below 2 ** 53, which is beyond any file. */
const lengthValue = /^\d{1,15}$/

/** @param text of a head, without the empty line @throws {BadMessage} */
export function readRequest(text: string): RequestHead {
  const lineEnd = endOfLine(text)
  const match = requestLine.exec(text.slice(0, lineEnd))
  if (!match) throw new BadMessage(400, 'the request line')
  const [, method, target, minorText] = match
  const minor = Number(minorText)
  if (method === 'CONNECT') throw new BadMessage(501, 'CONNECT')
  if (!target.startsWith('/') && !(target === '*' && method === 'OPTIONS')) {
    throw new BadMessage(400, 'the target')
  }
  const fields = new Fields(text, lineEnd)
  const hosts = fields.of('host')
  const isHostFine = hosts.length === 1 || (hosts.length === 0 && minor === 0)
  if (!isHostFine || !hosts.every(isHost)) throw new BadMessage(400, 'Host')
  const framing = framingOf(fields, minor) ?? nothing
  const expectsContinue = fields.of('expect').some((value) => /^100-continue$/i.test(value))
  const { persistent, upgrade } = connectionOf(fields, minor)
  return { method, target, minor, fields, persistent, upgrade, framing, expectsContinue }
}

/** @param method of what it answers @throws {BadMessage} */
export function readAnswer(text: string, method: string): AnswerHead {
  const lineEnd = endOfLine(text)
  const line = text.slice(0, lineEnd)
  const match = statusLine.exec(line)
  if (!match) throw new BadMessage(502, 'the status line')
  const [, minorText, statusText] = match
  const [minor, status] = [Number(minorText), Number(statusText)]
  const fields = new Fields(text, lineEnd)
  const said = framingOf(fields, minor) ?? { kind: 'close' as const }
  const isEmpty = method === 'HEAD' || status < 200 || status === 204 || status === 304
  const framing: Framing = isEmpty ? nothing : said
  const { persistent, upgrade } = connectionOf(fields, minor)
  const goesOn = persistent && framing.kind !== 'close'
  return { status, line, minor, fields, persistent: goesOn, upgrade, framing }
}

function isHost(text: string): boolean {
  const match = hostValue.exec(text)
  return match !== null && Number(match[1] ?? 0) <= mostPort
}

function endOfLine(text: string): number {
  const end = text.indexOf('\r\n')
  return end < 0 ? text.length : end
}

/** Undefined where nothing is said. */
function framingOf(fields: Fields, minor: number): Framing | undefined {
  const [codings, lengths] = [fields.of('transfer-encoding'), fields.of('content-length')]
  if (codings.length > 0) {
    if (minor === 0 || lengths.length > 0) throw new BadMessage(400, 'Transfer-Encoding')
    const isChunked = codings.length === 1 && codings[0].toLowerCase() === 'chunked'
    if (!isChunked) throw new BadMessage(501, 'Transfer-Encoding')
    return { kind: 'chunked' }
  }
  if (lengths.length === 0) return undefined
  if (lengths.length > 1 || !lengthValue.test(lengths[0])) {
    throw new BadMessage(400, 'Content-Length')
  }
  const bytes = Number(lengths[0])
  return bytes === 0 ? nothing : { kind: 'length', bytes }
}

function connectionOf(fields: Fields, minor: number) {
  const options = fields.connectionOptions
  // RFC 9110 7.8: of HTTP/1.0 it means nothing.
  const [upgrade] = minor === 1 && options.includes('upgrade') ? fields.of('upgrade') : []
  return { persistent: minor === 1 && !options.includes('close'), upgrade }
}

/** The head for the next hop. @param connection what that is to do with the connection */
export function forwarded(
  first: string,
  { fields, upgrade }: Head,
  connection: 'close' | 'keep-alive' | 'upgrade' | undefined,
): string {
  const option = connection ? `Connection: ${connection}\r\n` : ''
  const protocol = connection === 'upgrade' && upgrade ? `Upgrade: ${upgrade}\r\n` : ''
  return `${first}\r\n${fields.forwarded()}${option}${protocol}\r\n`
}
