/** Stream messages that are not what they should be, and buffers that are handed on. */
import { describe, expect, test } from 'vitest'
import { StreamReader, type StreamSink } from '../../src/bus/stream-reader.js'
import { DataMessage, EndedMessage, SocketStateMessage } from '../../src/generated/streams.js'
import { quiet, startWithClient } from '../helpers/socket-site.js'

/** A message of this code and length, about socket 1. */
function message(code: number, length: number, bytes = length): Buffer {
  const buffer = Buffer.alloc((bytes + 3) & ~3)
  buffer.writeUInt8(code, 0)
  buffer.writeUInt32BE(1, 4)
  buffer.writeUInt32BE(length, 8)
  return buffer
}

function read(...messages: Buffer[]) {
  const bytes = Buffer.concat(messages)
  const seen: unknown[] = []
  const note = new Proxy({} as StreamSink, {
    get:
      (_, name) =>
      (...args: unknown[]) =>
        seen.push([name, args[0]]),
  })
  const reader = new StreamReader(bytes)
  const isShared = reader.read(0, bytes.length, note)
  return { seen, invalid: reader.invalid, isShared }
}

describe('the reader', () => {
  test('CS-14 passes over what is unknown or has a wrong length', () => {
    const { seen, invalid } = read(
      message(0x7f, 12),
      message(EndedMessage.code, 16),
      message(EndedMessage.code, 12),
      message(SocketStateMessage.code, 12),
    )
    expect({ seen, invalid }).toEqual({ seen: [['ended', 1]], invalid: 3 })
  })

  test.each([0, 11, 1000])('CS-14 gives the rest up behind a length of %i', (length) => {
    const { seen, invalid } = read(message(EndedMessage.code, length, 12), message(0x46, 12))
    expect({ seen, invalid }).toEqual({ seen: [], invalid: 1 })
  })

  test('a message that is cut off is none', () => {
    const { invalid } = read(message(EndedMessage.code, 12), Buffer.alloc(8))
    expect(invalid).toBe(1)
  })

  test('long payload is handed on where it stands, short payload as a copy', () => {
    const long = message(DataMessage.code, 12 + 40_000)
    const short = message(DataMessage.code, 12 + 5)
    expect(read(long).isShared).toBe(true)
    expect(read(short)).toMatchObject({ isShared: false, seen: [['data', 1]] })
  })
})

describe('the channel', () => {
  test('what was handed on stays as it is, however much comes behind it', async () => {
    const { inbound, client } = await startWithClient()
    const kept: Buffer[] = []
    inbound.on('data', (chunk) => kept.push(chunk))
    for (let i = 0; i < 200; i++) client.send(Buffer.alloc(20_000, i))
    await client.until(() => client.unread === 0)
    await quiet()
    const wrong = Buffer.concat(kept).findIndex(
      (byte, at) => byte !== Math.floor(at / 20_000) % 256,
    )
    expect([wrong, kept.reduce((sum, { length }) => sum + length, 0)]).toEqual([-1, 4_000_000])
  })

  // One piece of each size between large ones, of which nobody keeps any.
  test.each([1024, 2048, 10_000, 32_000, 33_000, 60_000])(
    'BUF-14 pieces of %i bytes that somebody keeps hold eight times as much memory at most',
    async (size) => {
      const { inbound, client } = await startWithClient()
      const kept: Buffer[] = []
      inbound.on('data', (chunk) => {
        if (chunk.length === size) kept.push(chunk)
      })
      for (let i = 0; i < 50; i++) {
        for (const length of [61_000, size, 61_000, 61_000]) client.send(Buffer.alloc(length))
        await client.until(() => client.unread === 0)
        await quiet()
      }
      const bytes = kept.reduce((sum, { length }) => sum + length, 0)
      const held = new Set(kept.map(({ buffer }) => buffer))
      const memory = [...held].reduce((sum, { byteLength }) => sum + byteLength, 0)
      expect(kept.length).toBeGreaterThan(40)
      expect(memory).toBeLessThanOrEqual(8 * bytes)
    },
  )
})
