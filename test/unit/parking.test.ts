/** Connections that are put aside, and who has them next. */
import { once } from 'node:events'
import { describe, expect, test, vi } from 'vitest'
import type { Socket } from '../../src/socket/socket.js'
import type { EvictReason, ParkOptions } from '../../src/socket/types.js'
import { quiet, server, startPair, startWithClient } from '../helpers/socket-site.js'

const wanted = { address: server.address, port: server.port }

/** A connection of the engine's own to the server, parked, and who left the lot, and why. */
async function startLot(options: ParkOptions = {}) {
  const site = await startWithClient()
  const { stack, streams } = site
  const evicted: [number, EvictReason][] = []
  stack.parking.on('evict', ({ id }, why) => evicted.push([id, why]))
  const open = async () => {
    const socket = await stack.connect({ ...server, allowHalfOpen: true })
    return { socket, origin: streams.connections.get(socket.id) }
  }
  const park = async (more: ParkOptions = options) => {
    const { socket, origin } = await open()
    if (!origin) throw new Error('no server')
    return { socket, origin, handle: await socket.park(more) }
  }
  return { ...site, evicted, open, park, ...(await park()) }
}

describe('park', () => {
  test('SOCK-25 the connection stays, its object goes, and the next one continues it', async () => {
    const { stack, socket, origin, handle } = await startLot({ key: 'http' })
    expect([socket.use, socket.destroyed]).toEqual(['parked', true])
    expect(handle).toMatchObject({ id: socket.id, key: 'http', server: { ...wanted, family: 4 } })
    expect(stack.stats()).toMatchObject({ sockets: 2, parked: 1 })
    expect([...stack.parking.entries()]).toMatchObject([{ id: socket.id, uses: 1 }])
    expect(stack.parking.take(wanted)).toBeNull()
    const again = stack.parking.take({ ...wanted, key: 'http' }) as Socket
    expect([again.id, again.use, stack.parking.size]).toEqual([socket.id, 'free', 0])
    again.write('again')
    origin.send('yes')
    const [chunk] = await once(again, 'data')
    expect([String(chunk), origin.text, origin.hasFin]).toEqual(['yes', 'again', false])
  })

  test('its events are parked and close', async () => {
    const { open } = await startLot()
    const { socket } = await open()
    const seen: string[] = []
    for (const event of ['parked', 'end', 'error', 'close'])
      socket.on(event, () => seen.push(event))
    await socket.park()
    await quiet()
    expect(seen).toEqual(['parked', 'close'])
  })

  test('SOCK-26 ERR_SLUICE_IN_USE of one of a pair, or of one that is being parked', async () => {
    const { outbound, pair } = await startPair()
    const inUse = { code: 'ERR_SLUICE_IN_USE' }
    await expect(outbound.park()).rejects.toMatchObject(inUse)
    expect(pair.mode).toBe('proxied')
    await pair.disassociate()
    const [first, second] = [outbound.park(), outbound.park()]
    await expect(second).rejects.toMatchObject(inUse)
    await first
    await expect(outbound.park()).rejects.toMatchObject({ code: 'ERR_SLUICE_CLOSED' })
  })

  test('ERR_SLUICE_PARK_DIRTY of bytes unread or unsent, and of an end; the socket is as it was', async () => {
    const { open } = await startLot()
    const dirty = { code: 'ERR_SLUICE_PARK_DIRTY' }
    const unread = await open()
    unread.origin?.send('unread')
    await expect(unread.socket.park()).rejects.toMatchObject(dirty)
    await quiet()
    expect([String(unread.socket.read()), unread.socket.use]).toEqual(['unread', 'free'])
    await unread.socket.park()
    const unsent = await open()
    unsent.socket.cork()
    unsent.socket.write('unsent')
    await expect(unsent.socket.park()).rejects.toMatchObject(dirty)
    const ended = await open()
    ended.origin?.end()
    await quiet()
    await expect(ended.socket.park()).rejects.toMatchObject(dirty)
  })

  test('SOCK-36 given up before, it is as it was', async () => {
    const { open } = await startLot()
    const { socket } = await open()
    const signal = AbortSignal.abort()
    await expect(socket.park({ signal })).rejects.toThrow(signal.reason)
    expect(socket.use).toBe('free')
  })

  test('SOCK-36 given up while the engine is asked, it is as it was, and reads and writes', async () => {
    const { stack, open } = await startLot()
    const { socket, origin } = await open()
    const controller = new AbortController()
    const given = socket.park({ signal: controller.signal })
    controller.abort()
    await expect(given).rejects.toThrow(controller.signal.reason)
    expect([socket.use, stack.parking.size]).toEqual(['free', 1])
    origin?.send('more')
    const [chunk] = await once(socket, 'data')
    socket.write('again')
    await quiet()
    expect([String(chunk), origin?.text]).toEqual(['more', 'again'])
  })
})

describe('the lot', () => {
  test.each([
    ['end', (origin: { end(): void }) => origin.end()],
    ['data', (origin: { send(data: string): void }) => origin.send('unasked')],
    ['reset', (origin: { reset(): void }) => origin.reset()],
  ] as const)('whoever sends %s leaves at once, and is closed', async (why, act) => {
    const { stack, streams, evicted, socket, origin } = await startLot()
    act(origin)
    await quiet()
    expect(evicted).toEqual([[socket.id, why]])
    expect([stack.parking.size, stack.parking.take(wanted)]).toEqual([0, null])
    await quiet()
    expect(streams.connections.has(socket.id)).toBe(false)
  })

  test('it is bounded: the one that is there longest gives way', async () => {
    const { stack, evicted, socket, park } = await startLot()
    stack.parking.capacity = 2
    const second = await park()
    const third = await park()
    expect(evicted).toEqual([[socket.id, 'full']])
    expect(stack.parking.take(wanted)?.id).toBe(third.socket.id)
    expect(stack.parking.take(wanted)?.id).toBe(second.socket.id)
  })

  test('a smaller capacity holds at once', async () => {
    const { stack, evicted, socket, park } = await startLot()
    const others = [await park(), await park(), await park()].map((one) => one.socket.id)
    stack.parking.capacity = 1
    expect(evicted.map(([id]) => id)).toEqual([socket.id, ...others.slice(0, 2)])
    expect([...stack.parking.entries()].map(({ id }) => id)).toEqual(others.slice(2))
    await park()
    expect(stack.parking.size).toBe(1)
  })

  test('the handle of an earlier stay ends no later one, and nobody else', async () => {
    const { stack, evicted, socket, handle, park } = await startLot()
    const third = await park()
    const again = stack.parking.redeem(handle)
    await again.park()
    handle.cancel()
    expect([evicted, stack.parking.size]).toEqual([[], 2])
    const taken = [stack.parking.take(wanted)?.id, stack.parking.take(wanted)?.id]
    expect(taken).toEqual([socket.id, third.socket.id])
  })

  test('ttl, maxUses, cancel and drain', async () => {
    const { stack, evicted, socket, handle, park } = await startLot({ maxUses: 2 })
    const again = stack.parking.take(wanted) as Socket
    const last = await again.park({ maxUses: 2 })
    expect(evicted).toEqual([[socket.id, 'uses']])
    last.cancel()
    handle.cancel()
    evicted.length = 0
    const [first, second, third] = [
      await park({}),
      await park({ key: 'a' }),
      await park({ ttl: 1 }),
    ]
    first.handle.cancel()
    expect(await stack.parking.drain('a')).toBe(1)
    await vi.waitFor(() => expect(stack.parking.size).toBe(0))
    expect(evicted).toEqual([
      [first.socket.id, 'cancelled'],
      [second.socket.id, 'drained'],
      [third.socket.id, 'ttl'],
    ])
  })

  test('keepAlive probes the server while it is there', async () => {
    const { stack, origin } = await startLot({ keepAlive: true })
    await quiet()
    expect(origin.options).toEqual([[2, 15]])
    stack.parking.take(wanted)
    await quiet()
    expect(origin.options).toEqual([
      [2, 15],
      [2, 0],
    ])
  })

  test('a stack that is closed closes them', async () => {
    const { stack, evicted } = await startLot()
    await stack.close()
    expect([stack.parking.size, evicted.length]).toEqual([0, 1])
  })
})

describe('reuse', () => {
  /** The pair's connection, on which the server sees the client, is parked. */
  async function startShown() {
    const site = await startPair()
    const { pair, inbound, outbound } = site
    await pair.disassociate()
    const handle = await outbound.park()
    return { ...site, inbound, handle }
  }

  test('SOCK-25 connect({ reuseParked }) takes the connection that shows the same client', async () => {
    const { stack, inbound, outbound, streams } = await startShown()
    const before = streams.opened.length
    expect(stack.parking.take(wanted)).toBeNull()
    const to = { ...server, associateWith: inbound, reuseParked: true }
    const again = await stack.connect(to)
    expect([again.id, again.pair?.inbound]).toEqual([outbound.id, inbound])
    expect(streams.opened).toHaveLength(before)
    await again.pair?.disassociate()
    const fresh = await stack.connect(to)
    expect(fresh.id).not.toBe(outbound.id)
  })

  test('another client has it where it may be shown the first one', async () => {
    const { stack, connect, outbound } = await startShown()
    const { inbound } = await connect('192.0.2.77:40000')
    const to = { ...server, associateWith: inbound }
    const own = await stack.connect({ ...to, reuseParked: true })
    expect(own.id).not.toBe(outbound.id)
    await own.pair?.disassociate()
    const refused = stack.connect({
      ...{ ...to, preserveClient: true },
      reuseParked: { allowOtherClient: true },
    })
    await expect(refused).rejects.toMatchObject({ code: 'ERR_SLUICE_IDENTITY' })
    const shared = await stack.connect({ ...to, reuseParked: { allowOtherClient: true } })
    expect([shared.id, shared.pair?.inbound]).toEqual([outbound.id, inbound])
  })

  test('SOCK-26 associate() takes one by its handle, once', async () => {
    const { stack, connect, outbound, handle } = await startShown()
    const { inbound, client } = await connect('192.0.2.77:40000')
    const preserved = stack.associate(inbound, handle, { preserveClient: true })
    await expect(preserved).rejects.toMatchObject({ code: 'ERR_SLUICE_IDENTITY' })
    expect([inbound.use, stack.parking.size]).toEqual(['free', 1])
    const pair = await stack.associate(inbound, handle)
    expect([pair.outbound.id, pair.mode]).toEqual([outbound.id, 'proxied'])
    pair.process()
    client.send('through')
    await quiet()
    await expect(stack.associate(inbound, handle)).rejects.toMatchObject({
      code: 'ERR_SLUICE_IN_USE',
    })
    const other = await connect()
    const gone = stack.associate(other.inbound, handle)
    await expect(gone).rejects.toMatchObject({ code: 'ERR_SLUICE_CLOSED' })
    expect(other.inbound.use).toBe('free')
  })

  test('addresses may be written in other ways', async () => {
    const { stack } = await startWithClient()
    const socket = await stack.connect({ address: '2001:db8:2::11', port: 80 })
    await socket.park()
    const found = stack.parking.take({ address: '2001:DB8:2:0:0:0:0:11', port: 80 })
    expect(found?.id).toBe(socket.id)
  })
})
