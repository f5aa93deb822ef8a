/** GET over HTTP/1.1; a status, and perhaps a body, that says the server is well. */
import { type IncomingMessage, request } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Dial, Probe, Target } from './probe.js'

export interface HttpExpectation {
  readonly path: string
  /** The host that is asked for; undefined for the server's address. */
  readonly host: string | undefined
  /** What will do. */
  readonly status: { readonly first: number; readonly last: number }
  /** What the body has to contain or match, within its first 64 KiB. */
  readonly body: string | RegExp | undefined
}

const mostBody = 65_536

export const httpProbe =
  (expected: HttpExpectation, dial: Dial): Probe =>
  async (target, signal) => {
    const connection = await dial(target, signal)
    try {
      const response = await ask(expected, target, connection, signal)
      const { statusCode = 0 } = response
      const { first, last } = expected.status
      if (statusCode < first || statusCode > last) throw new Error(`it answers ${statusCode}`)
      if (expected.body !== undefined && !matches(await readBody(response), expected.body)) {
        throw new Error('the body is not as expected')
      }
    } finally {
      connection.destroy()
    }
  }

function ask(
  { path, host }: HttpExpectation,
  target: Target,
  connection: Duplex,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = { host: host ?? target.name, connection: 'close', 'user-agent': 'sluice' }
    const asked = request({ path, headers, signal, createConnection: () => connection })
    asked.once('response', resolve)
    asked.on('error', reject)
    asked.end()
  })
}

/** The beginning of the body, one character for each byte where it is no UTF-8. */
async function readBody(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response) {
    chunks.push(chunk)
    size += chunk.length
    if (size >= mostBody) break
  }
  return Buffer.concat(chunks).toString('utf8', 0, mostBody)
}

function matches(body: string, expected: string | RegExp): boolean {
  return typeof expected === 'string' ? body.includes(expected) : body.search(expected) >= 0
}
