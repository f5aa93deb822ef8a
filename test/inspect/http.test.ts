/**
 * Heads and bodies as native/inspect reads them beside Node's own parser, over thousands of damaged
 * streams. What both accept must be the same; what we accept and Node refuses is listed, each with its
 * reason. That we refuse more is no offence: it is answered with 400 and closed, or takes the fallback
 * that is configured; nothing of it is passed on as if it had been inspected.
 */
import { METHODS } from 'node:http'
import { describe, expect, test } from 'vitest'
import { answerStreams, mutated, requestStreams } from '../helpers/http-mutations.js'
import { readNatively, type SeenHttp, type SeenMessage } from '../helpers/inspect-reader.js'
import { type NodeReading, readByNode } from '../helpers/node-http-parser.js'

const runs = 20_000
const runsCutEverywhere = 1_000

/** What we accept and Node does not: the message, and the one before it, that it happens with. */
type Excuse = (message: SeenMessage, before?: SeenMessage) => boolean
const isChunked: Excuse = ({ body }) => body === 'chunked'
const repeatsItsLength: Excuse = ({ fields }) => {
  const lengths = fields.filter((_, i) => /^content-length$/i.test(fields[i - 1] ?? ''))
  return lengths.length > 1 || lengths.some((value) => value.includes(','))
}
const excuses: Record<string, Excuse> = {
  // RFC 9110 9.1: methods are an open list.
  HPE_INVALID_METHOD: ({ method }) => !METHODS.includes(method),
  // RFC 9112 9.6: what follows `close` is for whoever has the connection to ignore.
  HPE_CLOSED_CONNECTION: (_message, before) => before?.persistent === false,
  // RFC 9110 8.6: one number several times. And llhttp frames by trailers, which RFC 9110 6.5.1 forbids.
  HPE_UNEXPECTED_CONTENT_LENGTH: (m) => repeatsItsLength(m) || isChunked(m),
  HPE_INVALID_CONTENT_LENGTH: (m) => repeatsItsLength(m) || isChunked(m),
  HPE_INVALID_TRANSFER_ENCODING: isChunked,
  // RFC 9112 7.1.1: extensions are passed over, their grammar with them.
  HPE_STRICT: isChunked,
  HPE_INVALID_CHUNK_SIZE: isChunked,
  // RFC 3986 3.1: a scheme may have digits, `+`, `-` and `.`; llhttp's has letters.
  HPE_INVALID_URL: ({ target }) => /^[a-z][a-z0-9+.-]*:/i.test(target),
}

/** What both say of a head. */
function headOf(message: Omit<SeenMessage, 'host' | 'body'>, withPersistence: boolean) {
  const { method, target, minor, status, fields } = message
  return {
    method,
    target,
    minor,
    status,
    fields,
    ...(withPersistence && { persistent: message.persistent }),
  }
}

/** Node's parser judges the answer to HEAD before it knows of that, and overlooks `close` before a tab. */
function judgesPersistence(bytes: Buffer, asked: string): boolean {
  return asked !== 'head' && !bytes.includes('\t')
}

/** Compares message by message for as long as both accept; the number of those. */
function compare(ours: SeenHttp, node: NodeReading, withPersistence: boolean): number {
  const refused = ours.reading !== 'more'
  for (let i = 0; ; ++i) {
    const mine = ours.messages[i]
    const theirs = node.messages[i]
    if (!mine && (refused || !theirs)) return i
    if (mine && theirs) {
      // Node's parser does not count a tunnel as the end of the connection's HTTP.
      const persistence = withPersistence && mine.body !== 'tunnel'
      expect(headOf(mine, persistence)).toEqual(headOf(theirs, persistence))
    }
    // What follows is no HTTP, or may be none: Node stops where an upgrade is offered.
    if (mine?.body === 'tunnel' || theirs?.upgrade) return i + 1
    if (mine && refused && !mine.complete) return i
    if (mine && node.error && !theirs?.complete) {
      const excused = excuses[node.error]?.(mine, ours.messages[i - 1]) ?? false
      expect({ refusedByNode: node.error, excused }).toEqual({
        refusedByNode: node.error,
        excused: true,
      })
      return i
    }
    expect(bodyOf(mine)).toEqual(bodyOf(theirs))
  }
}

/** What both say of a body, as far as it has come. */
function bodyOf(message?: { content: number; complete: boolean }) {
  return message && { content: message.content, complete: message.complete }
}

describe.each([
  { kind: 'request', asked: '', streams: requestStreams },
  { kind: 'answer', asked: 'other', streams: answerStreams },
  { kind: 'answer', asked: 'head', streams: answerStreams },
] as const)('RFC 9112 $kind $asked', ({ kind, asked, streams }) => {
  const words = asked ? `${kind} ${asked}` : kind
  const streamOf = (seed: number) => mutated(streams, seed)

  test('what both we and Node accept is the same', () => {
    const inputs = Array.from({ length: runs }, (_, seed) => streamOf(seed))
    const seen = readNatively<SeenHttp>(inputs.map((bytes) => ({ words, bytes })))
    expect(seen.length).toBe(runs)
    let accepted = 0
    seen.forEach((ours, seed) => {
      const bytes = inputs[seed] ?? Buffer.of()
      try {
        accepted += compare(ours, readByNode(bytes, kind, asked), judgesPersistence(bytes, asked))
      } catch (error) {
        const stream = JSON.stringify(bytes.toString('latin1'))
        throw new Error(`seed ${seed}, ${stream}, ${ours.reading}: ${ours.fault}`, { cause: error })
      }
    })
    // That the streams are not so broken as to show nothing.
    expect(accepted).toBeGreaterThan(runs / 4)
  })

  test('cut at any place, streams are read as in one piece', () => {
    const inputs = Array.from({ length: runsCutEverywhere }, (_, seed) => ({
      words: `every ${words}`,
      bytes: streamOf(seed + runs),
    }))
    // The program compares, and ends where they differ.
    expect(readNatively<SeenHttp>(inputs).length).toBe(runsCutEverywhere)
  })
})

test.each([
  { kind: 'request', streams: requestStreams },
  { kind: 'answer', streams: answerStreams },
] as const)('RFC 9112 $kind: sound streams are read to their end', ({ kind, streams }) => {
  const inputs = streams.map((text) => Buffer.from(text, 'latin1'))
  const seen = readNatively<SeenHttp>(
    inputs.map((bytes) => ({ words: kind === 'answer' ? 'answer other' : kind, bytes })),
  )
  seen.forEach((ours, i) => {
    expect(ours.reading).toBe('more')
    expect(compare(ours, readByNode(inputs[i] ?? Buffer.of(), kind), true)).toBeGreaterThan(0)
  })
})
