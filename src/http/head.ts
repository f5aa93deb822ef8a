/**
 * Heads of HTTP/1.x, read strictly: what two readers could take differently is refused, for that is
 * how requests are smuggled past a proxy (RFC 9112 11.2). The same rules as native/inspect has, and
 * none of what that lets pass for politeness.
 */
import { BadMessage } from './bad-message.js'

/** What follows a head (RFC 9112 6.3). */
export type Framing =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly bytes: number }
  | { readonly kind: 'chunked' }
  | { readonly kind: 'close' }

/** A field as it was sent; `name` in small letters. */
export interface Field {
  readonly name: string
  readonly value: string
  readonly line: string
}

export interface Head {
  readonly fields: readonly Field[]
  /** 0 or 1, of HTTP/1.x. */
  readonly minor: number
  /** Whether its sender will go on with the connection behind this message. */
  readonly persistent: boolean
  /** What `Upgrade` names, where Connection says so. */
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

const mostFields = 200
const requestLine = /^([!#$%&'*+.^_`|~\w-]+) ([\x21\x22\x24-\x7e]+) HTTP\/1\.([01])$/
const statusLine = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/
const fieldLine =
  /^([!#$%&'*+.^_`|~\w-]+):[ \t]*((?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?)[ \t]*$/
/** A host or an address, and a port (RFC 9110 7.2); nothing that ends either. */
const hostValue = /^(?:[\w.~!$&'()*+,;=%-]*|\[[\da-f:.]+\])(?::\d{0,5})?$/i
/** Below 2 ** 53, which is beyond any file. */
const lengthValue = /^\d{1,15}$/

/** @param text of a head, without the empty line @throws {BadMessage} */
export function readRequest(text: string): RequestHead {
  const [first, ...lines] = text.split('\r\n')
  const match = requestLine.exec(first)
  if (!match) throw new BadMessage(400, 'the request line')
  const [, method, target, minorText] = match
  const minor = Number(minorText)
  if (method === 'CONNECT') throw new BadMessage(501, 'CONNECT')
  if (!target.startsWith('/') && !(target === '*' && method === 'OPTIONS')) {
    throw new BadMessage(400, 'the target')
  }
  const fields = readFields(lines)
  const hosts = valuesOf(fields, 'host')
  const isHostFine = hosts.length === 1 || (hosts.length === 0 && minor === 0)
  if (!isHostFine || hosts.some((host) => !hostValue.test(host))) throw new BadMessage(400, 'Host')
  const framing = framingOf(fields, minor) ?? { kind: 'none' }
  const expectsContinue = valuesOf(fields, 'expect').some((value) => /^100-continue$/i.test(value))
  return { ...connectionOf(fields, minor), method, target, minor, fields, framing, expectsContinue }
}

/** @param method of what it answers @throws {BadMessage} */
export function readAnswer(text: string, method: string): AnswerHead {
  const [line, ...lines] = text.split('\r\n')
  const match = statusLine.exec(line)
  if (!match) throw new BadMessage(502, 'the status line')
  const [, minorText, statusText] = match
  const [minor, status] = [Number(minorText), Number(statusText)]
  const fields = readFields(lines)
  const said = framingOf(fields, minor) ?? { kind: 'close' as const }
  const isEmpty = method === 'HEAD' || status < 200 || status === 204 || status === 304
  const framing: Framing = isEmpty ? { kind: 'none' } : said
  const { persistent, ...connection } = connectionOf(fields, minor)
  const goesOn = persistent && framing.kind !== 'close'
  return { ...connection, persistent: goesOn, status, line, minor, fields, framing }
}

export function valuesOf(fields: readonly Field[], name: string): string[] {
  return fields.filter((field) => field.name === name).map(({ value }) => value)
}

/** Members of a list, over all fields of that name (RFC 9110 5.6.1); in small letters. */
function listOf(fields: readonly Field[], name: string): string[] {
  return valuesOf(fields, name).flatMap((value) =>
    value.split(',').map((member) => member.trim().toLowerCase()),
  )
}

function readFields(lines: readonly string[]): Field[] {
  if (lines.length > mostFields) throw new BadMessage(431, 'the number of fields')
  return lines.map((line) => {
    const match = fieldLine.exec(line)
    if (!match) throw new BadMessage(400, 'a field')
    return { name: match[1].toLowerCase(), value: match[2], line }
  })
}

/** Undefined where nothing is said. */
function framingOf(fields: readonly Field[], minor: number): Framing | undefined {
  const [codings, lengths] = [
    valuesOf(fields, 'transfer-encoding'),
    valuesOf(fields, 'content-length'),
  ]
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
  return bytes === 0 ? { kind: 'none' } : { kind: 'length', bytes }
}

function connectionOf(fields: readonly Field[], minor: number) {
  const options = listOf(fields, 'connection')
  const [upgrade] = options.includes('upgrade') ? valuesOf(fields, 'upgrade') : []
  return { persistent: minor === 1 && !options.includes('close'), upgrade }
}

/** Fields that are for the next hop alone (RFC 9110 7.6.1), and those that Connection names. */
const ofHop = ['connection', 'keep-alive', 'proxy-connection', 'te', 'upgrade']
/** What nobody can have removed by naming it there: it says where the message ends, and for whom it is. */
const neverOfHop = ['content-length', 'transfer-encoding', 'host']

/** The head for the next hop. @param connection what that is to do with the connection */
export function forwarded(
  first: string,
  { fields, upgrade }: Head,
  connection: 'close' | 'keep-alive' | 'upgrade' | undefined,
): string {
  const named = listOf(fields, 'connection').filter((name) => !neverOfHop.includes(name))
  const dropped = new Set([...ofHop, ...named])
  const kept = fields.filter(({ name }) => !dropped.has(name)).map(({ line }) => line)
  if (connection) kept.push(`Connection: ${connection}`)
  if (connection === 'upgrade' && upgrade) kept.push(`Upgrade: ${upgrade}`)
  return `${[first, ...kept].join('\r\n')}\r\n\r\n`
}
