import { createRequire } from 'node:module'

/** One message as Node's own parser (llhttp, strict) reads it. */
export interface NodeMessage {
  method: string
  target: string
  minor: number
  status: number
  /** Names and values in turn. */
  fields: string[]
  content: number
  persistent: boolean
  upgrade: boolean
  complete: boolean
}

export interface NodeReading {
  messages: NodeMessage[]
  /** llhttp's code for what it refuses. */
  error?: string
}

type Parser = Record<number, unknown> & {
  initialize(type: number, resource: object, maxHeaderSize: number, lenient: number): void
  execute(bytes: Buffer): number | (Error & { code: string })
  finish(): undefined | (Error & { code: string })
  close(): void
}
interface ParserClass {
  new (): Parser
  readonly REQUEST: number
  readonly RESPONSE: number
  readonly kOnHeaders: number
  readonly kOnHeadersComplete: number
  readonly kOnBody: number
  readonly kOnMessageComplete: number
}

// The parser under `node:http`, without sockets: thousands of streams in a second.
const { HTTPParser, methods } = createRequire(import.meta.url)('_http_common') as {
  HTTPParser: ParserClass
  methods: string[]
}

/** What is not read further in the place of the body; as `node:http` answers its parser. */
const proceed = 0
const skipBody = 1

/** Reads a stream of requests, or of answers to `asked`, to its end. */
export function readByNode(bytes: Buffer, kind: 'request' | 'answer', asked = ''): NodeReading {
  const parser = new HTTPParser()
  parser.initialize(kind === 'request' ? HTTPParser.REQUEST : HTTPParser.RESPONSE, {}, 1 << 16, 0)
  const messages: NodeMessage[] = []
  // What did not fit in one call, and trailers.
  const spilled: string[] = []
  let spilledTarget = ''
  parser[HTTPParser.kOnHeaders] = (fields: string[], target: string) => {
    spilled.push(...fields)
    spilledTarget += target
  }
  parser[HTTPParser.kOnHeadersComplete] = (
    _major: number,
    minor: number,
    fields: string[] | undefined,
    method: number,
    target: string,
    status: number,
    _text: string,
    upgrade: boolean,
    persistent: boolean,
  ) => {
    messages.push({
      method: kind === 'request' ? (methods[method] ?? '') : '',
      target: target ?? spilledTarget,
      minor,
      status: status ?? 0,
      fields: [...spilled.splice(0), ...(fields ?? [])],
      content: 0,
      persistent,
      upgrade,
      complete: false,
    })
    spilledTarget = ''
    if (kind === 'request') return proceed
    const informational = status < 200 && status !== 101
    return asked === 'head' || informational || status === 304 ? skipBody : proceed
  }
  parser[HTTPParser.kOnBody] = (body: Buffer) => {
    const [last] = messages.slice(-1)
    if (last) last.content += body.length
  }
  parser[HTTPParser.kOnMessageComplete] = () => {
    const [last] = messages.slice(-1)
    if (last) last.complete = true
    // Trailers.
    spilled.splice(0)
    spilledTarget = ''
  }
  const result = parser.execute(bytes)
  parser.close()
  return typeof result === 'number' ? { messages } : { messages, error: result.code }
}
