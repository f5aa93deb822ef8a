/** The TIME-WAIT compactor: what it orders, and what it tells of. */
import { describe, expect, test } from 'vitest'
import { StreamOrders } from '../../src/bus/stream-orders.js'
import { MessageWriter } from '../../src/bus/writer.js'
import { TimeWaitCompactor } from '../../src/control/time-wait.js'
import { KeepTimeWaitMessage, TimeWaitMessage } from '../../src/generated/streams.js'
import { quiet, startSite } from '../helpers/socket-site.js'

function compactor(budget: number, times: Record<number, number> = {}) {
  const writer = new MessageWriter()
  let now = 0
  const subject = new TimeWaitCompactor({
    orders: new StreamOrders(writer, () => {}),
    budget,
    usualMs: 60_000,
    timeOf: (id) => times[id],
    now: () => now,
  })
  const message = new TimeWaitMessage(new DataView(new ArrayBuffer(TimeWaitMessage.size)))
  const tell = (entry: number, vsId = 1) => {
    Object.assign(message.clear(), { socket: 3 << 24, entry, serial: entry + 1000, vsId })
    message.bytesFreed = 320
    subject.take(message)
  }
  const orders = () => {
    const bytes = writer.pending.slice()
    writer.taken(bytes.length)
    const view = new DataView(bytes.buffer)
    return Array.from({ length: bytes.length / KeepTimeWaitMessage.size }, (_, i) => {
      const order = new KeepTimeWaitMessage(view, i * KeepTimeWaitMessage.size)
      expect(order.socket).toBe(3 << 24)
      return [order.entry, order.serial, order.keepMs]
    })
  }
  const pass = (ms: number) => {
    now += ms
  }
  return { subject, tell, orders, pass }
}

describe('the compactor', () => {
  test('MEM-09 says nothing where the engine goes by the right time', () => {
    const { subject, tell, orders, pass } = compactor(10)
    for (let entry = 0; entry < 5; entry++) tell(entry)
    expect(orders()).toEqual([])
    expect(subject.report()).toMatchObject({ entries: 5, told: 5, bytesFreed: 1600, adjusted: 0 })
    pass(59_999)
    expect(subject.report().entries).toBe(5)
    pass(1)
    expect(subject.report().entries).toBe(0)
  })

  test('MEM-09 orders the time of a virtual server that has its own', () => {
    const { subject, tell, orders, pass } = compactor(10, { 2: 1000, 3: 240_000 })
    for (const vsId of [1, 2, 3]) tell(vsId, vsId)
    expect(orders()).toEqual([
      [2, 1002, 1000],
      [3, 1003, 240_000],
    ])
    pass(1000)
    expect(subject.report()).toMatchObject({ entries: 2, adjusted: 2 })
  })

  test('MEM-18 above its budget the one that would end first ends now', () => {
    const { subject, tell, orders, pass } = compactor(3, { 2: 30_000 })
    tell(1)
    pass(10)
    tell(2, 2)
    pass(10)
    tell(3)
    orders()
    tell(4)
    tell(5)
    expect(orders()).toEqual([
      [2, 1002, 0],
      [1, 1001, 0],
    ])
    expect(subject.report()).toMatchObject({ entries: 3, endedEarly: 2, budget: 3 })
  })

  test('those that have ended by themselves make room first', () => {
    const { subject, tell, orders, pass } = compactor(2)
    tell(1)
    tell(2)
    pass(60_000)
    tell(3)
    tell(4)
    expect(orders()).toEqual([])
    expect(subject.report()).toMatchObject({ entries: 2, endedEarly: 0 })
  })

  test('hundreds of thousands keep their order', () => {
    const { subject, tell, orders, pass } = compactor(100_000)
    for (let entry = 0; entry < 250_000; entry++) {
      tell(entry)
      if (entry % 1000 === 0) pass(1)
    }
    const ended = orders().map(([entry]) => entry)
    expect(ended).toEqual(Array.from({ length: 150_000 }, (_, i) => i))
    expect(subject.report()).toMatchObject({ entries: 100_000, endedEarly: 150_000 })
  })

  test('runs in an engine: told, ordered, and shown', async () => {
    const { streams, engine } = await startSite(() => {}, { timeWaitMs: 5000 })
    streams.timeWait({ entry: 7, serial: 9, vsId: 1, bytesFreed: 320 })
    await quiet()
    expect(streams.kept).toEqual([{ entry: 7, serial: 9, keepMs: 5000 }])
    expect(engine.status().sockets.timeWait).toMatchObject({ entries: 1, bytesFreed: 320 })
  })
})
