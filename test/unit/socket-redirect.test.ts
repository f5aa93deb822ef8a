/** One side of a pair that becomes another connection. */
import { describe, expect, test } from 'vitest'
import type { Socket } from '../../src/socket/socket.js'
import { quiet, server, startPair, upper } from '../helpers/socket-site.js'

const other = { address: '10.1.0.12', port: 8080 }

describe('redirect', () => {
  /** A pair whose server is about to be another one. */
  async function startRedirect() {
    const site = await startPair()
    const originOf = (socket: Socket) => {
      const origin = site.streams.connections.get(socket.id)
      if (!origin) throw new Error('no server')
      return origin
    }
    return { ...site, originOf }
  }

  test('MED-08 what comes from there on goes to the other server, and the client notices nothing', async () => {
    const { pair, client, origin, inbound, outbound, originOf } = await startRedirect()
    pair.process()
    client.send('one ')
    await origin.until(() => origin.text === 'one ')
    const fresh = await pair.redirect('outbound', other)
    expect([pair.mode, inbound.pair, fresh.pair?.inbound]).toEqual(['closed', fresh.pair, inbound])
    fresh.pair?.process()
    client.send('two')
    const second = originOf(fresh)
    await second.until(() => second.text === 'two')
    second.send('answer')
    await client.until(() => client.text === 'answer')
    await quiet()
    expect([origin.text, origin.hasFin, client.hasFin]).toEqual(['one ', true, false])
    expect(outbound.destroyed).toBe(true)
  })

  test('at a boundary: up to there it goes to the first, and behind it to the second', async () => {
    const { pair, client, origin, originOf } = await startRedirect()
    const redirected = pair.redirect('outbound', other, { at: { c2s: 6n, s2c: 3n } })
    await quiet()
    client.send('firstXsecond')
    await quiet()
    origin.send('yes')
    const fresh = await redirected
    fresh.pair?.process()
    const second = originOf(fresh)
    await second.until(() => second.text === 'second')
    expect([origin.text, client.text]).toEqual(['firstX', 'yes'])
  })

  test("'drained' waits for the transforms, and the client's side may change, too", async () => {
    const { pair, client, origin, outbound, originOf } = await startRedirect()
    pair.process({ c2s: upper() })
    client.send('loud')
    await quiet()
    const fresh = await pair.redirect('inbound', other, { at: 'drained' })
    await quiet()
    expect([origin.text, client.hasFin, outbound.pair?.inbound]).toEqual(['LOUD', true, fresh])
    outbound.pair?.process()
    originOf(fresh).send('from elsewhere')
    await origin.until(() => origin.text === 'LOUDfrom elsewhere')
  })

  test('where there is no other server the pair is as it was', async () => {
    const { pair, client, origin, streams } = await startRedirect()
    pair.process()
    streams.answer = () => 2
    const refused = pair.redirect('outbound', other)
    await expect(refused).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    client.send('still')
    await origin.until(() => origin.text === 'still')
    expect(pair.mode).toBe('proxied')
  })

  test('SOCK-36 given up at any time, it is the old pair, and no connection is left', async () => {
    const { pair, client, origin, streams } = await startRedirect()
    const ending = new AbortController()
    const at = { c2s: 100n, s2c: 0n }
    const redirected = pair.redirect('outbound', other, { at, signal: ending.signal })
    const failed = expect(redirected).rejects.toThrow(ending.signal.reason)
    await quiet()
    ending.abort()
    await failed
    await quiet()
    expect([pair.mode, streams.connections.size]).toEqual(['proxied', 2])
    pair.process()
    client.send('still')
    await origin.until(() => origin.text === 'still')
  })

  test('ERR_SLUICE_CLOSED of a pair that is over', async () => {
    const { pair } = await startRedirect()
    await pair.disassociate()
    const refused = pair.redirect('outbound', server)
    await expect(refused).rejects.toMatchObject({ code: 'ERR_SLUICE_CLOSED' })
  })
})
