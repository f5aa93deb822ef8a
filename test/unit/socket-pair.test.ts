/** Pairs: the other side of a client's connection, and who moves the bytes between them. */
import { once } from 'node:events'
import { Transform } from 'node:stream'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { StreamEnd } from '../../src/generated/streams.js'
import type { SocketPair } from '../../src/socket/pair.js'
import { quiet, startWithClient } from '../helpers/socket-site.js'

const server = { address: '10.1.0.11', port: 8080 }

/** A client, its pair, and the server beyond. */
async function startPair() {
  const site = await startWithClient()
  const outbound = await site.stack.connect({ ...server, associateWith: site.inbound })
  const origin = site.streams.connections.get(outbound.id)
  const { pair } = outbound
  if (!origin || !pair) throw new Error('no pair')
  return { ...site, outbound, pair, origin }
}

const upper = () =>
  new Transform({
    transform(chunk, _encoding, done) {
      done(null, String(chunk).toUpperCase())
    },
  })

describe('connect', () => {
  test('SOCK-04 SOCK-08 the server sees the client, and the pair is there before any byte', async () => {
    const { streams, inbound, stack } = await startWithClient()
    const outbound = await stack.connect({ ...server, associateWith: inbound })
    expect(streams.opened).toMatchObject([
      { source: '192.0.2.10:40000', destination: '10.1.0.11:8080' },
    ])
    expect(outbound.pair).toBe(inbound.pair)
    expect(outbound.pair).toMatchObject({ inbound, outbound, mode: 'proxied' })
    expect([inbound.use, outbound.use]).toEqual(['paired', 'paired'])
    expect(outbound.bytesRead + inbound.bytesRead).toBe(0)
  })

  test('SOCK-09 without association it leaves from the engine, and there is no pair', async () => {
    const { streams, stack } = await startWithClient()
    const outbound = await stack.connect(server)
    expect(streams.opened).toMatchObject([{ source: '[::]:0' }])
    expect(outbound.pair).toBeUndefined()
    expect(outbound).toMatchObject({ remoteAddress: '10.1.0.11', remotePort: 8080, use: 'free' })
    const seen: string[] = []
    for (const event of ['connect', 'ready']) outbound.on(event, () => seen.push(event))
    await quiet()
    expect(seen).toEqual(['connect', 'ready'])
  })

  test.each([
    [false, '[::]:0'],
    [{ port: false }, '192.0.2.10:0'],
    [{ address: false }, '[::]:0'],
  ])('preserveClient %j leaves from %s', async (preserveClient, source) => {
    const { streams, stack, inbound } = await startWithClient()
    await stack.connect({ ...server, associateWith: inbound, preserveClient })
    expect(streams.opened).toMatchObject([{ source }])
  })

  test('a virtual server with preserveClient: false says so for its pairs', async () => {
    const { streams, stack, inbound } = await startWithClient({ preserveClient: false })
    await stack.connect({ ...server, associateWith: inbound })
    await quiet()
    expect(streams.opened).toMatchObject([{ source: '[::]:0' }])
  })

  test('an identity will do in the place of the socket', async () => {
    const { stack, inbound } = await startWithClient()
    const outbound = await stack.connect({ ...server, associateWith: inbound.identity })
    expect(outbound.pair?.inbound).toBe(inbound)
  })

  test.each([
    [StreamEnd.refused, { code: 'ECONNREFUSED', syscall: 'connect', ...server }],
    [StreamEnd.reset, { code: 'ECONNRESET' }],
    [StreamEnd.timedOut, { code: 'ERR_SLUICE_TIMEOUT' }],
    [StreamEnd.noRoute, { code: 'ERR_SLUICE_NO_ROUTE' }],
    [StreamEnd.noMemory, { code: 'ERR_SLUICE_MEMORY' }],
    [StreamEnd.tupleInUse, { code: 'ERR_SLUICE_TUPLE_IN_USE' }],
    [StreamEnd.badAddress, { code: 'ERR_SLUICE_ADDR_NOT_OWNED' }],
  ])(
    'SOCK-10 PROXY-19 reason %i is told as %j, and the client is free again',
    async (reason, error) => {
      const { streams, stack, inbound } = await startWithClient()
      streams.answer = () => reason
      const connecting = stack.connect({ ...server, associateWith: inbound })
      await expect(connecting).rejects.toMatchObject(error)
      expect(inbound.use).toBe('free')
      streams.answer = () => undefined
      const outbound = await stack.connect({ ...server, associateWith: inbound })
      expect(outbound.pair?.inbound).toBe(inbound)
    },
  )

  test('SOCK-26 one in a pair, or about to be, is in use', async () => {
    const { streams, stack, inbound } = await startWithClient()
    streams.answer = () => 'wait'
    const first = stack.connect({ ...server, associateWith: inbound })
    const code = 'ERR_SLUICE_IN_USE'
    await expect(stack.connect({ ...server, associateWith: inbound })).rejects.toMatchObject({
      code,
    })
    await quiet()
    streams.settle(streams.opened[0])
    await first
    await expect(stack.connect({ ...server, associateWith: inbound })).rejects.toMatchObject({
      code,
    })
  })

  test('SOCK-36 aborted while it opens: the connection is reset and the client free', async () => {
    const { streams, stack, inbound } = await startWithClient()
    streams.answer = () => 'wait'
    const ending = new AbortController()
    const { signal } = ending
    const connecting = stack.connect({ ...server, associateWith: inbound, signal })
    await quiet()
    const origin = streams.connections.get(streams.opened[0].socket)
    ending.abort()
    await expect(connecting).rejects.toThrow(signal.reason)
    await quiet()
    expect(origin?.hasReset).toBe(true)
    expect(inbound.use).toBe('free')
    expect(streams.connections.size).toBe(1)
  })

  test('one that nobody answers is given up in time', async () => {
    const { streams, stack, inbound } = await startWithClient()
    streams.answer = () => 'wait'
    const connecting = stack.connect({ ...server, associateWith: inbound, timeout: 5 })
    await expect(connecting).rejects.toMatchObject({ code: 'ERR_SLUICE_TIMEOUT' })
    await quiet()
    expect(streams.connections.size).toBe(1)
    expect(inbound.use).toBe('free')
  })

  test('PROXY-18 a client that goes while the server is connected leaves nothing behind', async () => {
    const { streams, stack, inbound, client } = await startWithClient()
    streams.answer = () => 'wait'
    const connecting = stack.connect({ ...server, associateWith: inbound })
    await quiet()
    client.reset()
    await expect(connecting).rejects.toMatchObject({ code: 'ERR_SLUICE_CLOSED' })
    await quiet()
    expect(streams.connections.size).toBe(0)
    expect(stack.stats().sockets).toBe(0)
  })

  test('what is no address is told at once', async () => {
    const { stack, inbound } = await startWithClient()
    const code = 'ERR_SLUICE_ADDR_NOT_OWNED'
    await expect(stack.connect({ address: 'web', port: 80 })).rejects.toMatchObject({ code })
    await expect(stack.connect({ ...server, port: 0 })).rejects.toMatchObject({ code })
    const other = { address: '2001:db8::1', port: 80, associateWith: inbound }
    await expect(stack.connect(other)).rejects.toMatchObject({ code: 'ERR_SLUICE_IDENTITY' })
  })
})

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

  test('BUF-06 a client that does not read stops the server, not the memory', async () => {
    const { pair, client, origin, stack } = await startPair()
    pair.process()
    client.acknowledges = false
    origin.send(Buffer.alloc(5_000_000))
    for (let i = 0; i < 20; i++) await quiet()
    expect(origin.unread).toBeGreaterThan(4_000_000)
    expect(stack.stats().bytesHeld).toBeLessThan(700_000)
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

describe('unproxy', () => {
  test('the bytes move in the engine, and the service sees nothing of them', async () => {
    const { pair, client, origin, inbound, outbound } = await startPair()
    pair.process({ c2s: upper() })
    client.send('before ')
    await origin.until(() => origin.text === 'BEFORE ')
    const modes: unknown[] = []
    pair.on('mode', (...modeChange) => modes.push(modeChange))
    const result = await pair.unproxy({ depth: 'relay' })
    expect(result).toEqual({ mode: 'relay', boundary: { c2s: 7n, s2c: 0n } })
    await quiet()
    client.send('after')
    origin.send('answer')
    expect([origin.text, client.text]).toEqual(['BEFORE after', 'answer'])
    expect([inbound.bytesRead, outbound.bytesRead]).toEqual([7, 0])
    expect(modes).toEqual([
      ['proxied', 'draining'],
      ['draining', 'relay'],
    ])
    const refused = { code: 'ERR_SLUICE_UNPROXIED' }
    expect(() => inbound.write('x')).toThrow(expect.objectContaining(refused))
  })

  test('asked for more than relay it says why not', async () => {
    const { pair } = await startPair()
    expect(await pair.unproxy()).toMatchObject({ mode: 'relay', reasonNotSpliced: 'options' })
    await expect(pair.unproxy()).rejects.toMatchObject({ code: 'ERR_SLUICE_STATE' })
  })

  test('what a service has not read goes first, in order', async () => {
    const { pair, inbound, outbound, client, origin } = await startPair()
    client.send('request ')
    client.send('and more ')
    const first = await new Promise((resolve) => {
      inbound.once('data', (chunk) => {
        inbound.pause()
        resolve(chunk)
      })
    })
    outbound.write(String(first).toUpperCase())
    await pair.unproxy()
    await quiet()
    client.send('and the rest')
    expect(origin.text).toBe('REQUEST and more and the rest')
  })

  test('it waits for what the transforms have', async () => {
    const { pair, client, origin } = await startPair()
    let release: (() => void) | undefined
    const slow = new Transform({
      transform(chunk, _encoding, done) {
        release = () => done(null, chunk)
      },
    })
    pair.process({ c2s: slow })
    client.send('slowly')
    await quiet()
    let isDone = false
    const unproxied = pair.unproxy().then(() => {
      isDone = true
    })
    await quiet()
    expect(isDone).toBe(false)
    release?.()
    await unproxied
    await quiet()
    expect(origin.text).toBe('slowly')
  })

  test('ERR_SLUICE_BUFFERED with drain: reject, and the pair is as it was', async () => {
    const { pair, client, origin } = await startPair()
    client.acknowledges = false
    origin.send(Buffer.alloc(500_000))
    pair.process()
    await quiet()
    const refused = pair.unproxy({ drain: 'reject' })
    await expect(refused).rejects.toMatchObject({ code: 'ERR_SLUICE_BUFFERED' })
    expect(pair.mode).toBe('proxied')
    client.acknowledges = true
    client.acknowledge(1_000_000)
    await client.until(() => client.text.length === 500_000)
  })

  test('SOCK-36 aborted while it drains, it is proxied', async () => {
    const { pair, client, origin } = await startPair()
    client.acknowledges = false
    origin.send(Buffer.alloc(500_000))
    pair.process()
    await quiet()
    const ending = new AbortController()
    const unproxied = pair.unproxy({ signal: ending.signal })
    await quiet()
    expect(pair.mode).toBe('draining')
    ending.abort()
    await expect(unproxied).rejects.toThrow(ending.signal.reason)
    expect(pair.mode).toBe('proxied')
    client.acknowledges = true
    client.acknowledge(1_000_000)
    await client.until(() => client.text.length === 500_000)
  })

  test('both ends of it end it, and both sockets are closed', async () => {
    const { pair, client, origin, inbound, outbound, streams, stack } = await startPair()
    await pair.unproxy()
    await quiet()
    client.end()
    await origin.until(() => origin.hasFin)
    origin.send('late')
    origin.end()
    await once(pair, 'close')
    expect(client.text).toBe('late')
    expect([inbound.destroyed, outbound.destroyed]).toEqual([true, true])
    await quiet()
    expect(streams.connections.size).toBe(0)
    expect(stack.stats()).toMatchObject({ sockets: 0, pairs: { relay: 0 } })
  })

  test('proxy() gives the bytes back to the service, from the boundary on', async () => {
    const { pair, client, origin, stack } = await startPair()
    pair.process({ c2s: upper() })
    await pair.unproxy()
    await quiet()
    client.send('as it is ')
    const found = await stack.get({ pairId: pair.id })
    expect(found?.mode).toBe('proxied')
    expect(pair.stats()).toMatchObject({ bytes: { c2s: 9n }, jsBytes: { c2s: 0n }, transitions: 4 })
    client.send('loud again')
    await origin.until(() => origin.text === 'as it is LOUD AGAIN')
  })

  test('SOCK-20 a hundred times over', async () => {
    const { pair, client, origin } = await startPair()
    pair.process({ c2s: upper() })
    let expected = ''
    for (let i = 0; i < 100; i++) {
      await quiet()
      client.send('a')
      await pair.unproxy()
      await quiet()
      client.send('b')
      await pair.proxy()
      expected += 'Ab'
    }
    await origin.until(() => origin.text.length === 200)
    expect(origin.text).toBe(expected)
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
    client.send('not for you')
    client.end()
    expect(await text(inbound)).toBe('not for you')
    expect(origin.text).toBe('')
    outbound.end('but this')
    await origin.until(() => origin.text === 'but this')
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
