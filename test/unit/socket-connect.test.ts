/** Connections that are opened from here: where they leave from, and why there is none. */
import { describe, expect, test } from 'vitest'
import { StreamEnd } from '../../src/generated/streams.js'
import { quiet, server, startWithClient } from '../helpers/socket-site.js'

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

  test('PROXY-18 so does one that goes in the same moment', async () => {
    const { streams, stack, inbound, client } = await startWithClient()
    streams.answer = () => 'wait'
    const connecting = stack.connect({ ...server, associateWith: inbound })
    await quiet()
    streams.settle(streams.opened[0])
    client.reset()
    await expect(connecting).rejects.toMatchObject({ code: 'ERR_SLUICE_CLOSED' })
    await quiet()
    expect(streams.connections.size).toBe(0)
    expect(stack.stats()).toMatchObject({ sockets: 0, pairs: { proxied: 0 } })
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
