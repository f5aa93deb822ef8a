/** Pairs whose bytes JavaScript merely passes on: the engine moves them until somebody is in the way. */
import { once } from 'node:events'
import { pipeline } from 'node:stream/promises'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { quiet, startPair } from '../helpers/socket-site.js'

type Paired = Awaited<ReturnType<typeof startPair>>

/** The ways to let everything pass, and nothing else. */
const ways: [string, (paired: Paired) => void][] = [
  ['processed', ({ pair }) => void pair.process()],
  ['piped', ({ inbound, outbound }) => void inbound.pipe(outbound).pipe(inbound)],
  [
    'by a pipeline',
    ({ inbound, outbound }) => void pipeline(inbound, outbound, inbound).catch(() => {}),
  ],
]

/** Bytes that JavaScript was handed, each way. */
const seen = ({ pair }: Paired) => {
  const { c2s, s2c } = pair.stats().jsBytes
  return [Number(c2s), Number(s2c)]
}

describe.each(ways)('BUF-01 %s', (_, pass) => {
  const start = async () => {
    const paired = await startPair()
    pass(paired)
    await quiet()
    return paired
  }

  test('JavaScript sees no byte, and counts are right at any time', async () => {
    const paired = await start()
    const { pair, client, origin, inbound, outbound } = paired
    client.send('request')
    expect(origin.text).toBe('request')
    origin.send('the answer')
    expect(client.text).toBe('the answer')
    expect(seen(paired)).toEqual([0, 0])
    expect(pair.mode).toBe('proxied')
    expect(pair.stats().bytes).toEqual({ c2s: 7n, s2c: 10n })
    expect([inbound.bytesRead, inbound.bytesWritten]).toEqual([7, 10])
    expect([outbound.bytesRead, outbound.bytesWritten]).toEqual([10, 7])
    expect(pair.stats().heldByApp).toBe(0)
  })

  test('ends go on as ever, and the pair ends with them', async () => {
    const paired = await start()
    const { pair, client, origin } = paired
    const told: unknown[] = []
    pair.on('sideclose', (...event) => told.push(event))
    client.send('last words')
    client.end()
    await origin.until(() => origin.hasFin)
    expect(origin.text).toBe('last words')
    origin.send('and answer')
    origin.end()
    await once(pair, 'close')
    expect(client.text).toBe('and answer')
    expect(told).toEqual([
      ['inbound', 'end'],
      ['outbound', 'end'],
    ])
    expect(seen(paired)).toEqual([0, 0])
    expect(pair.stats().bytes).toEqual({ c2s: 10n, s2c: 10n })
    await quiet()
    expect(paired.streams.connections.size).toBe(0)
    expect(paired.engine.status().virtualServers).toMatchObject([{ bytes: { in: 10, out: 10 } }])
  })

  test.each([['data'], ['readable']] as const)(
    'who listens to %s has the bytes from there on',
    async (event) => {
      const paired = await start()
      const { client, origin, inbound } = paired
      client.send('unseen ')
      let heard = ''
      inbound.on(event, (chunk?: Buffer) => {
        const bytes = event === 'data' ? chunk : inbound.read()
        heard += bytes ?? ''
      })
      await quiet()
      client.send('seen')
      await quiet()
      expect(heard).toBe('seen')
      if (event === 'data') expect(origin.text).toBe('unseen seen')
      expect(seen(paired)).toEqual([4, 0])
    },
  )

  test('what is written goes behind what has passed, before what comes', async () => {
    const paired = await start()
    const { client, origin, inbound, outbound } = paired
    for (let turn = 0; turn < 10; turn++) {
      client.send(`${turn}`)
      outbound.write('a')
      outbound.write('b')
      client.send(`${turn}`)
      origin.send('x')
      inbound.write('y')
      await quiet()
    }
    expect(origin.text.replace(/[ab]/g, '')).toBe('00112233445566778899')
    expect(origin.text.replace(/\d/g, '')).toBe('ab'.repeat(10))
    expect(client.text.replace(/y/g, '')).toBe('x'.repeat(10))
  })

  test('who pauses a socket has what comes behind that when he resumes', async () => {
    const paired = await start()
    const { client, origin, inbound } = paired
    client.send('before ')
    inbound.pause()
    await quiet()
    client.send('meanwhile ')
    await quiet()
    expect(origin.text).toBe('before ')
    inbound.resume()
    await quiet()
    client.send('after')
    await quiet()
    expect(origin.text).toBe('before meanwhile after')
  })

  test('tried again when enough has passed by JavaScript', async () => {
    const paired = await start()
    const { client, origin, outbound } = paired
    outbound.write('!')
    await quiet()
    client.send(Buffer.alloc(300_000, 'a'))
    for (let i = 0; i < 20; i++) await quiet()
    const [before] = seen(paired)
    expect(before).toBe(300_000)
    client.send('more')
    await quiet()
    expect(seen(paired)).toEqual([before, 0])
    expect(origin.text).toBe(`!${'a'.repeat(300_000)}more`)
  })

  test('tried again with a target that is slow, and nothing is lost or stuck', async () => {
    const paired = await start()
    const { client, origin, inbound } = paired
    inbound.write('!')
    await quiet()
    client.acknowledges = false
    const bytes = Buffer.alloc(3_000_000)
    for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32BE(at, at)
    origin.send(bytes)
    const total = () => client.received.reduce((sum, { length }) => sum + length, 0)
    for (let turn = 0; total() < bytes.length + 1 && turn < 500; turn++) {
      client.acknowledge(20_000)
      await quiet()
    }
    expect(Buffer.concat(client.received).subarray(1).equals(bytes)).toBe(true)
    expect(seen(paired)[1]).toBeLessThan(2_000_000)
    expect(seen(paired)[1]).toBeGreaterThan(200_000)
  })

  test('a socket that is destroyed takes no byte along that passed', async () => {
    const { client, origin, inbound, outbound, streams } = await start()
    client.send('passed')
    inbound.destroy()
    await quiet()
    expect(origin.text).toBe('passed')
    outbound.destroy()
    client.end()
    origin.end()
    await quiet()
    expect(streams.connections.size).toBe(0)
  })

  test('unproxy() and proxy(), in turns, at exact bytes', async () => {
    const paired = await start()
    const { pair, client, origin } = paired
    for (let turn = 0; turn < 20; turn++) {
      client.send('a')
      const { boundary } = await pair.unproxy({ depth: 'relay' })
      expect(boundary.c2s).toBe(BigInt(2 * turn + 1))
      await quiet()
      client.send('b')
      expect((await pair.proxy()).c2s).toBe(BigInt(2 * turn + 2))
      expect(pair.mode).toBe('proxied')
      await quiet()
    }
    expect(origin.text).toBe('ab'.repeat(20))
    expect(pair.stats().bytes.c2s).toBe(40n)
  })

  test('disassociate() frees the sockets, each with what comes from then on', async () => {
    const { pair, client, origin, inbound, outbound } = await start()
    inbound.unpipe()
    outbound.unpipe()
    client.send('together')
    await quiet()
    await pair.disassociate()
    inbound.removeAllListeners('data')
    let heard = ''
    inbound.on('data', (chunk) => {
      heard += chunk
    })
    client.send(' apart')
    inbound.resume()
    await quiet()
    expect(`${origin.text}${heard}`).toBe('together apart')
    expect(outbound.use).toBe('free')
  })

  test('an end that comes just when the way is left is not lost', async () => {
    const { pair, client, origin, inbound, streams } = await start()
    client.end()
    await origin.until(() => origin.hasFin)
    await quiet()
    const told: unknown[] = []
    pair.on('sideclose', (...event) => told.push(event))
    origin.whenHolding = () => origin.end()
    inbound.write('last words')
    await quiet()
    expect([client.text, client.hasFin]).toEqual(['last words', true])
    expect(told).toEqual([['outbound', 'end']])
    expect([pair.mode, streams.connections.size]).toEqual(['closed', 0])
  })

  test('a server that resets, having said all, takes no answer along', async () => {
    const { client, origin } = await start()
    client.acknowledges = false
    origin.acknowledges = false
    client.send(Buffer.alloc(1_000_000))
    origin.send('A'.repeat(300_000))
    origin.end()
    await quiet()
    origin.reset()
    await client.until(() => client.hasFin)
    expect(client.text).toBe('A'.repeat(300_000))
    expect(client.hasReset).toBe(false)
  })
})

describe('a shortcut', () => {
  test('one direction alone, where the other one is read', async () => {
    const paired = await startPair()
    const { client, origin, inbound, outbound } = paired
    let answers = ''
    outbound.on('data', (chunk) => {
      answers += chunk
      inbound.write(chunk)
    })
    inbound.pipe(outbound)
    await quiet()
    client.send('request')
    origin.send('answer')
    await quiet()
    expect([origin.text, client.text, answers]).toEqual(['request', 'answer', 'answer'])
    expect(seen(paired)).toEqual([0, 6])
  })

  test('not with { end: false } is the end passed on', async () => {
    const { client, origin, inbound, outbound } = await startPair()
    inbound.pipe(outbound, { end: false })
    await quiet()
    client.send('request')
    client.end()
    await once(inbound, 'end')
    await quiet()
    expect([origin.text, origin.hasFin]).toEqual(['request', false])
    outbound.end(' and more')
    await origin.until(() => origin.hasFin)
    expect(origin.text).toBe('request and more')
  })

  test('none where somebody else reads, decodes, or nobody of the pair is the target', async () => {
    const paired = await startPair()
    const { client, origin, inbound, outbound } = paired
    let heard = ''
    inbound.on('data', (chunk) => {
      heard += chunk
    })
    inbound.pipe(outbound)
    outbound.setEncoding('utf8')
    outbound.pipe(inbound)
    await quiet()
    client.send('both')
    origin.send('decoded')
    await quiet()
    expect([heard, origin.text, client.text]).toEqual(['both', 'both', 'decoded'])
    expect(seen(paired)).toEqual([4, 7])
  })

  test('left by setEncoding()', async () => {
    const paired = await startPair()
    const { client, origin, inbound, outbound } = paired
    inbound.pipe(outbound)
    await quiet()
    client.send('unseen ')
    inbound.setEncoding('hex')
    await quiet()
    client.send('seen')
    await quiet()
    expect(origin.text).toBe(`unseen ${Buffer.from('seen').toString('hex')}`)
    expect(seen(paired)).toEqual([4, 0])
  })

  test('what was read before goes first', async () => {
    const paired = await startPair()
    const { client, origin, inbound, outbound } = paired
    client.send('head body')
    await once(inbound, 'readable')
    expect(String(inbound.read(5))).toBe('head ')
    outbound.write('HEAD ')
    inbound.pipe(outbound)
    await quiet()
    client.send(' rest')
    await quiet()
    expect(origin.text).toBe('HEAD body rest')
    expect(seen(paired)).toEqual([9, 0])
  })

  test('a time-out is for a socket that is silent, whoever moves its bytes', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'hrtime'] })
    onTestFinished(() => void vi.useRealTimers())
    const { pair, client, inbound, outbound } = await startPair({ idleTimeoutMs: 1000 })
    pair.process()
    await quiet()
    const fired: string[] = []
    inbound.setTimeout(60, () => fired.push('inbound'))
    outbound.setTimeout(60, () => fired.push('outbound'))
    for (let turn = 0; turn < 50; turn++) {
      vi.advanceTimersByTime(40)
      client.send('x')
    }
    expect(fired).toEqual([])
    vi.advanceTimersByTime(40)
    expect(Date.now() - inbound.lastActiveAt).toBe(40)
    vi.advanceTimersByTime(20)
    expect(fired).toEqual(['inbound', 'outbound'])
    expect(inbound.destroyed).toBe(false)
    vi.advanceTimersByTime(940)
    expect(inbound.destroyed).toBe(true)
  })

  test('a time-out is counted from the last byte that passed, also when the way is left', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'hrtime'] })
    onTestFinished(() => void vi.useRealTimers())
    const { pair, client, inbound, outbound } = await startPair({ idleTimeoutMs: 1000 })
    pair.process()
    await quiet()
    vi.advanceTimersByTime(900)
    client.send('x')
    for (const socket of [inbound, outbound]) socket.on('data', () => {})
    await quiet()
    expect([inbound.isHeld, outbound.isHeld]).toEqual([false, false])
    vi.advanceTimersByTime(999)
    expect(inbound.destroyed).toBe(false)
    vi.advanceTimersByTime(1)
    expect(inbound.destroyed).toBe(true)
  })

  test('a time-out is told again behind bytes that the engine moved', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'hrtime'] })
    onTestFinished(() => void vi.useRealTimers())
    const { pair, client, inbound } = await startPair()
    pair.process()
    await quiet()
    let told = 0
    inbound.setTimeout(60).on('timeout', () => told++)
    vi.advanceTimersByTime(200)
    expect(told).toBe(1)
    client.send('x')
    vi.advanceTimersByTime(59)
    expect(told).toBe(1)
    vi.advanceTimersByTime(1)
    expect(told).toBe(2)
    inbound.setTimeout(0)
    vi.advanceTimersByTime(200)
    expect(told).toBe(2)
  })
})
