/** The head of a HTTP request as a policy sees it. The data flow segment has checked it. */

export interface HttpRequest {
  /** As sent; empty where no request was read. */
  readonly method: string
  /** As sent: a path with its query, a whole URL, `host:port` or `*`. */
  readonly target: string
  /** Of the target, without its query. */
  readonly path: string
  /** Of the target, behind its first `?`; empty where it has none. */
  readonly query: string
  /** Host and port as sent: of the target where it has them, else of `Host`. */
  readonly host: string
  readonly httpVersion: string
  /** By name in lower case; several of one name joined as RFC 9110 says, cookies by `; `. */
  readonly headers: Readonly<Record<string, string>>
  /** By name; of several of one name the first. Values are as sent, quotes included. */
  readonly cookies: Readonly<Record<string, string>>
}

/** What a head says itself. */
export type ReadRequest = Pick<HttpRequest, 'method' | 'target' | 'httpVersion' | 'headers'>

const none: Readonly<Record<string, string>> = Object.freeze(Object.create(null))

export const noRequest: HttpRequest = Object.freeze({
  method: '',
  target: '',
  path: '',
  query: '',
  host: '',
  httpVersion: '',
  headers: none,
  cookies: none,
})

/** @param isTruncated the head goes on: its last line may be a part */
export function readRequest(head: Uint8Array, isTruncated: boolean): HttpRequest {
  const text = Buffer.from(head.buffer, head.byteOffset, head.length).toString('latin1')
  const lines = text.split('\r\n')
  if (isTruncated && lines.length > 1) lines.pop()
  const [first = '', ...fields] = lines
  const [method = '', target = '', version = ''] = first.split(' ')
  const httpVersion = version.replace('HTTP/', '')
  return requestOf({ method, target, httpVersion, headers: readFields(fields) })
}

/** With what follows from its target and its headers. */
export function requestOf(read: ReadRequest): HttpRequest {
  const { method, target, httpVersion, headers } = read
  const { host, path, query } = readTarget(target)
  return {
    ...{ method, target, path, query, httpVersion, headers },
    host: host || (headers.host ?? ''),
    cookies: readCookies(headers.cookie),
  }
}

function readFields(lines: readonly string[]): Record<string, string> {
  const fields: Record<string, string> = Object.create(null)
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon <= 0) continue
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')
    const before = fields[name]
    const separator = name === 'cookie' ? '; ' : ', '
    fields[name] = before === undefined ? value : `${before}${separator}${value}`
  }
  return fields
}

/** RFC 9112 3.2: a path, a whole URL, `host:port` of CONNECT, `*`. */
function readTarget(target: string): Pick<HttpRequest, 'host' | 'path' | 'query'> {
  const [, host = '', rest = target] = /^[a-z][a-z0-9+.-]*:\/\/([^/?]*)(.*)$/i.exec(target) ?? []
  const question = rest.indexOf('?')
  if (question < 0) return { host, path: rest, query: '' }
  return { host, path: rest.slice(0, question), query: rest.slice(question + 1) }
}

function readCookies(field: string | undefined): Readonly<Record<string, string>> {
  if (field === undefined) return none
  const cookies: Record<string, string> = Object.create(null)
  for (const pair of field.split(';')) {
    const equals = pair.indexOf('=')
    if (equals < 0) continue
    const name = pair.slice(0, equals).trim()
    if (!(name in cookies)) cookies[name] = pair.slice(equals + 1).trim()
  }
  return cookies
}
