import fc from 'fast-check'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { BusChannel } from '../../src/bus/channel.js'
import { MessageReader, type MessageSink } from '../../src/bus/reader.js'
import { MessageWriter } from '../../src/bus/writer.js'
import {
  AckView,
  DeleteView,
  EndReason,
  QueryReason,
  QueryView,
  ReplyView,
  StateReqView,
  StateView,
  StatsView,
  ssmbMessages,
} from '../../src/generated/messages.js'
import { FakeSegment } from '../helpers/fake-segment.js'
import { deleteMessage, queryMessage, stateMessage, statsMessage } from '../helpers/messages.js'

/** A QUERY for an IPv4 flow, byte by byte, as both languages must write it. */
const goldenQuery =
  '010000008000000100000000000000000000ffffc000020a00000000000000000000ffffc00002649c4000500600' +
  'ffff00060a24181e400011223344000000000001020100000007'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const flow = { serial: 0x80000001, source: '192.0.2.10:40000', destination: '192.0.2.100:80' }

function ackMessage(): Uint8Array {
  const ack = new AckView(new DataView(new ArrayBuffer(AckView.size))).clear()
  return new Uint8Array(ack.view.buffer)
}

/** Reads one buffer and tells what came, in order. */
function read(bytes: Uint8Array) {
  const seen: string[] = []
  const note = (kind: string) => (message: { serial: number }) =>
    void seen.push(`${kind} ${message.serial}`)
  const sink: MessageSink = {
    query: note('query'),
    learn: note('learn'),
    delete: note('delete'),
    stats: note('stats'),
    state: note('state'),
    reset: ({ scope }) => void seen.push(`reset ${scope}`),
    ack: () => void seen.push('ack'),
  }
  const reader = new MessageReader(bytes)
  reader.read(bytes.length, sink)
  return { seen, invalid: reader.invalid }
}

describe('messages', () => {
  test('SSMB-24 SSMB-26 the golden QUERY is written byte by byte', () => {
    const message = queryMessage({
      ...flow,
      reason: QueryReason.open,
      sequence: 0x11223344,
      vsId: 7,
    })
    const query = new QueryView(new DataView(message.buffer))
    query.timestampNumber = 1_700_000_000_000_000
    query.tcpFlags = 2
    expect(hex(message)).toBe(goldenQuery)
  })

  test('SSMB-24 SSMB-26 the golden QUERY is read field by field', () => {
    const bytes = Uint8Array.from(Buffer.from(goldenQuery, 'hex'))
    const fields: unknown[] = []
    const sink = {
      query: (message: QueryView) =>
        void fields.push(
          message.serial,
          message.timestamp,
          message.tcpSeq,
          message.inIf,
          message.tcpFlags,
          message.reason,
          message.vsId,
          message.sig.srcPort,
          message.sig.dstPort,
          message.sig.protocol,
          message.sig.tos,
          message.sig.vlanTci,
        ),
    } as unknown as MessageSink
    new MessageReader(bytes).read(bytes.length, sink)
    expect(fields).toEqual([
      0x80000001,
      1_700_000_000_000_000n,
      0x11223344,
      1,
      2,
      1,
      7,
      40000,
      80,
      6,
      0,
      0xffff,
    ])
  })

  test.each([
    ['QUERY', QueryView, 0x01, 72],
    ['REPLY', ReplyView, 0x03, 140],
    ['DELETE', DeleteView, 0x05, 100],
    ['STATS', StatsView, 0x08, 100],
    ['STATE_REQ', StateReqView, 0x0c, 24],
    ['STATE', StateView, 0x0d, 208],
  ])('SSMB-24 SSMB-28 %s has the size and code of the table', (_name, view, code, size) => {
    expect([view.code, view.size]).toEqual([code, size])
    expect(size % 4).toBe(0)
  })

  test('CS-10 CS-12 a batch is walked in order, both buses mixed', () => {
    const batch = Buffer.concat([
      queryMessage(flow),
      ackMessage(),
      deleteMessage({ ...flow, serial: 2, reason: EndReason.fin }),
      statsMessage({ ...flow, serial: 3 }),
      stateMessage({ ...flow, serial: 4 }),
      ackMessage(),
    ])
    expect(read(batch)).toEqual({
      seen: ['query 2147483649', 'ack', 'delete 2', 'stats 3', 'state 4', 'ack'],
      invalid: 0,
    })
  })

  test('CS-14 an unknown type is counted, and the next batch is read', () => {
    const unknown = new Uint8Array(16)
    unknown[0] = 0xee
    const { seen, invalid } = read(Buffer.concat([queryMessage(flow), unknown, queryMessage(flow)]))
    expect(seen).toHaveLength(1)
    expect(invalid).toBe(1)
  })

  test('CS-14 a type that only a control segment sends is passed over', () => {
    const reply = new ReplyView(new DataView(new ArrayBuffer(ReplyView.size))).clear()
    const batch = Buffer.concat([new Uint8Array(reply.view.buffer), queryMessage(flow)])
    expect(read(batch)).toEqual({ seen: ['query 2147483649'], invalid: 1 })
  })

  test.each([
    ['unknown CSMB type', { type: 0x0077, length: 20 }, { seen: 1, invalid: 1 }],
    ['ACK of a wrong size', { type: AckView.code, length: 24 }, { seen: 1, invalid: 1 }],
    ['length below the header', { type: AckView.code, length: 8 }, { seen: 0, invalid: 1 }],
    ['length beyond the batch', { type: AckView.code, length: 4000 }, { seen: 0, invalid: 1 }],
  ])('CS-14 %s', (_name, { type, length }, expected) => {
    const message = new Uint8Array(24)
    new DataView(message.buffer).setUint16(0, type)
    new DataView(message.buffer).setUint16(2, length)
    const { seen, invalid } = read(
      Buffer.concat([message.subarray(0, length === 24 ? 24 : 20), queryMessage(flow)]),
    )
    expect({ seen: seen.length, invalid }).toEqual(expected)
  })

  test('CS-14 no bytes do harm, and every message before the first bad one is read', () => {
    const good = fc.constantFrom(queryMessage(flow), statsMessage(flow), stateMessage(flow))
    fc.assert(
      fc.property(fc.array(good), fc.uint8Array({ maxLength: 300 }), (messages, noise) => {
        const { seen } = read(Buffer.concat([...messages, noise]))
        expect(seen.length).toBeGreaterThanOrEqual(messages.length)
      }),
    )
  })

  test('CS-14 a message that is cut off at the end is invalid', () => {
    for (const { code, size } of ssmbMessages) {
      const cut = new Uint8Array(size - 4)
      cut[0] = code
      expect(read(cut)).toEqual({ seen: [], invalid: 1 })
    }
  })
})

describe('writer', () => {
  test('SSMB-11 what is written is taken in order, however little at a time', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 2000 })), fc.array(fc.nat(3)), (serials, steps) => {
        const writer = new MessageWriter()
        const reply = new ReplyView(new DataView(new ArrayBuffer(0)))
        const taken: number[] = []
        const take = (count: number) => {
          const bytes = writer.pending.slice(0, count * ReplyView.size)
          for (let at = 0; at < bytes.length; at += ReplyView.size) {
            taken.push(new ReplyView(new DataView(bytes.buffer), at).serial)
          }
          writer.taken(bytes.length)
        }
        serials.forEach((serial, i) => {
          writer.start(reply, ReplyView.size).serial = serial
          take(steps[i % (steps.length || 1)] ?? 0)
        })
        take(serials.length)
        expect(taken).toEqual(serials)
        expect(writer.length).toBe(0)
      }),
    )
  })

  test('a message starts out as zeros, also where others stood', () => {
    const writer = new MessageWriter()
    const reply = new ReplyView(new DataView(new ArrayBuffer(0)))
    const first = writer.start(reply, ReplyView.size)
    first.xlat.nodeId = 0xffffffff
    first.flags = 0xffff
    writer.taken(writer.length)
    writer.start(reply, ReplyView.size)
    expect(hex(writer.pending)).toBe(`03${'00'.repeat(139)}`)
  })
})

describe('channel', () => {
  const ignore: MessageSink = {
    query() {},
    learn() {},
    delete() {},
    stats() {},
    state() {},
    reset() {},
    ack() {},
  }

  function channelWith(sink: Partial<MessageSink>) {
    const segment = new FakeSegment()
    const channel = new BusChannel(segment, { ...ignore, ...sink })
    segment.start({} as never, channel.wake)
    const reply = new ReplyView(new DataView(new ArrayBuffer(0)))
    const send = (serial: number) => {
      channel.writer.start(reply, ReplyView.size).serial = serial
      channel.sendSoon()
    }
    return { segment, channel, send }
  }

  test('SSMB-06 a full ring loses nothing, keeps the order, and is not asked in a loop', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const { segment, channel, send } = channelWith({})
    segment.room = 5 * ReplyView.size
    for (let serial = 0; serial < 100; serial++) send(serial)
    await segment.until(() => segment.submits > 0)
    expect(segment.replies).toHaveLength(5)
    await segment.quiet()
    expect(segment.submits).toBe(1)
    vi.advanceTimersByTime(1)
    expect(segment.submits).toBe(2)
    segment.room = Number.POSITIVE_INFINITY
    vi.advanceTimersByTime(1)
    await segment.until(() => segment.replies.length === 100)
    expect(segment.replies.map(({ serial }) => serial)).toEqual([...Array(100).keys()])
    channel.stop()
  })

  test('SSMB-06 SSMB-09 messages are read while the other direction is blocked', async () => {
    const seen: number[] = []
    const { segment, channel, send } = channelWith({
      stats: (message) => void seen.push(message.serial),
    })
    segment.room = 0
    send(1)
    segment.send(statsMessage({ ...flow, serial: 9 }))
    await segment.quiet()
    expect(seen).toEqual([9])
    expect(segment.replies).toEqual([])
    channel.stop()
  })

  test('SSMB-06 with much unsent no more questions are taken; all are answered at last', async () => {
    const { segment, channel, send } = channelWith({ query: (message) => send(message.serial) })
    segment.room = 0
    const count = 40_000
    const query = queryMessage(flow)
    segment.send(...Array.from({ length: count }, () => query))
    // More than the bound of unsent bytes would be: the rest stays with the segment.
    await segment.until(() => segment.unread < count / 2 && segment.submits > 5)
    const unread = segment.unread
    expect(unread).toBeGreaterThan(0)
    segment.room = Number.POSITIVE_INFINITY
    await segment.until(() => segment.replies.length === count)
    expect(segment.unread).toBe(0)
    channel.stop()
  })

  test('a stopped channel neither reads nor sends', async () => {
    const { segment, channel, send } = channelWith({})
    send(1)
    channel.stop()
    segment.send(queryMessage(flow))
    await new Promise((resolve) => setImmediate(resolve))
    channel.wake()
    expect([segment.submits, segment.drains]).toEqual([0, 0])
  })
})
