/** A socket as its user meets it, over a peer that speaks the stream messages. */
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { describe, expect, test } from 'vitest'
import { SocketOption, StreamEnd } from '../../src/generated/streams.js'
import type { Socket } from '../../src/socket/socket.js'
import { quiet, startSite, startWithClient, trace } from '../helpers/socket-site.js'

const closed = (socket: Socket) => new Promise((resolve) => socket.once('close', resolve))

describe('a socket', () => {
  test('SOCK-01 SOCK-05 knows its client and where that connected to', async () => {
    const { inbound, client } = await startWithClient()
    expect(inbound).toMatchObject({
      remoteAddress: '192.0.2.10',
      remotePort: 40_000,
      remoteFamily: 'IPv4',
      localAddress: '192.0.2.100',
      localPort: 80,
      virtualServer: 'site',
      readyState: 'open',
      use: 'free',
    })
    const identity = { address: '192.0.2.10', port: 40_000, family: 4, socketId: client.socket }
    expect(inbound.identity).toEqual(identity)
    expect(inbound.address()).toEqual({ address: '192.0.2.100', family: 'IPv4', port: 80 })
  })

  test('SOCK-02 what it writes comes to its peer, in order', async () => {
    const { inbound, client } = await startWithClient()
    inbound.write('one ')
    inbound.write('two ')
    inbound.end('three')
    await client.until(() => client.hasFin)
    expect(client.text).toBe('one two three')
    expect(inbound.bytesWritten).toBe(13)
  })

  test('SOCK-02 what its peer sends it reads, to the end', async () => {
    const { inbound, client } = await startWithClient()
    client.send('hello ')
    client.send('world')
    client.end()
    expect(await text(inbound)).toBe('hello world')
    expect(inbound.bytesRead).toBe(11)
  })

  test('SOCK-02 events come as with net.Socket: data, end, finish, close', async () => {
    const { inbound, client } = await startWithClient()
    const seen = trace(inbound, 'data', 'end', 'finish', 'close')
    client.send('x')
    await quiet()
    client.end()
    await once(inbound, 'close')
    expect(seen).toEqual(['data x', 'end', 'finish', 'close'])
    expect(client.isClosed).toBe(true)
    expect(client.hasReset).toBe(false)
  })

  test('SOCK-02 with allowHalfOpen it goes on when its peer has ended', async () => {
    const { inbound, client } = await startWithClient()
    inbound.allowHalfOpen = true
    client.send('question')
    client.end()
    expect(await text(inbound)).toBe('question')
    expect(inbound.readyState).toBe('writeOnly')
    inbound.end('answer')
    await once(inbound, 'close')
    expect(client.text).toBe('answer')
  })

  test('BUF-06 BUF-07 nothing is asked for while nobody reads', async () => {
    const { inbound, client } = await startWithClient()
    client.send('x'.repeat(100_000))
    await quiet()
    expect(client.unread).toBe(100_000)
    inbound.resume()
    await client.until(() => client.unread === 0)
  })

  test('BUF-06 who stops reading holds no more than its window, and nothing is lost', async () => {
    const { inbound, client } = await startWithClient()
    const total = 6_000_000
    client.send(Buffer.alloc(total, 'a'))
    client.end()
    inbound.once('data', () => inbound.pause())
    await quiet()
    expect(inbound.readableLength).toBeLessThanOrEqual(1_048_576)
    expect(client.unread).toBeGreaterThan(total - 1_200_000)
    let read = 0
    inbound.on('data', (chunk: Buffer) => {
      read += chunk.length
    })
    inbound.resume()
    await once(inbound, 'end')
    // The first chunk was read before.
    expect(inbound.bytesRead).toBe(total)
    expect(total - read).toBeLessThanOrEqual(65_000)
  })

  test('it writes no more than there is room for, and says when there is again', async () => {
    const { inbound, client } = await startWithClient()
    client.acknowledges = false
    const { credit } = client
    const bytes = Buffer.alloc(credit * 3, 'b')
    expect(inbound.write(bytes)).toBe(false)
    await quiet()
    expect(client.credit).toBe(0)
    expect([inbound.bytesWritten, inbound.bytesHeld]).toEqual([credit * 3, credit * 2])
    const drained = once(inbound, 'drain')
    client.acknowledge(credit)
    await quiet()
    client.acknowledge(credit)
    await drained
    expect(client.text.length).toBe(bytes.length)
  })

  test('writes that wait for room leave together', async () => {
    const { inbound, client } = await startWithClient()
    client.acknowledges = false
    inbound.write(Buffer.alloc(client.credit))
    for (let i = 0; i < 100; i++) inbound.write(`${i},`)
    await quiet()
    const before = client.received.length
    client.acknowledge(10_000)
    await quiet()
    // The first one waited alone, and the others behind it.
    expect(client.received).toHaveLength(before + 2)
    const numbers = Array.from({ length: 100 }, (_, i) => `${i},`)
    expect(client.text.slice(-290)).toBe(numbers.join(''))
  })

  test('iterating gives the chunks as they came, and the end leaves what was written to go', async () => {
    const { inbound, client } = await startWithClient()
    client.acknowledges = false
    const bytes = Buffer.alloc(client.credit * 2, 'c')
    client.send(bytes)
    client.end()
    const lengths: number[] = []
    for await (const chunk of inbound) {
      lengths.push(chunk.length)
      inbound.write(chunk)
    }
    expect(Math.max(...lengths)).toBeLessThanOrEqual(65_000)
    while (!client.hasFin) {
      client.acknowledge(50_000)
      await quiet()
    }
    expect(client.text.length).toBe(bytes.length)
  })

  test('who leaves the iteration early destroys it, and unread bytes become a RST', async () => {
    const { inbound, client } = await startWithClient()
    client.send(Buffer.alloc(3_000_000))
    for await (const _ of inbound) break
    expect(inbound.destroyed).toBe(true)
    await client.until(() => client.hasReset)
  })

  test('iterating over one that is cut off throws', async () => {
    const { inbound, client } = await startWithClient()
    const reading = (async () => {
      for await (const _ of inbound) client.reset()
    })()
    client.send('x')
    await expect(reading).rejects.toMatchObject({ code: 'ECONNRESET', syscall: 'read' })
  })

  test.each([
    [StreamEnd.reset, 'ECONNRESET'],
    [StreamEnd.timedOut, 'ETIMEDOUT'],
    [StreamEnd.aborted, 'ECONNABORTED'],
    [StreamEnd.noMemory, 'ERR_SLUICE_MEMORY'],
  ])('a connection that ends by reason %i: error with %s, then close', async (reason, code) => {
    const { inbound, client } = await startWithClient()
    const seen = trace(inbound, 'error', 'close')
    client.reset(reason)
    await closed(inbound)
    expect(inbound.errored).toMatchObject({ code })
    expect(seen).toEqual(['error', 'close'])
    expect(inbound.use).toBe('closed')
  })

  test('a write that waits for room fails when the connection is cut off', async () => {
    const { inbound, client } = await startWithClient()
    client.acknowledges = false
    const written = new Promise((resolve) => inbound.write(Buffer.alloc(1_000_000), resolve))
    client.reset()
    expect(await written).toMatchObject({ code: 'ECONNRESET' })
  })

  test('destroy closes it, resetAndDestroy resets it, destroySoon first writes what waits', async () => {
    const { inbound, client, connect } = await startWithClient()
    inbound.destroy()
    await client.until(() => client.hasFin)
    const second = await connect()
    second.inbound.resetAndDestroy()
    await second.client.until(() => second.client.hasReset)
    const third = await connect()
    third.client.acknowledges = false
    third.inbound.write(Buffer.alloc(100_000))
    third.inbound.destroySoon()
    await quiet()
    expect(third.client.hasFin).toBe(false)
    third.client.acknowledge(100_000)
    await third.client.until(() => third.client.hasFin)
    expect(third.client.text.length).toBe(100_000)
  })

  test('options are set on the connection', async () => {
    const { inbound, client } = await startWithClient()
    inbound.setNoDelay().setNoDelay(false).setKeepAlive(true).setKeepAlive(false).setDscp(46)
    await quiet()
    expect(client.options).toEqual([
      [SocketOption.noDelay, 1],
      [SocketOption.noDelay, 0],
      [SocketOption.keepAlive, 7200],
      [SocketOption.keepAlive, 0],
      [SocketOption.tos, 184],
    ])
  })

  test('setTimeout tells of silence, and does nothing else', async () => {
    const { inbound } = await startWithClient()
    await new Promise<void>((resolve) => inbound.setTimeout(5, resolve))
    expect(inbound.destroyed).toBe(false)
    inbound.setTimeout(0)
    expect(inbound.timeout).toBeUndefined()
  })

  test('info asks its TCP; of one that is over there is none', async () => {
    const { inbound, client } = await startWithClient()
    expect(await inbound.info()).toMatchObject({
      state: 'established',
      mss: 1460,
      srttUs: 40_000,
      sndBuf: { used: 0, size: 65_536 },
      options: { sack: false, wscale: null },
    })
    inbound.on('error', () => {})
    client.reset()
    await quiet()
    await expect(inbound.info()).rejects.toMatchObject({ code: 'ERR_SLUICE_CLOSED' })
  })

  test('SOCK-30 a pipeline through it gives what it got, whatever the sizes', async () => {
    const { client } = await startSite(async (inbound) => {
      await pipeline(
        inbound,
        async function* (source) {
          for await (const chunk of source) yield* [chunk.subarray(0, 1), chunk.subarray(1)]
        },
        inbound,
      )
    })
    const one = client()
    const bytes = Buffer.from(Array.from({ length: 500_000 }, (_, i) => i * 7))
    one.send(bytes)
    one.end()
    await one.until(() => one.hasFin)
    expect(Buffer.concat(one.received).equals(bytes)).toBe(true)
  })

  test('a listener that throws costs its own connection only', async () => {
    const { inbound, client, connect } = await startWithClient()
    inbound.on('error', () => {})
    inbound.on('data', () => {
      throw new Error('in a listener')
    })
    client.send('x')
    await client.until(() => client.hasReset)
    const other = await connect()
    other.client.send('y')
    other.client.end()
    expect(await text(other.inbound)).toBe('y')
  })
})

describe('places of sockets', () => {
  test('each is forgotten when it is closed, and held no longer', async () => {
    const { streams, stack, connect, inbound, client } = await startWithClient()
    const others = await Promise.all(Array.from({ length: 20 }, () => connect()))
    for (const one of [...others, { inbound, client }]) {
      one.client.end()
      one.inbound.resume().end()
    }
    await quiet()
    await quiet()
    expect(streams.connections.size).toBe(0)
    expect(stack.stats()).toMatchObject({ sockets: 0, bytesHeld: 0 })
  })

  test('a full ring is tried again, in order', async () => {
    const { inbound, client, streams } = await startWithClient()
    streams.room = 200
    for (let i = 0; i < 50; i++) inbound.write(String(i % 10).repeat(10))
    inbound.end()
    await client.until(() => client.hasFin)
    expect(client.text).toBe(
      Array.from({ length: 50 }, (_, i) => String(i % 10).repeat(10)).join(''),
    )
  })
})
