/** Services of UDP and their sockets. */
import { describe, expect, test } from 'vitest'
import { StreamEnd } from '../../src/generated/streams.js'
import { heard, server, startService, startWithClient } from '../helpers/datagram-site.js'
import { quiet } from '../helpers/socket-site.js'

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
    const { client, logged, engine } = await startService((inbound) => {
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
    const { client, engine } = await startService((inbound, { pools }) => {
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
    const { client } = await startService((_, { signal }) => void signals.push(signal))
    const one = client()
    await quiet()
    one.close(StreamEnd.timedOut)
    await quiet()
    expect(signals[0]?.aborted).toBe(true)
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
