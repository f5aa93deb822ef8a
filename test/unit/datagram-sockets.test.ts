/** Services of UDP, their sockets and pairs. */
import { describe, expect, test, vi } from 'vitest'
import { StreamEnd } from '../../src/generated/streams.js'
import type { DatagramPair, DatagramServiceFunction, DatagramSocket } from '../../src/index.js'
import { startFarm } from '../helpers/farm.js'
import type { PeerFlow } from '../helpers/peer-flow.js'
import { quiet } from '../helpers/socket-site.js'

const server = { address: '10.1.0.11', port: 8053 }

/** An engine whose virtual server of UDP has that service, which is number 1. */
async function start(service: DatagramServiceFunction, settings: object = {}) {
  const logged: object[] = []
  const note = (details: object) => void logged.push(details)
  const logger = { debug() {}, info: note, warn: note, error: note }
  const site = await startFarm(
    4,
    ({ vip }) => ({
      virtualServers: { names: { listen: `udp://${vip}` as const, service, ...settings } },
    }),
    { logger },
  )
  const { streams } = site.segment
  let clients = 0
  const client = () => streams.begin(site.farm.client(clients++), site.farm.vip, 1)
  return { ...site, streams, client, logged, stack: site.engine.stack }
}

/** The same with the socket of its first client, and the client. */
async function startWithClient(settings: object = {}) {
  const sockets: DatagramSocket[] = []
  const site = await start((inbound) => void sockets.push(inbound), settings)
  const client = site.client()
  await quiet()
  const [inbound] = sockets as [DatagramSocket]
  return { ...site, sockets, client, inbound, next: site.client }
}

/** A client, its pair, and the server beyond. */
async function startPair() {
  const site = await startWithClient()
  const to = { protocol: 'udp', ...server, associateWith: site.inbound } as const
  const outbound = await site.stack.connect(to)
  const origin = site.streams.flows.get(outbound.id) as PeerFlow
  return { ...site, outbound, origin, pair: outbound.pair as DatagramPair }
}

const heard = (socket: DatagramSocket) => {
  const datagrams: string[] = []
  socket.on('message', (datagram) => datagrams.push(datagram.toString()))
  return datagrams
}

describe('a socket', () => {
  test('SOCK-32 has each datagram whole, and those that came before anybody listened', async () => {
    const { client, inbound, farm } = await startWithClient()
    for (const text of ['one', '', 'three']) client.send(text)
    await quiet()
    expect(inbound.bytesHeld).toBe(8)
    const datagrams = heard(inbound)
    client.send('four')
    await quiet()
    expect(datagrams).toEqual(['one', '', 'three', 'four'])
    expect(inbound.send('answer')).toBe(true)
    expect(inbound.send(Buffer.alloc(0))).toBe(true)
    await client.until(() => client.received.length === 2)
    expect(client.received).toEqual(['answer', ''])
    expect(inbound).toMatchObject({ datagramsRead: 4, bytesRead: 12, datagramsWritten: 2 })
    expect(inbound.identity).toMatchObject({ address: '192.0.2.10', port: 40_000, family: 4 })
    expect(`${inbound}`).toBe(`${farm.client(0)} at ${farm.vip}`)
  })

  test('is iterated until it is closed; to leave the loop closes nothing', async () => {
    const { client, inbound } = await startWithClient()
    client.send('first')
    for await (const datagram of inbound) {
      expect(datagram.toString()).toBe('first')
      break
    }
    expect(inbound.use).toBe('free')
    const rest: string[] = []
    const all = (async () => {
      for await (const datagram of inbound) rest.push(datagram.toString())
    })()
    client.send('second')
    await quiet()
    inbound.close()
    await all
    expect(rest).toEqual(['second'])
    expect(inbound.send('too late')).toBe(false)
    expect(inbound.datagramsDropped).toBe(1)
  })

  test.each([
    [1000, 100],
    [0, 2000],
  ])('what nobody takes is bounded, and lost in the engine: %i bytes each', async (size, count) => {
    const { client, inbound } = await startWithClient()
    const text = 'x'.repeat(size)
    for (let turn = 0; turn < count; turn++) client.send(text)
    await quiet()
    expect(inbound.readableLength).toBeLessThan(20_000)
    expect(client.lost).toBeGreaterThan(count * 0.6)
    const datagrams = heard(inbound)
    await quiet()
    client.send('on again')
    await quiet()
    expect(datagrams.at(-1)).toBe('on again')
    expect(inbound.readableLength).toBe(0)
  })

  test('says how large a datagram may be', async () => {
    const { inbound } = await startWithClient()
    expect(() => inbound.send(Buffer.alloc(65_508))).toThrow(
      expect.objectContaining({
        code: 'ERR_SLUICE_DATAGRAM_SIZE',
        remedy: expect.stringContaining('65507'),
      }),
    )
    expect(inbound.send(Buffer.alloc(65_507))).toBe(true)
  })

  test('loses what the engine has no time for', async () => {
    const { inbound, streams } = await startWithClient()
    streams.room = 0
    const sent = Array.from({ length: 40 }, () => inbound.send(Buffer.alloc(60_000)))
    expect(sent.filter(Boolean).length).toBeLessThan(20)
    expect(inbound.datagramsDropped).toBeGreaterThan(20)
    streams.room = Number.POSITIVE_INFINITY
  })

  test.each([
    [StreamEnd.refused, { code: 'ECONNREFUSED', syscall: 'recvmsg', port: 40_000 }],
    [StreamEnd.noRoute, { code: 'ERR_SLUICE_NO_ROUTE' }],
    [StreamEnd.noMemory, { code: 'ERR_SLUICE_MEMORY' }],
    [StreamEnd.aborted, { code: 'ECONNABORTED' }],
  ])('ended for reason %i has an error, then it is closed', async (reason, expected) => {
    const { client, inbound } = await startWithClient()
    const told: unknown[] = []
    inbound.on('error', (error) => told.push(error))
    inbound.on('close', () => told.push('close'))
    client.close(reason)
    await quiet()
    expect(told).toEqual([expect.objectContaining(expected), 'close'])
    expect(inbound.use).toBe('closed')
  })

  test('that was silent is closed without an error, after the time of its virtual server', async () => {
    const { client, inbound } = await startWithClient({ idleTimeoutMs: 2500 })
    expect(client.options).toEqual([[4, 3]])
    const told: string[] = []
    for (const event of ['timeout', 'error', 'close'] as const) {
      inbound.on(event, () => told.push(event))
    }
    client.close(StreamEnd.timedOut)
    await quiet()
    expect(told).toEqual(['timeout', 'close'])
  })

  test('SOCK-09 opened alone has an address of the engine, and no pair', async () => {
    const { stack, streams } = await startWithClient()
    const outbound = await stack.connect({ protocol: 'udp', ...server })
    expect(streams.opened).toMatchObject([{ source: '[::]:0', destination: '10.1.0.11:8053' }])
    expect(outbound.pair).toBeUndefined()
    expect(outbound.address()).toEqual({ address: '10.1.0.1', family: 'IPv4', port: 50_000 })
  })
})

describe('a service of UDP', () => {
  test('that throws closes its flow, and no other; so does a listener', async () => {
    const { client, logged, engine } = await start((inbound) => {
      inbound.on('message', (datagram) => {
        if (String(datagram) === 'bad') throw new Error('oh')
        inbound.send('good')
      })
      if (inbound.remotePort === 40_000) throw new Error('ah')
    })
    const [one, other, third] = [client(), client(), client()]
    await one.until(() => one.isClosed)
    other.send('bad')
    third.send('well')
    await other.until(() => other.isClosed)
    await third.until(() => third.received.length > 0)
    expect(third.isClosed).toBe(false)
    expect(engine.status().sockets.serviceFailures).toBe(1)
    expect(logged).toContainEqual(expect.objectContaining({ code: 'ERR_SLUICE_SERVICE' }))
  })

  test('LB-20 has as many flows as its virtual server may, and they are counted', async () => {
    const { engine, client, next, inbound } = await startWithClient({ connectionLimit: 1 })
    const other = next()
    await other.until(() => other.isClosed)
    const site = () => engine.status().virtualServers[0]
    expect(site()).toMatchObject({ connections: 1, totalConnections: 1 })
    expect(engine.status().sockets.refused).toEqual({ limited: 1, unavailable: 0 })
    inbound.close()
    await client.until(() => client.isClosed)
    await quiet()
    expect(site()).toMatchObject({ connections: 0, totalConnections: 1 })
  })

  test('picks nodes of a pool', async () => {
    const picked: unknown[] = []
    const { client, engine } = await start((inbound, { pools }) => {
      picked.push(pools.pick('web', inbound)?.name)
      if (picked.length === 3) inbound.close()
    })
    for (let turn = 0; turn < 3; turn++) client()
    await quiet()
    expect(picked).toEqual(['10.1.0.11:8080', '10.1.0.12:8080', '10.1.0.13:8080'])
    expect(engine.status().pools[0]?.connections).toBe(2)
  })

  test('has a signal that aborts with its flow', async () => {
    const signals: AbortSignal[] = []
    const { client } = await start((_, { signal }) => void signals.push(signal))
    const one = client()
    await quiet()
    one.close(StreamEnd.timedOut)
    await quiet()
    expect(signals[0]?.aborted).toBe(true)
  })
})

describe('a pair', () => {
  test('SOCK-04 SOCK-08 SOCK-19 is there with the second socket, and found by either', async () => {
    const { pair, inbound, outbound, stack, streams } = await startPair()
    expect(streams.opened[0]?.source).toBe('192.0.2.10:40000')
    expect(inbound.pair).toBe(pair)
    expect([inbound.use, outbound.use, pair.mode]).toEqual(['paired', 'paired', 'proxied'])
    const src = { address: '10.1.0.11', port: 8053, family: 4 } as const
    const dst = { address: '192.0.2.10', port: 40_000, family: 4 } as const
    const queries = [
      { socketId: inbound.id },
      { socketId: outbound.id },
      { pairId: pair.id },
      { client: inbound.identity },
      { src, dst },
    ]
    for (const query of queries) {
      expect(await stack.get({ protocol: 'udp', ...query })).toBe(pair)
      if (!('src' in query)) expect(await stack.get(query)).toBeNull()
    }
    for await (const info of stack.pairs()) {
      expect(info).toMatchObject({ id: pair.id, protocol: 'udp', service: 'names' })
    }
    await expect(
      stack.connect({ protocol: 'udp', ...server, associateWith: inbound }),
    ).rejects.toMatchObject({ code: 'ERR_SLUICE_IN_USE' })
  })

  test('SOCK-11 passes datagrams through functions, in order, both ways', async () => {
    const { pair, client, origin } = await startPair()
    client.send('early')
    await quiet()
    pair.process({
      c2s: (datagram) => (datagram.length > 5 ? undefined : Buffer.from(`${datagram}!`)),
    })
    for (const text of ['one', 'too long', 'two']) client.send(text)
    origin.send('answer')
    await origin.until(() => origin.received.length === 3)
    await client.until(() => client.received.length === 1)
    expect(origin.received).toEqual(['early!', 'one!', 'two!'])
    expect(client.received).toEqual(['answer'])
    expect(pair.stats()).toMatchObject({ datagrams: { c2s: 4n, s2c: 1n }, jsBytes: { s2c: 6n } })
    expect(() => pair.process()).toThrow(expect.objectContaining({ code: 'ERR_SLUICE_STATE' }))
  })

  test('a function that throws closes both sides', async () => {
    const { pair, client, origin } = await startPair()
    const error = vi.fn()
    pair.on('error', error)
    pair.process({
      s2c: () => {
        throw new Error('oh')
      },
    })
    origin.send('x')
    await client.until(() => client.isClosed)
    await origin.until(() => origin.isClosed)
    await quiet()
    expect(error).toHaveBeenCalledOnce()
    expect(pair.mode).toBe('closed')
  })

  test('SOCK-12 SOCK-20 unproxied and proxied again, nothing is lost or counted twice', async () => {
    const { pair, inbound, client, origin } = await startPair()
    const modes: string[] = []
    pair.on('mode', (_, now) => modes.push(now))
    pair.process()
    client.send('one')
    await origin.until(() => origin.received.length === 1)
    expect(await pair.unproxy()).toEqual({ mode: 'splice', boundary: { c2s: 3n, s2c: 0n } })
    expect(await pair.unproxy()).toMatchObject({ mode: 'splice' })
    client.send('two')
    origin.send('answer')
    await quiet()
    expect(inbound.datagramsRead).toBe(1)
    expect(await pair.proxy()).toEqual({ c2s: 6n, s2c: 6n })
    client.send('three')
    await origin.until(() => origin.received.length === 3)
    expect(origin.received).toEqual(['one', 'two', 'three'])
    expect(client.received).toEqual(['answer'])
    expect(pair.stats().datagrams).toEqual({ c2s: 3n, s2c: 1n })
    expect(modes).toEqual(['draining', 'splice', 'reproxying', 'proxied'])
  })

  test('that is two flows to the engine is not spliced', async () => {
    const { stack, client, inbound } = await startWithClient()
    client.serial++
    const to = { protocol: 'udp', ...server, associateWith: inbound } as const
    const { pair } = await stack.connect(to)
    await expect(pair?.unproxy()).rejects.toMatchObject({ code: 'ERR_SLUICE_STATE' })
    expect(pair?.mode).toBe('proxied')
  })

  test.each(['inbound', 'outbound'] as const)(
    'SOCK-24 closeSide(%s) leaves the other free',
    async (side) => {
      const { pair, inbound, outbound, client, origin } = await startPair()
      pair.process()
      await pair.unproxy()
      const other = await pair.closeSide(side)
      expect(other).toBe(side === 'inbound' ? outbound : inbound)
      expect(other.use).toBe('free')
      const [gone, kept] = side === 'inbound' ? [client, origin] : [origin, client]
      await gone.until(() => gone.isClosed)
      const datagrams = heard(other)
      kept.send('still here')
      await quiet()
      expect(datagrams).toEqual(['still here'])
    },
  )

  test('SOCK-23 SOCK-27 a side that is over closes the other where the pair is processed or unproxied', async () => {
    for (const [processed, unproxied] of [
      [true, false],
      [false, true],
      [false, false],
    ]) {
      const { pair, client, origin, inbound } = await startPair()
      const sides: string[] = []
      pair.on('sideclose', (side, how) => sides.push(`${side} ${how}`))
      if (processed) pair.process()
      if (unproxied) await pair.unproxy()
      origin.close(StreamEnd.refused)
      await quiet()
      expect(sides).toEqual(['outbound reset'])
      expect(client.isClosed).toBe(processed || unproxied)
      expect(pair.mode).toBe(processed || unproxied ? 'closed' : 'proxied')
      inbound.close()
      await client.until(() => client.isClosed)
    }
  })

  test('SOCK-36 a side that was gone before leaves the other as it was', async () => {
    const { pair, client, origin, inbound } = await startPair()
    origin.close(StreamEnd.refused)
    await expect(pair.unproxy()).rejects.toMatchObject({ code: 'ERR_SLUICE_CLOSED' })
    expect(pair.mode).toBe('proxied')
    const datagrams = heard(inbound)
    for (let turn = 0; turn < 50; turn++) {
      client.send('x'.repeat(1000))
      await quiet()
    }
    expect(datagrams).toHaveLength(50)
    expect(client.lost).toBe(0)
  })

  test('SOCK-36 a side that goes while it is unproxied leaves it as it was, or closed', async () => {
    const { pair, client, origin } = await startPair()
    const ends = pair.unproxy().catch((error) => error.code)
    origin.close(StreamEnd.refused)
    client.close(StreamEnd.timedOut)
    expect(await ends).toBe('ERR_SLUICE_CLOSED')
    await quiet()
    expect(pair.mode).toBe('closed')
    await expect(pair.proxy()).rejects.toMatchObject({ code: 'ERR_SLUICE_CLOSED' })
    const aborted = pair.unproxy({ signal: AbortSignal.abort(new Error('no')) })
    await expect(aborted).rejects.toThrow('no')
  })
})

describe('listen', () => {
  test('gives flows to who iterates, closes those beyond the backlog, and ends with the stack', async () => {
    const { stack, streams, segment } = await startWithClient()
    const where = { protocol: 'udp', address: '192.0.2.100', port: 90, backlog: 1 } as const
    const listening = stack.listen(where)
    const server = await listening
    const vsId = segment.taken.filter((one) => one[0] === 0).length
    const [one, two] = [1, 2].map((n) => streams.begin(`192.0.2.10:${n}`, '192.0.2.100:90', vsId))
    await two?.until(() => two.isClosed)
    for await (const socket of server) {
      expect(socket.remotePort).toBe(1)
      socket.send('hello')
      break
    }
    await one?.until(() => one.received.length === 1)
    await expect(stack.listen({ ...where, protocol: 'udp' })).rejects.toMatchObject({
      code: 'ERR_SLUICE_ADDR_IN_USE',
    })
    const other = await stack.listen({ address: '192.0.2.100', port: 90 })
    await other.close()
    await stack.close()
    await one?.until(() => one.isClosed)
  })
})
