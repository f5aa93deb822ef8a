/** What a line asks for, and gives back. */
import { expect, test } from 'vitest'
import { StreamOrders } from '../../src/bus/stream-orders.js'
import { MessageWriter } from '../../src/bus/writer.js'
import { StreamEnd } from '../../src/generated/streams.js'
import { DatagramLine } from '../../src/socket/datagram-line.js'
import { DatagramSocket } from '../../src/socket/datagram-socket.js'
import { Line } from '../../src/socket/line.js'
import { Sockets } from '../../src/socket/sockets.js'

const none = { bytesReceivedNumber: 0, bytesSentNumber: 0 }

test.each([
  ['ends', (line: Line) => line.ended()],
  ['is cut off', (line: Line) => line.closed(StreamEnd.reset, none)],
])('BUF-14 a peer that %s gives back what it might have sent', (_, end) => {
  const orders = new StreamOrders(new MessageWriter(), () => {})
  const sockets = new Sockets(orders, 1 << 20, { accepted() {}, timeWait() {}, readProgress() {} })
  const line = new Line(1, sockets, 0)
  line.grant()
  expect(sockets.committed).toBe(16_384)
  end(line)
  expect(sockets.committed).toBe(0)
})

test('BUF-14 the window grows with what comes at once, and is little again behind a rest', () => {
  const orders = new StreamOrders(new MessageWriter(), () => {})
  const sockets = new Sockets(orders, 64 << 20, { accepted() {}, timeWait() {}, readProgress() {} })
  const line = new Line(1, sockets, 0)
  line.end = { ...line.end }
  line.grant()
  const turns = (count: number, bytes: number) => {
    for (let i = 0; i < count; i++, sockets.turn++) line.data(Buffer.alloc(bytes))
  }
  turns(1000, 1000)
  expect(sockets.committed).toBeLessThanOrEqual(16_384)
  for (let i = 0; i < 4; i++) turns(1, sockets.committed)
  expect(sockets.committed).toBe(131_072)
  line.rest()
  turns(200, 1000)
  expect(sockets.committed).toBeLessThanOrEqual(16_384)
})

test('BUF-14 a flow that the engine ends gives back what nobody has read of it, once', async () => {
  const orders = new StreamOrders(new MessageWriter(), () => {})
  const sockets = new Sockets(orders, 1 << 20, { accepted() {}, timeWait() {}, readProgress() {} })
  const line = new DatagramLine({ socket: 1, serial: 1, credit: 10_000, mss: 1200 }, sockets)
  const end = { address: '192.0.2.10', port: 7, family: 4 } as const
  const socket = new DatagramSocket({ line, local: end, remote: end })
  for (const text of ['unread', 'too']) line.data(Buffer.from(text))
  expect(sockets.committed).toBe(10_000)
  line.closed(StreamEnd.timedOut, none)
  expect(sockets.committed).toBe(0)
  const rest: string[] = []
  for await (const datagram of socket) rest.push(String(datagram))
  socket.close()
  expect(rest).toEqual(['unread', 'too'])
  expect(sockets.committed).toBe(0)
})

test('BUF-14 lines of a worker wait in turn for the room that all of them have together', () => {
  const writer = new MessageWriter()
  const orders = new StreamOrders(writer, () => {})
  const sockets = new Sockets(orders, 1 << 20, { accepted() {}, timeWait() {}, readProgress() {} })
  const [one, other] = [new Line(1, sockets, 1e6), new Line(2, sockets, 1e6)]
  const elsewhere = new Line((1 << 24) | 1, sockets, 1e6)
  const done: string[] = []
  one.write([Buffer.alloc(5000)], () => done.push('one'))
  other.write([Buffer.alloc(100)], () => done.push('other'))
  elsewhere.write([Buffer.alloc(1)], () => done.push('elsewhere'))
  expect(writer.length).toBe(0)
  sockets.room(0, 2)
  expect([one.bytesSent, other.bytesSent]).toEqual([4096, 0])
  sockets.room(0, 1)
  expect([one.bytesSent, other.bytesSent]).toEqual([4096, 100])
  sockets.room(0, 1)
  expect([one.bytesSent, other.bytesSent, elsewhere.bytesSent]).toEqual([5000, 100, 0])
  expect(done).toEqual(['other', 'one'])
})
