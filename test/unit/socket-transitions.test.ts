/** What ends a relay by itself, and who waits for whom when a pair changes its mode. */
import { once } from 'node:events'
import { Transform } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { quiet, startPair, upper } from '../helpers/socket-site.js'

describe("SOCK-28 onPeerClose: 'hold' in a relay", () => {
  const start = async () => {
    const paired = await startPair()
    const { pair } = paired
    const told: unknown[] = []
    pair.on('sideclose', (...event) => told.push([...event, pair.mode]))
    pair.on('mode', (_, now) => told.push(now))
    await pair.unproxy({ onPeerClose: 'hold' })
    await quiet()
    told.length = 0
    return { ...paired, told }
  }

  test('an end ends the relay, and the service says what becomes of the other side', async () => {
    const { pair, client, origin, inbound, outbound, told } = await start()
    origin.send('last words')
    origin.end()
    await once(pair, 'sideclose')
    expect(told).toEqual(['reproxying', 'proxied', ['outbound', 'end', 'proxied']])
    expect([client.text, client.hasFin]).toEqual(['last words', false])
    inbound.write(', as they say')
    inbound.resume()
    client.send('still here')
    await quiet()
    expect(client.text).toBe('last words, as they say')
    expect(inbound.bytesRead).toBe(10)
    expect(pair.stats().bytes).toEqual({ c2s: 10n, s2c: 10n })
    inbound.end()
    outbound.end()
    client.end()
    outbound.resume()
    await once(pair, 'close')
  })

  test('a reset ends it, and resets nothing else', async () => {
    const { pair, client, origin, inbound, outbound, told } = await start()
    origin.reset()
    await once(pair, 'sideclose')
    expect(told).toEqual(['reproxying', 'proxied', ['outbound', 'reset', 'proxied']])
    expect([outbound.destroyed, inbound.destroyed]).toEqual([true, false])
    expect([client.hasFin, client.hasReset]).toEqual([false, false])
    inbound.end('sorry')
    inbound.resume()
    client.end()
    await once(pair, 'close')
    expect(client.text).toBe('sorry')
  })

  test('processed before, it is processed again', async () => {
    const { stack, inbound, outbound, client, origin, pair: first } = await startPair()
    await first.disassociate()
    const pair = await stack.associate(inbound, outbound, { onPeerClose: 'hold' })
    pair.process({ c2s: upper() })
    await pair.unproxy()
    await quiet()
    client.send('as it is ')
    origin.end()
    await once(pair, 'sideclose')
    client.send('loud')
    await origin.until(() => origin.text === 'as it is LOUD')
    expect(client.hasFin).toBe(false)
  })
})

/** Calls something in the middle of its work, and is done when that is. */
const waiting = (call: () => Promise<unknown>) =>
  new Transform({
    transform(chunk, _encoding, done) {
      call().then(
        () => done(null, chunk),
        (error) => done(null, String(error.code)),
      )
    },
  })

describe('called by a transform of the pair', () => {
  test.each([
    ['unproxy', (pair: Pair) => pair.unproxy()],
    ['closeSide', (pair: Pair) => pair.closeSide('outbound')],
    ['disassociate', (pair: Pair) => pair.disassociate()],
  ])('ERR_SLUICE_REENTRANT where %s waits for the transform that waits for it', async (_, call) => {
    const { pair, client, origin } = await startPair()
    pair.process({ c2s: waiting(() => call(pair)) })
    client.send('x')
    await origin.until(() => origin.text === 'ERR_SLUICE_REENTRANT')
    expect(pair.mode).toBe('proxied')
  })

  test('who does not wait for it may call it', async () => {
    const { pair, client, origin } = await startPair()
    let unproxied: Promise<unknown> | undefined
    const c2s = new Transform({
      transform(chunk, _encoding, done) {
        unproxied = pair.unproxy()
        done(null, String(chunk).toUpperCase())
      },
    })
    pair.process({ c2s })
    client.send('loud ')
    await origin.until(() => origin.text === 'LOUD ')
    expect(await unproxied).toMatchObject({ mode: 'relay', boundary: { c2s: 5n } })
    await quiet()
    client.send('as it is')
    expect(origin.text).toBe('LOUD as it is')
  })
})

test('a transform that is done may have called unproxy(), however slow its target is', async () => {
  const { pair, client, origin } = await startPair()
  let unproxied: Promise<unknown> | undefined
  const c2s = new Transform({
    transform(chunk, _encoding, done) {
      if (this.isPaused()) unproxied ??= pair.unproxy()
      done(null, chunk)
    },
  })
  pair.process({ c2s })
  origin.acknowledges = false
  client.send(Buffer.alloc(500_000, 'a'))
  for (let turn = 0; turn < 5; turn++) await quiet()
  expect(pair.mode).toBe('draining')
  origin.acknowledges = true
  origin.acknowledge(65_536)
  expect(await unproxied).toMatchObject({ mode: 'relay' })
  await quiet()
  expect(origin.text).toBe('a'.repeat(500_000))
})

type Pair = Awaited<ReturnType<typeof startPair>>['pair']

test('SOCK-22 disassociate() gives the sockets what the transforms have', async () => {
  const { pair, client, origin, inbound } = await startPair()
  const held: (() => void)[] = []
  const slow = new Transform({
    transform(chunk, _encoding, done) {
      held.push(() => done(null, chunk))
    },
  })
  pair.process({ c2s: slow })
  client.send('slowly')
  await quiet()
  const parted = pair.disassociate()
  await quiet()
  client.send(' and apart')
  await quiet()
  expect(pair.mode).toBe('proxied')
  held[0]?.()
  await parted
  await quiet()
  expect(origin.text).toBe('slowly')
  expect(String(inbound.read())).toBe(' and apart')
})
