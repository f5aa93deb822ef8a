/** A stack: what listens without a configuration, and what ends with it. */
import { once } from 'node:events'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Stack } from '../../src/stack.js'
import { FakeSegment } from '../helpers/fake-segment.js'
import { farmConfig } from '../helpers/farm.js'
import { quiet, startWithClient } from '../helpers/socket-site.js'

const endpoint = { address: '192.0.2.1', port: 7 }

async function openStack() {
  const segment = new FakeSegment()
  const stack = await Stack.open({
    interfaces: [{ name: 'eth0' }],
    addresses: [{ address: '192.0.2.1', prefix: 24, interface: 'eth0' }],
    gateway: '192.0.2.254',
    memory: { connections: 1000, poolBytes: 8 << 20 },
    segment,
  })
  onTestFinished(() => stack.close())
  let clients = 0
  const client = (vsId = 1) =>
    segment.streams.accept(`192.0.2.10:${40_000 + clients++}`, '192.0.2.1:7', vsId)
  return { stack, segment, client }
}

describe('Stack.open', () => {
  test('starts an engine of what it is given, and stops it', async () => {
    const { stack, segment } = await openStack()
    expect(segment.options).toMatchObject({
      ports: [{ device: 'eth0', kind: 'packet', addresses: ['192.0.2.1/24'] }],
      routes: [{ to: '0.0.0.0/0', via: '192.0.2.254' }],
      forwarding: 'none',
      limits: { connections: 1000, bufferBytes: 8 << 20 },
      timeouts: { timeWait: 60_000 },
    })
    expect(segment.running).toBe(true)
    await stack.close()
    expect(segment.running).toBe(false)
    await expect(stack.connect(endpoint)).rejects.toMatchObject({ code: 'ERR_SLUICE_CLOSED' })
  })
})

describe('listen', () => {
  test('a server gives its connections to its listener', async () => {
    const { stack, client } = await openStack()
    const server = await stack.listen(endpoint, (socket) => socket.pipe(socket))
    expect(server.address()).toEqual({ ...endpoint, family: 4 })
    const one = client()
    one.send('back')
    one.end()
    await one.until(() => one.hasFin)
    expect(one.text).toBe('back')
  })

  test('or to who iterates over it, until it is closed', async () => {
    const { stack, client } = await openStack()
    const server = await stack.listen(endpoint)
    const [one] = [client(), client()]
    const ports: number[] = []
    for await (const socket of server) {
      ports.push(socket.remotePort)
      socket.destroy()
      if (ports.length === 2) await server.close()
    }
    expect(ports).toEqual([40_000, 40_001])
    await one.until(() => one.hasFin)
    expect(server.listening).toBe(false)
  })

  test('a client that is there before the server knows that it listens waits for it', async () => {
    const { stack, client } = await openStack()
    const listening = stack.listen(endpoint, (socket) => socket.end('here'))
    const early = client()
    await listening
    await early.until(() => early.hasFin)
    expect(early.text).toBe('here')
  })

  test('ERR_SLUICE_STOPPED where the engine stops in the moment of its answer', async () => {
    const { segment, engine, stack } = await startWithClient()
    const drain = segment.drain.bind(segment)
    const listening = stack.listen(endpoint)
    segment.drain = (into) => {
      const length = drain(into)
      // Before whoever waits for the answer hears of it.
      if (length > 0) queueMicrotask(() => void engine.stop())
      return length
    }
    await expect(listening).rejects.toMatchObject({ code: 'ERR_SLUICE_STOPPED' })
  })

  test('what nobody takes is reset beyond the backlog, and with the server', async () => {
    const { stack, client } = await openStack()
    const server = await stack.listen({ ...endpoint, backlog: 1 })
    const [one, two] = [client(), client()]
    await two.until(() => two.hasReset)
    expect([one.hasReset, server.refused]).toEqual([false, 1])
    await server.close()
    await one.until(() => one.hasReset)
  })

  test('ERR_SLUICE_ADDR_IN_USE while somebody listens there, also a virtual server', async () => {
    const { stack } = await openStack()
    const code = 'ERR_SLUICE_ADDR_IN_USE'
    const server = await stack.listen(endpoint)
    await expect(stack.listen(endpoint)).rejects.toMatchObject({ code })
    await server.close()
    await stack.listen(endpoint)
    const site = await startWithClient()
    const taken = site.stack.listen({ address: '192.0.2.100', port: 80 })
    await expect(taken).rejects.toMatchObject({ code })
  })

  test.each([
    { address: '224.0.0.1', port: 7 },
    { address: 'here', port: 7 },
    { address: '192.0.2.1', port: 70_000 },
    { address: '192.0.2.1', port: 0 },
  ])('ERR_SLUICE_ADDR_NOT_OWNED of %j', async (where) => {
    const { stack } = await openStack()
    const code = 'ERR_SLUICE_ADDR_NOT_OWNED'
    await expect(stack.listen(where)).rejects.toMatchObject({ code })
  })

  test('a reload leaves what listens as it is', async () => {
    const { stack, engine, streams } = await startWithClient()
    const server = await stack.listen({ address: '192.0.2.1', port: 7 })
    await engine.reload(farmConfig(4, () => ({ virtualServers: {} })))
    const connection = once(server, 'connection')
    streams.accept('192.0.2.11:50000', '192.0.2.1:7', 2)
    expect((await connection)[0]).toMatchObject({ remotePort: 50_000 })
    expect(engine.status().virtualServers.map(({ state }) => state)).toEqual(['removed', 'up'])
  })

  test('SOCK-36 its signal closes it', async () => {
    const { stack } = await openStack()
    const ending = new AbortController()
    const server = await stack.listen({ ...endpoint, signal: ending.signal })
    const closed = once(server, 'close')
    ending.abort()
    await closed
    expect(server.listening).toBe(false)
  })
})

describe('close', () => {
  test('waits for its connections as long as it may, then resets them', async () => {
    const { stack, client } = await openStack()
    await stack.listen({ ...endpoint, allowHalfOpen: true }, (socket) => void socket.resume())
    const one = client()
    await quiet()
    const closing = stack.close({ graceMs: 60_000 })
    await quiet()
    expect(one.isClosed).toBe(false)
    one.reset()
    await closing
  })

  test('an engine that stops ends its servers, and who iterates over them', async () => {
    const { stack, engine } = await startWithClient()
    const server = await stack.listen(endpoint)
    const taken = (async () => {
      for await (const socket of server) socket.destroy()
    })()
    await engine.stop()
    await taken
    expect(server.listening).toBe(false)
  })

  test('a connection under way is given up, and each call waits for the end', async () => {
    const { stack, segment } = await openStack()
    segment.streams.answer = () => 'wait'
    const connecting = stack.connect({ address: '192.0.2.9', port: 80 })
    const refused = expect(connecting).rejects.toMatchObject({ code: 'ERR_SLUICE_CLOSED' })
    await quiet()
    void stack.close()
    await stack.close()
    expect(segment.running).toBe(false)
    await refused
  })

  test('without grace they are reset at once', async () => {
    const { stack, client } = await openStack()
    await stack.listen(endpoint, () => {})
    const one = client()
    await quiet()
    await stack.close()
    expect(one.hasReset).toBe(true)
  })
})

describe('windows', () => {
  test('who reads a little is granted a little, who reads much more and more', async () => {
    const { stack, client } = await openStack()
    await stack.listen(endpoint, (socket) => void socket.once('readable', () => {}))
    const idle = client()
    idle.send(Buffer.alloc(3_000_000))
    await quiet()
    expect(idle.bytesSent).toBe(16_384)
    const busy = await openStack()
    await busy.stack.listen(endpoint, (socket) => void socket.resume())
    const fast = busy.client()
    fast.send(Buffer.alloc(3_000_000))
    await fast.until(() => fast.unread === 0)
  })

  test('BUF-14 many that stop reading share what JavaScript may hold', async () => {
    const { stack, client } = await openStack()
    await stack.listen(endpoint, (socket) => {
      socket.on('data', () => {
        if (socket.bytesRead > 400_000) socket.pause()
      })
    })
    const clients = Array.from({ length: 100 }, () => client())
    for (const one of clients) one.send(Buffer.alloc(1_500_000))
    for (let turn = 0; turn < 40; turn++) await quiet()
    const { bytesHeld } = stack.stats()
    expect(bytesHeld).toBeGreaterThan(4 << 20)
    // Each has its least window beyond that.
    expect(bytesHeld).toBeLessThan((8 << 20) + clients.length * 16_384)
  })
})
