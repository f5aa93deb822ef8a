/** How the router reads a stream: the same, wherever its pieces begin. */
import { PassThrough } from 'node:stream'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { BadMessage } from '../../src/http/bad-message.js'
import { StreamReader } from '../../src/http/stream-reader.js'
import type { Socket } from '../../src/socket/socket.js'

afterEach(() => void vi.useRealTimers())

function readerOf() {
  const stream = new PassThrough()
  return { stream, reader: new StreamReader(stream as unknown as Socket) }
}

/** In two pieces, the second one when the first has been read. */
async function inTwo<Result>(
  text: string,
  cut: number,
  read: (reader: StreamReader) => Promise<Result>,
): Promise<Result> {
  const { stream, reader } = readerOf()
  if (cut > 0) stream.write(text.slice(0, cut), 'latin1')
  const result = read(reader)
  // It may fail before the second piece has come.
  result.catch(() => {})
  await new Promise((resolve) => setImmediate(resolve))
  stream.end(text.slice(cut), 'latin1')
  return result
}

describe('in two pieces, cut anywhere', () => {
  const text = '\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n5\r\nbytes\r\nnext'
  const cuts = Array.from({ length: text.length }, (_, cut) => cut)

  test.each(cuts)('a head, lines, a body and what is behind it, cut at %i', async (cut) => {
    const read = await inTwo(text, cut, async (reader) => {
      const head = await reader.head(100)
      const size = await reader.line(10)
      let body = ''
      while (body.length < 5) body += await reader.some(5 - body.length)
      const end = await reader.line(0)
      let behind = ''
      for (let more = await reader.some(3); more; more = await reader.some(3)) behind += more
      return { head, size, body, end, behind }
    })
    const head = 'GET / HTTP/1.1\r\nHost: a'
    expect(read).toEqual({ head, size: '5', body: 'bytes', end: '', behind: 'next' })
  })

  test.each(cuts)(
    'what is longer than it may be, or cut off, is refused, cut at %i',
    async (cut) => {
      await expect(inTwo(text, cut, (reader) => reader.head(10))).rejects.toMatchObject({
        status: 431,
      })
      const short = text.slice(0, 20)
      const refused = inTwo(short, Math.min(cut, 20), (reader) => reader.head(100))
      await expect(refused).rejects.toMatchObject({ status: 400 })
    },
  )
})

test('what is whole is taken at once, and all of it', async () => {
  const { stream, reader } = readerOf()
  stream.write('a\r\nbcdef')
  expect(await reader.line(10)).toBe('a')
  expect(reader.takeWhole(6)).toBeUndefined()
  expect(String(reader.takeWhole(3))).toBe('bcd')
  stream.write('gh')
  expect(String(reader.takeWhole(4))).toBe('efgh')
  expect([reader.hasBytes, reader.takeRest()]).toEqual([false, undefined])
})

test('it takes little beyond what is asked for: the rest waits where it is counted', async () => {
  const { stream, reader } = readerOf()
  stream.write(`head\r\n${'x'.repeat(16_000)}`)
  for (let piece = 0; piece < 16; piece++) stream.write('y'.repeat(16_000))
  expect(await reader.line(10)).toBe('head')
  expect(stream.readableLength + stream.writableLength).toBeGreaterThan(250_000)
  expect(reader.takeRest()?.length).toBeLessThanOrEqual(16_384)
})

test('who is late gets the error of the limit that holds then', async () => {
  vi.useFakeTimers()
  const { stream, reader } = readerOf()
  reader.limit(Number.POSITIVE_INFINITY, () => new Error('never'))
  reader.limit(50_000, () => new Error('idle'))
  expect(vi.getTimerCount()).toBe(1)
  await vi.advanceTimersByTimeAsync(49_000)
  reader.limit(30_000, () => new BadMessage(408, 'late'))
  await vi.advanceTimersByTimeAsync(29_000)
  stream.write('a\r\n')
  expect(await reader.line(10)).toBe('a')
  reader.noLimit()
  await vi.advanceTimersByTimeAsync(100_000)
  reader.limit(1000, () => new BadMessage(504, 'late'))
  const line = expect(reader.line(10)).rejects.toMatchObject({ status: 504 })
  await vi.advanceTimersByTimeAsync(1000)
  await line
  reader.stop()
  expect(vi.getTimerCount()).toBe(0)
})
