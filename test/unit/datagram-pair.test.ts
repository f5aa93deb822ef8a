/** Pairs of UDP sockets. */
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { StreamEnd } from '../../src/generated/streams.js'
import { heard, server, startPair, startWithClient } from '../helpers/datagram-site.js'
import { quiet } from '../helpers/socket-site.js'

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
    const { pair, inbound, outbound, client, origin } = await startPair()
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
    expect(inbound).toMatchObject({ datagramsRead: 3, bytesRead: 11 })
    expect(inbound).toMatchObject({ datagramsWritten: 1, bytesWritten: 6 })
    expect(outbound).toMatchObject({ datagramsRead: 1, bytesRead: 6 })
    expect(outbound).toMatchObject({ datagramsWritten: 3, bytesWritten: 11 })
    expect(modes).toEqual(['draining', 'splice', 'reproxying', 'proxied'])
  })

  test('was active when the engine moved datagrams, once that is over', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    const { pair, inbound, outbound, client } = await startPair()
    await pair.unproxy()
    vi.setSystemTime(Date.now() + 60_000)
    client.send('moved')
    await pair.proxy()
    expect([inbound.lastActiveAt, outbound.lastActiveAt]).toEqual([Date.now(), Date.now()])
    await pair.unproxy()
    vi.setSystemTime(Date.now() + 60_000)
    await pair.proxy()
    expect(inbound.lastActiveAt).toBe(Date.now() - 60_000)
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
