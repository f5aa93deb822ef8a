/** What a line asks for, and gives back. */
import { expect, test } from 'vitest'
import { StreamOrders } from '../../src/bus/stream-orders.js'
import { MessageWriter } from '../../src/bus/writer.js'
import { StreamEnd } from '../../src/generated/streams.js'
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
