/** Pairs whose bytes move in the engine, and how they come back. */
import { once } from 'node:events'
import { PassThrough, Transform } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { SpliceBlock } from '../../src/generated/streams.js'
import type { SocketPair } from '../../src/socket/pair.js'
import type { Stack } from '../../src/stack.js'
import { quiet, server, startPair, upper } from '../helpers/socket-site.js'

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
    expect(pair.stats().jsBytes).toEqual({ c2s: 7n, s2c: 0n })
    expect([inbound.bytesRead, outbound.bytesRead]).toEqual([12, 6])
    expect([inbound.bytesWritten, outbound.bytesWritten]).toEqual([6, 12])
    expect(modes).toEqual([
      ['proxied', 'draining'],
      ['draining', 'relay'],
    ])
    const refused = { code: 'ERR_SLUICE_UNPROXIED' }
    expect(() => inbound.write('x')).toThrow(expect.objectContaining(refused))
  })

  test('asked for a splice it waits for one, as long as it may, and says why there is none', async () => {
    const { pair } = await startPair()
    const late = { depth: 'splice', spliceTimeout: 1 } as const
    expect(await pair.unproxy(late)).toMatchObject({ mode: 'relay', reasonNotSpliced: 'window' })
    await expect(pair.unproxy()).rejects.toMatchObject({ code: 'ERR_SLUICE_STATE' })
  })

  test('SOCK-19 where a side of a splice has ended there is no way back, and the hosts go on', async () => {
    const { pair, client, origin, inbound } = await startPair()
    const unproxied = pair.unproxy({ depth: 'splice' })
    await quiet()
    for (const side of [client, origin]) {
      side.tellSpliced(SpliceBlock.none)
      side.stays = true
    }
    expect(await unproxied).toMatchObject({ mode: 'splice' })
    const refused = { code: 'ERR_SLUICE_CLOSED' }
    await expect(pair.proxy()).rejects.toMatchObject(refused)
    await expect(pair.closeSide('outbound')).rejects.toMatchObject(refused)
    expect(pair.mode).toBe('splice')
    expect(() => inbound.write('x')).toThrow(
      expect.objectContaining({ code: 'ERR_SLUICE_UNPROXIED' }),
    )
    await pair[Symbol.asyncDispose]()
    await quiet()
    expect(client.hasFin || client.hasReset).toBe(true)
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
    pair.process({ s2c: new PassThrough() })
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
    pair.process({ s2c: new PassThrough() })
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

  test.each([['processed'], ['as it is']])(
    'an end that came before it goes on, %s',
    async (how) => {
      const { pair, client, origin, inbound } = await startPair()
      if (how === 'processed') pair.process({ c2s: upper() })
      else inbound.once('readable', () => {})
      await quiet()
      client.send('Last')
      client.end()
      await pair.unproxy()
      await quiet()
      expect([origin.text, origin.hasFin]).toEqual([how === 'processed' ? 'LAST' : 'Last', true])
      origin.send('answer')
      origin.end()
      await once(pair, 'close')
      expect(client.text).toBe('answer')
    },
  )

  test.each([
    ['on the way there', async () => {}],
    ['on the way back', async (pair: SocketPair) => void (await pair.unproxy())],
  ])('an end that comes %s, where nobody is told of it, is not lost', async (_, before) => {
    const { pair, client, origin, streams } = await startPair()
    pair.process({ s2c: upper() })
    client.end()
    await origin.until(() => origin.hasFin)
    await before(pair)
    await quiet()
    origin.whenHolding = () => origin.end()
    await (pair.mode === 'relay' ? pair.proxy() : pair.unproxy()).catch(() => {})
    await quiet()
    expect([client.hasFin, client.hasReset]).toEqual([true, false])
    expect([pair.mode, streams.connections.size]).toEqual(['closed', 0])
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

  test('the books of the virtual server have what it moved', async () => {
    const { pair, client, origin, engine } = await startPair()
    await pair.unproxy()
    await quiet()
    client.send('relayed')
    origin.send('answer')
    await quiet()
    client.end()
    origin.end()
    await once(pair, 'close')
    await quiet()
    expect(engine.status().virtualServers).toMatchObject([{ bytes: { in: 7, out: 6 } }])
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

  test('SOCK-36 given up, it is as it was or on its way back, and the next one waits for that', async () => {
    const { pair, client, origin } = await startPair()
    pair.process({ c2s: upper() })
    await pair.unproxy()
    await quiet()
    const ending = new AbortController()
    const proxied = pair.proxy({ signal: ending.signal })
    ending.abort()
    await expect(proxied).rejects.toThrow(ending.signal.reason)
    expect(['proxied', 'reproxying', 'relay']).toContain(pair.mode)
    await pair.proxy()
    expect(pair.mode).toBe('proxied')
    client.send('loud')
    await origin.until(() => origin.text === 'LOUD')
  })

  /** Calls that wait for a way back, each with the signal. */
  const waiting = (pair: SocketPair, stack: Stack, signal: AbortSignal) => [
    pair.proxy({ signal }),
    stack.get({ pairId: pair.id }, { signal }),
    pair.disassociate({ signal }),
    pair.closeSide('outbound', { signal }),
    pair.redirect('outbound', server, { signal }),
    pair.unproxy({ signal }),
    pair.unproxyUntil({ bytes: 1, signal }),
    pair.unproxyUntil({ bytes: 1, direction: 'c2s', other: 'proxied', signal }),
  ]

  test.each(['proxy', 'unproxyUntil'] as const)(
    'SOCK-36 given up while %s waits for blocks to come back to, it goes on alone, and all wait for it',
    async (how) => {
      const { pair, client, origin, inbound, stack } = await startPair()
      const ending = new AbortController()
      const { signal } = ending
      const counted = how === 'unproxyUntil' && pair.unproxyUntil({ bytes: 100, signal })
      if (!counted) await pair.unproxy()
      await quiet()
      for (const side of [client, origin]) side.returnsLater = true
      const first = counted || pair.proxy({ signal })
      const given = Promise.allSettled([first, ...waiting(pair, stack, signal)])
      // It has no signal, and nobody else's ends it.
      const left = stack.get({ pairId: pair.id })
      await quiet()
      ending.abort()
      for (const outcome of await given) {
        expect(outcome).toEqual({ status: 'rejected', reason: signal.reason })
      }
      expect(pair.mode).toBe('reproxying')
      const later = new AbortController()
      const again = Promise.allSettled(waiting(pair, stack, later.signal))
      const unproxied = pair.unproxy({ depth: 'relay' })
      await quiet()
      later.abort()
      expect((await again).map(({ status }) => status)).toEqual(Array(8).fill('rejected'))
      client.send('passed')
      for (const side of [client, origin]) {
        side.returnsLater = false
        side.unrelay()
      }
      expect(await left).toBe(pair)
      expect(await unproxied).toMatchObject({ mode: 'relay', boundary: { c2s: 6n } })
      await pair.proxy()
      expect([pair.mode, inbound.use, origin.text]).toEqual(['proxied', 'paired', 'passed'])
    },
  )

  test('SOCK-36 one that ends on a way back that was given up keeps nobody waiting', async () => {
    const { pair, client, origin, inbound, outbound, streams } = await startPair()
    await pair.unproxy()
    await quiet()
    for (const side of [client, origin]) side.returnsLater = true
    const ending = new AbortController()
    const given = pair.proxy({ signal: ending.signal })
    await quiet()
    ending.abort()
    await expect(given).rejects.toThrow(ending.signal.reason)
    const waiting = Promise.allSettled([pair.proxy(), pair.unproxy(), pair.disassociate()])
    for (const socket of [inbound, outbound]) socket.resetAndDestroy()
    await waiting
    await quiet()
    expect([pair.mode, streams.connections.size]).toEqual(['closed', 0])
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
