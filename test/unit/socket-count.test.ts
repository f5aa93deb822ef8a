/** So many bytes that pass without JavaScript, and what the service has behind them. */
import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import type { SocketPair } from '../../src/socket/pair.js'
import type { Socket } from '../../src/socket/socket.js'
import type { Boundary } from '../../src/socket/types.js'
import { quiet, startPair, upper } from '../helpers/socket-site.js'

/** Modes and boundaries of a pair, in order. */
function followed(pair: SocketPair): unknown[] {
  const seen: unknown[] = []
  pair.on('mode', (_, now) => seen.push(now))
  pair.on('boundary', (boundary) => seen.push(boundary))
  return seen
}

/** What it has read when the promise resolves, and then. */
function reading(socket: Socket): { text: string } {
  const read = { text: '' }
  socket.on('data', (chunk) => {
    read.text += chunk
  })
  return read
}

describe('unproxyUntil', () => {
  test('SOCK-15 SOCK-16 the service has what comes behind the last byte', async () => {
    const { pair, client, origin, inbound, outbound } = await startPair()
    const seen = followed(pair)
    const passed = pair.unproxyUntil({ bytes: 10, direction: 'c2s' })
    await quiet()
    expect(pair.mode).toBe('relay')
    client.send('01234')
    await quiet()
    expect([origin.text, pair.mode]).toEqual(['01234', 'relay'])
    client.send('56789abc')
    origin.send('answer')
    expect(await passed).toEqual({ c2s: 10n, s2c: 0n })
    const [request, answer] = [reading(inbound), reading(outbound)]
    await quiet()
    expect([origin.text, client.text]).toEqual(['0123456789', ''])
    expect([request.text, answer.text]).toEqual(['abc', 'answer'])
    const [before, after]: Boundary[] = [
      { c2s: 0n, s2c: 0n },
      { c2s: 10n, s2c: 0n },
    ]
    expect(seen).toEqual(['draining', 'relay', before, 'reproxying', 'proxied', after])
  })

  test.each([
    ['c2s', { c2s: 6n, s2c: 4n }],
    ['s2c', { c2s: 8n, s2c: 6n }],
    ['both', { c2s: 4n, s2c: 2n }],
  ] as const)('SOCK-17 counted %s', async (direction, boundary) => {
    const { pair, client, origin } = await startPair()
    const passed = pair.unproxyUntil({ bytes: 6n, direction })
    await quiet()
    client.send('four')
    origin.send('2.')
    await quiet()
    origin.send('2.')
    client.send('four')
    origin.send('2.2.')
    expect(await passed).toEqual(boundary)
  })

  test('what the service has not read is the first of it', async () => {
    const { pair, client, origin, inbound } = await startPair()
    inbound.once('readable', () => {})
    client.send('headbodyxnext')
    await quiet()
    expect(String(inbound.read(4))).toBe('head')
    const boundary = await pair.unproxyUntil({ bytes: 5, direction: 'c2s' })
    expect(boundary).toEqual({ c2s: 9n, s2c: 0n })
    expect(pair.stats().bytes.c2s).toBe(13n)
    await quiet()
    expect([origin.text, pair.mode]).toEqual(['bodyx', 'proxied'])
    expect(String(inbound.read())).toBe('next')
    const more = pair.unproxyUntil({ bytes: 9, direction: 'c2s' })
    client.send('another one')
    await more
    await quiet()
    expect([origin.text, String(inbound.read())]).toEqual(['bodyxanother o', 'ne'])
  })

  test('SOCK-20 of a processed pair, what comes behind is processed again', async () => {
    const { pair, client, origin } = await startPair()
    pair.process({ c2s: upper() })
    client.send('loud')
    await origin.until(() => origin.text === 'LOUD')
    for (let turn = 0; turn < 50; turn++) {
      const passed = pair.unproxyUntil({ bytes: 3, direction: 'c2s' })
      await quiet()
      client.send('lowup')
      expect((await passed).c2s).toBe(BigInt(7 + turn * 5))
      await origin.until(() => origin.text.endsWith('lowUP'))
    }
    expect(origin.text).toBe(`LOUD${'lowUP'.repeat(50)}`)
  })

  test.each([0, -1, Number.NaN, 1.5, 2 ** 53, 0n, 2n ** 64n])(
    'ERR_SLUICE_BYTE_COUNT: %s bytes',
    async (bytes) => {
      const { pair } = await startPair()
      const refused = pair.unproxyUntil({ bytes })
      await expect(refused).rejects.toMatchObject({ code: 'ERR_SLUICE_BYTE_COUNT' })
      expect(pair.mode).toBe('proxied')
    },
  )

  test('ERR_SLUICE_CLOSED with what had passed, where the pair ends first', async () => {
    const { pair, client, origin } = await startPair()
    const passed = pair.unproxyUntil({ bytes: 100, direction: 's2c' })
    const failed = expect(passed).rejects.toMatchObject({ code: 'ERR_SLUICE_CLOSED', passed: 7n })
    await quiet()
    origin.send('too few')
    origin.end()
    await client.until(() => client.hasFin)
    client.end()
    await once(pair, 'close')
    await failed
  })

  test('SOCK-28 an end that is held ends it, and the service goes on', async () => {
    const { pair, client, origin, inbound } = await startPair()
    const passed = pair.unproxyUntil({ bytes: 100, direction: 's2c', onPeerClose: 'hold' })
    const failed = expect(passed).rejects.toMatchObject({ code: 'ERR_SLUICE_CLOSED', passed: 3n })
    await quiet()
    origin.send('few')
    origin.end()
    await failed
    expect(pair.mode).toBe('proxied')
    inbound.write('and the service')
    await client.until(() => client.text === 'fewand the service')
  })

  test('SOCK-18 get() ends it at any byte', async () => {
    const { pair, client, origin, inbound, stack } = await startPair()
    const passed = pair.unproxyUntil({ bytes: 100 })
    const failed = expect(passed).rejects.toMatchObject({ code: 'ERR_SLUICE_STATE', passed: 4n })
    await quiet()
    client.send('some')
    expect(await stack.get({ pairId: pair.id })).toBe(pair)
    await failed
    const read = reading(inbound)
    client.send('more')
    await quiet()
    expect([origin.text, read.text, pair.mode]).toEqual(['some', 'more', 'proxied'])
  })

  test('SOCK-36 given up, the pair comes back', async () => {
    const { pair, client } = await startPair()
    const ending = new AbortController()
    const passed = pair.unproxyUntil({ bytes: 100, signal: ending.signal })
    const failed = expect(passed).rejects.toThrow(ending.signal.reason)
    await quiet()
    client.send('some')
    ending.abort()
    await failed
    expect(pair.mode).toBe('reproxying')
    await expect(pair.unproxyUntil({ bytes: 1, signal: ending.signal })).rejects.toThrow()
    await pair.proxy()
    expect(pair.mode).toBe('proxied')
  })

  test('what changes the mode waits for it', async () => {
    const { pair, client } = await startPair()
    const [first, second] = [
      pair.unproxyUntil({ bytes: 3, direction: 'c2s' }),
      pair.unproxyUntil({ bytes: 3, direction: 'c2s' }),
    ]
    const third = pair.unproxy({ depth: 'relay' })
    await quiet()
    client.send('123456789')
    expect([(await first).c2s, (await second).c2s]).toEqual([3n, 6n])
    expect((await third).boundary.c2s).toBeGreaterThanOrEqual(6n)
    expect(pair.mode).toBe('relay')
  })
})

describe("unproxyUntil with other: 'proxied'", () => {
  test('SOCK-17 one direction passes by itself, the service goes on with the other one', async () => {
    const { pair, client, origin, inbound, outbound } = await startPair()
    const seen = followed(pair)
    const request = reading(inbound)
    const passed = pair.unproxyUntil({ bytes: 6, direction: 's2c', other: 'proxied' })
    await quiet()
    expect(() => inbound.write('x')).toThrow(
      expect.objectContaining({ code: 'ERR_SLUICE_UNPROXIED' }),
    )
    client.send('next request')
    origin.send('answ')
    await quiet()
    outbound.write('asked')
    origin.send('er!!')
    expect(await passed).toEqual({ c2s: 12n, s2c: 6n })
    inbound.write('|')
    await quiet()
    expect([request.text, origin.text, client.text]).toEqual(['next request', 'asked', 'answer|'])
    expect(String(outbound.read())).toBe('!!')
    expect(seen).toEqual([{ c2s: 12n, s2c: 6n }])
  })

  test('both at the same time, and one behind the other in each', async () => {
    const { pair, client, origin } = await startPair()
    const pass = (bytes: number, direction: 'c2s' | 's2c') =>
      pair.unproxyUntil({ bytes, direction, other: 'proxied' })
    const [up, down, upAgain] = [pass(4, 'c2s'), pass(3, 's2c'), pass(2, 'c2s')]
    await quiet()
    origin.send('123456')
    expect((await down).s2c).toBe(3n)
    client.send('abcdefgh')
    expect((await up).c2s).toBe(4n)
    expect((await upAgain).c2s).toBe(6n)
    await quiet()
    expect([origin.text, client.text]).toEqual(['abcdef', '123'])
  })

  test('an end of the client goes no further; one of the server ends it', async () => {
    const { pair, client, origin, inbound } = await startPair()
    client.end()
    const passed = pair.unproxyUntil({ bytes: 100, direction: 's2c', other: 'proxied' })
    const failed = expect(passed).rejects.toMatchObject({ code: 'ERR_SLUICE_CLOSED', passed: 3n })
    await quiet()
    origin.send('few')
    await quiet()
    expect([origin.hasFin, client.text]).toEqual([false, 'few'])
    origin.end()
    await failed
    inbound.end('!')
    await client.until(() => client.text === 'few!')
  })

  test('proxy() and what is given up end it', async () => {
    const { pair, client, origin } = await startPair()
    const ending = new AbortController()
    const pass = (signal?: AbortSignal) =>
      pair.unproxyUntil({ bytes: 100, direction: 's2c', other: 'proxied', signal })
    const first = expect(pass(ending.signal)).rejects.toThrow(ending.signal.reason)
    await quiet()
    origin.send('one')
    ending.abort()
    await first
    const second = expect(pass()).rejects.toMatchObject({ code: 'ERR_SLUICE_STATE', passed: 3n })
    await quiet()
    origin.send('two')
    await pair.proxy()
    await second
    expect(client.text).toBe('onetwo')
  })

  test('ERR_SLUICE_STATE of both directions, and of a pair that is processed', async () => {
    const { pair } = await startPair()
    const state = { code: 'ERR_SLUICE_STATE' }
    const both = pair.unproxyUntil({ bytes: 1, other: 'proxied' })
    await expect(both).rejects.toMatchObject(state)
    pair.process()
    const processed = pair.unproxyUntil({ bytes: 1, direction: 'c2s', other: 'proxied' })
    await expect(processed).rejects.toMatchObject(state)
  })
})
