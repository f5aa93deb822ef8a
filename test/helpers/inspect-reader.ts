import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { root } from './repository.js'

/** One message as `native/inspect` reads it. */
export interface SeenMessage {
  method: string
  target: string
  host: string
  minor: number
  status: number
  /** Names and values in turn. */
  fields: string[]
  body: 'none' | 'length' | 'chunked' | 'until_close' | 'tunnel'
  content: number
  persistent: boolean
  complete: boolean
}

export interface SeenHttp {
  reading: string
  fault: string
  messages: SeenMessage[]
}

export interface SeenTls<Hello> {
  reading: string
  reason: string
  /** Bytes of the stream up to the end of the hello. */
  length: number
  hello?: Hello
}

export interface ClientHello {
  fault: string
  serverName: string
  sessionId: string
  protocols: string[]
  versions: number[]
  ticket: boolean
  psk: boolean
}

export interface ServerHello {
  fault: string
  sessionId: string
  namesSession: boolean
  protocol: string
  version: number
  retry: boolean
  psk: boolean
  ticket: boolean
}

const program = join(root, 'out/cmake/build/inspect')

/**
 * Has `native/inspect` read streams, each said as test/inspect/inspect.cc takes them, with the bytes
 * behind the words; one answer for each.
 */
export function readNatively<Seen>(streams: { words: string; bytes: Uint8Array }[]): Seen[] {
  const lines = streams.map(
    ({ words, bytes }) => `${words} ${Buffer.from(bytes).toString('hex')}\n`,
  )
  const { status, signal, stdout, stderr, error } = spawnSync(program, {
    input: lines.join(''),
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  if (status !== 0) throw new Error(`${program}: ${error?.message ?? signal ?? status}\n${stderr}`)
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Seen)
}
