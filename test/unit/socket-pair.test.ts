/** Pairs: the other side of a client's connection, and what passes between them. */
import { once } from 'node:events'
import { Transform } from 'node:stream'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import type { SocketPair } from '../../src/socket/pair.js'
import { quiet, server, startPair, startWithClient, upper } from '../helpers/socket-site.js'

describe('a pair', () => {
  test('SOCK-11 what passes is processed, each way by its transform', async () => {
    const { pair, client, origin } = await startPair()
    pair.process({ c2s: upper() })
    client.send('get it')
    origin.send('Here it is')
    await origin.until(() => origin.text === 'GET IT')
    await client.until(() => client.text === 'Here it is')
  })

  test('an end passes through the transforms, and the pair ends with its sockets', async () => {
    const { pair, client, origin } = await startPair()
    pair.process({ c2s: upper(), s2c: upper() })
    client.send('last words')
    client.end()
    await origin.until(() => origin.hasFin)
    expect(origin.text).toBe('LAST WORDS')
    expect(client.hasFin).toBe(false)
    origin.send('and answer')
    origin.end()
    await once(pair, 'close')
    expect(client.text).toBe('AND ANSWER')
    expect(pair.mode).toBe('closed')
  })

  test('SOCK-23 unprocessed, an end is told and goes no further', async () => {
    const { pair, inbound, outbound, client, origin } = await startPair()
    const told: unknown[] = []
    pair.on('sideclose', (...event) => told.push(event))
    outbound.resume()
    origin.end()
    await once(outbound, 'end')
    expect(told).toEqual([['outbound', 'end']])
    await quiet()
    expect([client.hasFin, origin.hasFin]).toEqual([false, false])
    inbound.end()
    await client.until(() => client.hasFin)
  })

  test('a side that is reset resets the other, where it is processed', async () => {
    const { pair, client, origin } = await startPair()
    pair.process()
    origin.reset()
    await client.until(() => client.hasReset)
    await quiet()
    expect(pair.mode).toBe('closed')
  })

  test.each([['inbound'], ['outbound']] as const)(
    'processed when its %s is over already, its other side is reset',
    async (side) => {
      const { pair, client, origin } = await startPair()
      const [first, other] = side === 'inbound' ? [client, origin] : [origin, client]
      first.reset()
      await quiet()
      expect(other.isClosed).toBe(false)
      pair.process()
      await other.until(() => other.hasReset)
    },
  )

  test.each([
    ['as it is', undefined],
    ['through a transform', upper()],
  ])('PROXY-14 an answer that came early is not lost with its server, %s', async (_, s2c) => {
    const { pair, client, origin } = await startPair()
    client.acknowledges = false
    origin.acknowledges = false
    pair.process({ s2c })
    client.send(Buffer.alloc(1_000_000))
    const answer = 'A'.repeat(300_000)
    origin.send(answer)
    origin.end()
    await quiet()
    origin.reset()
    while (!client.hasFin) {
      client.acknowledge(50_000)
      await quiet()
    }
    expect(client.text).toBe(answer)
    expect(client.hasReset).toBe(false)
  })

  test('whatever ends its sockets, and in whatever order, the process goes on', async () => {
    const unprocessed = await startPair()
    unprocessed.client.reset()
    await quiet()
    unprocessed.origin.reset()
    await once(unprocessed.pair, 'close')
    const flushing = await startPair()
    flushing.origin.acknowledges = false
    flushing.outbound.write(Buffer.alloc(1_000_000))
    await flushing.pair.closeSide('outbound')
    flushing.origin.reset()
    await quiet()
    expect(flushing.outbound.errored).toMatchObject({ code: 'ECONNRESET' })
  })

  test('BUF-06 a client that does not read stops the server, not the memory', async () => {
    const { pair, client, origin, stack } = await startPair()
    pair.process()
    client.acknowledges = false
    origin.send(Buffer.alloc(10_000_000))
    for (let i = 0; i < 20; i++) await quiet()
    expect(origin.unread).toBeGreaterThan(8_000_000)
    expect(stack.stats().bytesHeld).toBeLessThan(2_200_000)
  })

  test('a transform that fails resets both sides', async () => {
    const { pair, client, origin } = await startPair()
    const broken = new Transform({
      transform(_chunk, _encoding, done) {
        done(new Error('broken'))
      },
    })
    const failed = once(pair, 'error').catch((error) => [error])
    pair.process({ s2c: broken })
    origin.send('x')
    expect((await failed)[0]).toMatchObject({ message: 'broken' })
    await client.until(() => client.hasReset)
    await origin.until(() => origin.hasReset)
  })

  test('SOCK-19 is found by either side, by numbers and by endpoints', async () => {
    const { stack, pair, inbound, outbound } = await startPair()
    const client = { address: '192.0.2.10', port: 40_000, family: 4 as const }
    const vip = { address: '192.0.2.100', port: 80, family: 4 as const }
    const dst = { ...server, family: 4 as const }
    const queries = [
      { pairId: pair.id },
      { socketId: inbound.id },
      { socketId: outbound.id },
      { client },
      { client, vip },
      { protocol: 'tcp' as const, src: client, dst: vip },
      { protocol: 'tcp' as const, src: client, dst },
    ]
    for (const query of queries) expect(await stack.get(query)).toBe(pair)
    expect(await stack.get({ client: dst })).toBeNull()
    const missing = stack.get({ pairId: 99 }, { required: true })
    await expect(missing).rejects.toMatchObject({ code: 'ERR_SLUICE_NO_SUCH_FLOW' })
  })

  test('is listed and counted', async () => {
    const { stack, pair, client, origin, engine } = await startPair()
    pair.process()
    client.send('12345')
    await origin.until(() => origin.text === '12345')
    const list = async (...filter: Parameters<typeof stack.pairs>) => {
      const listed = []
      for await (const info of stack.pairs(...filter)) listed.push(info)
      return listed
    }
    expect(await list({ mode: 'proxied', service: 'site' })).toMatchObject([
      { id: pair.id, mode: 'proxied', service: 'site', server, bytes: { c2s: 5n, s2c: 0n } },
    ])
    expect(await list({ mode: 'relay' })).toEqual([])
    expect(stack.stats()).toMatchObject({ sockets: 2, pairs: { proxied: 1, relay: 0 } })
    expect(engine.status().sockets).toMatchObject({ open: 2, accepted: 1, connected: 1 })
    expect(await engine.flows()).toMatchObject([
      {
        client: '192.0.2.10:40000',
        virtualServer: 'site',
        listen: '192.0.2.100:80',
        server: '10.1.0.11:8080',
        mode: 'proxied',
        bytes: { in: 5, out: 0 },
      },
    ])
  })
})

describe('associate, disassociate, closeSide', () => {
  async function twoSockets() {
    const site = await startWithClient()
    const outbound = await site.stack.connect(server)
    const origin = site.streams.connections.get(outbound.id)
    if (!origin) throw new Error('no connection')
    return { ...site, outbound, origin }
  }

  test('SOCK-21 two sockets become one connection', async () => {
    const { stack, inbound, outbound, client, origin } = await twoSockets()
    const pair = await stack.associate(inbound, outbound)
    pair.process()
    client.send('GET /')
    await origin.until(() => origin.text === 'GET /')
    origin.send('200')
    await client.until(() => client.text === '200')
  })

  test('SOCK-26 refused, they are as they were', async () => {
    const { stack, inbound, outbound, client } = await twoSockets()
    const refusal = async (code: string, options?: Parameters<typeof stack.associate>[2]) => {
      await expect(stack.associate(inbound, outbound, options)).rejects.toMatchObject({ code })
      expect([inbound.use, outbound.use]).toEqual(['free', 'free'])
    }
    await refusal('ERR_SLUICE_IDENTITY', { preserveClient: true })
    inbound.once('readable', () => {})
    client.send('unread')
    await quiet()
    await refusal('ERR_SLUICE_BUFFERED')
    const pair = await stack.associate(inbound, outbound, { adoptBuffered: true })
    const again = stack.associate(inbound, outbound, { adoptBuffered: true })
    await expect(again).rejects.toMatchObject({ code: 'ERR_SLUICE_IN_USE' })
    await pair.disassociate()
    outbound.end()
    await quiet()
    const half = stack.associate(inbound, outbound, { adoptBuffered: true })
    await expect(half).rejects.toMatchObject({ code: 'ERR_SLUICE_STATE' })
  })

  test('onPeerClose: hold keeps the other side', async () => {
    const { stack, inbound, outbound, client, origin } = await twoSockets()
    const pair = await stack.associate(inbound, outbound, { onPeerClose: 'hold' })
    pair.process()
    const told = once(pair, 'sideclose')
    origin.end()
    expect(await told).toEqual(['outbound', 'end'])
    await quiet()
    expect(client.hasFin).toBe(false)
    inbound.write('still here')
    await client.until(() => client.text === 'still here')
  })

  test('SOCK-22 disassociated, no byte crosses and both go on', async () => {
    const { pair, inbound, outbound, client, origin } = await startPair()
    pair.process()
    const free = await pair.disassociate()
    expect(free).toEqual({ inbound, outbound })
    expect([pair.mode, inbound.use, outbound.use]).toEqual(['closed', 'free', 'free'])
    expect([inbound.allowHalfOpen, outbound.allowHalfOpen]).toEqual([false, false])
    client.send('not for you')
    client.end()
    expect(await text(inbound)).toBe('not for you')
    expect(origin.text).toBe('')
    outbound.end('but this')
    await origin.until(() => origin.text === 'but this')
  })

  test('SOCK-22 what waits for its turn behind that finds the pair closed', async () => {
    const { pair, client, inbound } = await startPair()
    pair.process()
    const [free, relayed] = [pair.disassociate(), pair.unproxy()]
    await expect(relayed).rejects.toMatchObject({ code: 'ERR_SLUICE_CLOSED' })
    await free
    expect([pair.mode, inbound.isHeld]).toEqual(['closed', false])
    client.end()
    expect(await text(inbound)).toBe('')
  })

  test('SOCK-22 of a relay, too', async () => {
    const { pair, inbound, client, origin } = await startPair()
    await pair.unproxy()
    await quiet()
    client.send('relayed')
    await pair.disassociate({ close: 'outbound' })
    await origin.until(() => origin.hasFin)
    client.send('read')
    client.end()
    expect(await text(inbound)).toBe('read')
    expect(origin.text).toBe('relayed')
  })

  test('SOCK-24 one side is closed, the other goes on', async () => {
    const { pair, outbound, client, origin } = await startPair()
    const other = await pair.closeSide('inbound')
    expect(other).toBe(outbound)
    await client.until(() => client.hasFin)
    expect([outbound.use, origin.hasFin, origin.isClosed]).toEqual(['free', false, false])
  })

  test.each([
    ['keepOther: false', { keepOther: false }, 'paired'],
    ['rst', { how: 'rst' }, 'free'],
  ] as const)('closeSide with %s', async (_, options, use) => {
    const { pair, inbound, client } = await startPair()
    const origin = await pair.closeSide('outbound', options)
    expect(origin).toBe(inbound)
    expect(inbound.use).toBe(use)
    expect(client.isClosed).toBe(false)
  })

  test('closeSide: what was handed up comes through the transforms before the end', async () => {
    const { pair, client, origin, outbound } = await startPair()
    let release: (() => void) | undefined
    const slow = new Transform({
      transform(chunk, _encoding, done) {
        release = () => done(null, chunk)
      },
    })
    pair.process({ c2s: slow })
    client.send('slowly')
    await quiet()
    const closing = pair.closeSide('outbound')
    await quiet()
    expect(outbound.destroyed).toBe(false)
    release?.()
    await closing
    await origin.until(() => origin.hasFin)
    expect(origin.text).toBe('slowly')
  })

  test('await using ends it with both its sockets', async () => {
    const { pair, client, origin } = await startPair()
    {
      await using _ = pair
    }
    await client.until(() => client.hasFin)
    await origin.until(() => origin.hasFin)
    expect(pair.mode).toBe('closed')
  })

  test('what is over says so', async () => {
    const { pair } = await startPair()
    const ended: SocketPair = pair
    await ended.disassociate({ close: 'both' })
    const code = 'ERR_SLUICE_CLOSED'
    await expect(pair.unproxy()).rejects.toMatchObject({ code })
    await expect(pair.proxy()).rejects.toMatchObject({ code })
    expect(() => pair.process()).toThrow(expect.objectContaining({ code }))
  })
})
