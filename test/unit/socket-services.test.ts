/** Virtual servers with a service: whose connections it has, and what it costs when it fails. */
import { createServer } from 'node:http'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { AddVsView, VsFlags } from '../../src/generated/messages.js'
import type { PickedNode } from '../../src/socket/service.js'
import { farmConfig } from '../helpers/farm.js'
import { quiet, server, startPair, startSite, startWithClient } from '../helpers/socket-site.js'

const echo = async (inbound: AsyncIterable<Buffer> & { write(chunk: Buffer): unknown }) => {
  for await (const chunk of inbound) inbound.write(chunk)
}

describe('a service', () => {
  test('SOCK-01 ends its connections at the engine, which is told so', async () => {
    const { segment } = await startSite(() => {})
    const [message] = segment.taken.filter((one) => one[0] === 0 && one[1] === AddVsView.code)
    expect(new AddVsView(new DataView(message.buffer)).flags).toBe(VsFlags.terminate)
  })

  test('echo in one line gives back all of it, also what waits for room', async () => {
    const { client } = await startSite(echo)
    const one = client()
    one.acknowledges = false
    const bytes = Buffer.alloc(300_000, 'e')
    one.send(bytes)
    one.end()
    while (!one.hasFin) {
      one.acknowledge(30_000)
      await quiet()
    }
    expect(one.text.length).toBe(bytes.length)
  })

  test.each([
    [
      'throws',
      () => {
        throw new Error('oh')
      },
    ],
    [
      'rejects',
      async () => {
        throw new Error('oh')
      },
    ],
  ])('that %s resets its connection, and that is logged once', async (_, service) => {
    const { client, logged, engine } = await startSite(service)
    const [one, other] = [client(), client()]
    await one.until(() => one.hasReset)
    await other.until(() => other.hasReset)
    const failures = logged.filter((entry) => 'event' in entry && entry.event === 'service')
    expect(failures).toMatchObject([{ code: 'ERR_SLUICE_SERVICE', virtualServer: 'site' }])
    expect(engine.status().sockets.serviceFailures).toBe(2)
  })

  test('that throws between connect and process resets what it opened', async () => {
    const { client, streams } = await startSite(async (inbound, { stack }) => {
      await stack.connect({ ...server, associateWith: inbound })
      throw new Error('oh')
    })
    const one = client()
    await one.until(() => one.hasReset)
    await quiet()
    expect(streams.connections.size).toBe(0)
  })

  test('a client that is reset under it is no failure of the service', async () => {
    const { client, engine } = await startSite(echo)
    const one = client()
    one.send('x')
    await one.until(() => one.text === 'x')
    one.reset()
    await quiet()
    expect(engine.status().sockets).toMatchObject({ open: 0, serviceFailures: 0 })
  })

  test('nor is what follows from that: the client left while the server was connected', async () => {
    const { client, engine, streams, logged } = await startSite(async (inbound, { stack }) => {
      await stack.connect({ ...server, associateWith: inbound })
    })
    streams.answer = () => 'wait'
    const one = client()
    await quiet()
    one.reset()
    await quiet()
    expect(engine.status().sockets).toMatchObject({ open: 0, serviceFailures: 0 })
    expect(logged.filter((entry) => 'event' in entry && entry.event === 'service')).toEqual([])
  })

  test('its context: a name, a log, the stack, and a signal that ends with the connection', async () => {
    const seen: unknown[] = []
    const { client, stack } = await startSite((inbound, { name, log, stack, signal }) => {
      seen.push(name, typeof log.info, stack, signal.aborted)
      signal.addEventListener('abort', () => seen.push('over'))
      inbound.resume()
    })
    const one = client()
    await quiet()
    one.reset()
    await quiet()
    expect(seen).toEqual(['site', 'function', stack, false, 'over'])
  })

  test('LB-20 PROXY-16 beyond connectionLimit a connection is reset, and counted', async () => {
    const { client, engine } = await startSite((inbound) => void inbound.resume(), {
      connectionLimit: 2,
    })
    const [one, two, three] = [client(), client(), client()]
    await three.until(() => three.hasReset)
    expect([one.isClosed, two.isClosed]).toEqual([false, false])
    expect(engine.status().virtualServers).toMatchObject([{ connections: 2, totalConnections: 2 }])
    expect(engine.status().sockets.refused).toEqual({ limited: 1, unavailable: 0 })
    one.reset()
    await quiet()
    const four = client()
    await quiet()
    expect(four.isClosed).toBe(false)
  })

  test('one that drains takes no connection, and its handshakes are refused', async () => {
    const { client, engine, segment } = await startSite((inbound) => void inbound.resume())
    const live = client()
    await quiet()
    engine.setVirtualServer('site', 'draining')
    await quiet()
    const last = segment.taken.at(-1) as Uint8Array
    const { flags } = new AddVsView(new DataView(last.buffer))
    expect(flags).toBe(VsFlags.terminate | VsFlags.maintenance)
    const late = client()
    await late.until(() => late.hasReset)
    expect(live.isClosed).toBe(false)
  })

  test('another configuration: its service has the connections that come then', async () => {
    const answer = (text: string) => (inbound: { end(text: string): unknown }) => {
      inbound.end(text)
    }
    const { client, engine, farm } = await startSite(answer('old'))
    const one = client()
    await one.until(() => one.hasFin)
    const site = { listen: `tcp://${farm.vip}`, service: answer('new') }
    await engine.reload(farmConfig(4, () => ({ virtualServers: { site } })))
    const two = client()
    await two.until(() => two.hasFin)
    expect([one.text, two.text]).toEqual(['old', 'new'])
  })

  test('from a policy to a service the engine is told', async () => {
    const { engine, farm, segment } = await startSite(() => {})
    const site = { listen: `tcp://${farm.vip}`, policy: () => 'web' }
    await engine.reload(farmConfig(4, () => ({ virtualServers: { site } })))
    const last = segment.taken.at(-1) as Uint8Array
    expect(new AddVsView(new DataView(last.buffer)).flags & VsFlags.terminate).toBe(0)
  })

  test('idleTimeoutMs ends a silent one', async () => {
    const { client } = await startSite((inbound) => void inbound.resume(), { idleTimeoutMs: 1000 })
    const one = client()
    await one.until(() => one.hasReset)
  })

  test("idleTimeoutMs is not the user's timeout, and not of what the engine moves or has sent", async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
    onTestFinished(() => void vi.useRealTimers())
    let told = 0
    const relaying = await startPair({ idleTimeoutMs: 1000 })
    const writing = await startWithClient({ idleTimeoutMs: 1000 })
    await relaying.pair.unproxy()
    writing.inbound.setTimeout(500, () => told++)
    writing.inbound.setTimeout(0)
    writing.client.acknowledges = false
    writing.inbound.write(Buffer.alloc(1_000_000))
    for (let i = 0; i < 5; i++) {
      vi.advanceTimersByTime(900)
      writing.client.acknowledge(1000)
      relaying.client.send('relayed')
      await quiet()
    }
    expect([relaying.client.hasReset, writing.client.hasReset, told]).toEqual([false, false, 0])
    vi.advanceTimersByTime(1000)
    await quiet()
    expect([relaying.client.hasReset, writing.client.hasReset]).toEqual([false, true])
  })

  test("LB-08 pools.pick: by the pool's balance, counted until the connection ends", async () => {
    const picked: unknown[] = []
    const { client, engine } = await startSite((inbound, { pools }) => {
      picked.push(pools.pick('web', inbound)?.name)
      inbound.resume()
    })
    const clients = [client(), client(), client(), client()]
    await quiet()
    expect(picked).toEqual(['10.1.0.11:8080', '10.1.0.12:8080', '10.1.0.13:8080', '10.1.0.11:8080'])
    const connections = () => engine.status().pools[0].nodes.map((node) => node.connections)
    expect(connections()).toEqual([2, 1, 1])
    for (const one of clients) one.reset()
    await quiet()
    expect(connections()).toEqual([0, 0, 0])
  })

  test('pools.pick: release counts once, hashes stay with their client, no such pool is an error', async () => {
    const seen: unknown[] = []
    const config = farmConfig(4, ({ node }) => ({
      pools: { web: { nodes: [1, 2, 3].map(node), balance: { hash: 'source' } } },
    }))
    const { client, engine } = await startSite(
      (inbound, { pools }) => {
        const node = pools.pick('web', inbound)
        node?.release()
        node?.release()
        seen.push(node?.name, pools.figures.web.connections)
        pools.pick('none', inbound)
      },
      { config: { pools: config.pools } },
    )
    const [one, other] = [client(), client()]
    await one.until(() => one.hasReset)
    await other.until(() => other.hasReset)
    expect(seen[0]).toBe(seen[2])
    expect([seen[1], seen[3]]).toEqual([0, 0])
    expect(engine.status().sockets.serviceFailures).toBe(2)
  })

  test('HS-20 failed: the next node of the pool, three in all, and nothing once its client is gone', async () => {
    const tried: unknown[] = []
    let last: PickedNode | undefined
    const passive = { fall: 2, forMs: 60_000 }
    const config = farmConfig(4, ({ node }) => ({
      pools: { web: { nodes: [1, 2, 3, 4].map(node), passive } },
    }))
    const { client, engine } = await startSite(
      (inbound, { pools }) => {
        for (let node = pools.pick('web', inbound); node; node = node.failed()) {
          tried.push(node.name, pools.figures.web.connections)
        }
        last = pools.pick('web', inbound)
        inbound.resume()
      },
      { config: { pools: config.pools } },
    )
    const one = client()
    await quiet()
    expect(tried).toEqual(['10.1.0.11:8080', 1, '10.1.0.12:8080', 1, '10.1.0.13:8080', 1])
    const connections = () => engine.status().pools[0].nodes.map((node) => node.totalConnections)
    expect(connections()).toEqual([0, 1, 0, 0])
    one.reset()
    await quiet()
    expect(last?.failed()).toBeUndefined()
    const { nodes } = engine.status().pools[0]
    expect(nodes.map(({ state }) => state)).toEqual(['up', 'up', 'up', 'up'])
    expect(connections()).toEqual([0, 1, 0, 0])
  })

  test('LB-05 pools.pick with a request: by what it carries; without one by the client', async () => {
    const picked: unknown[] = []
    const config = farmConfig(4, ({ node }) => ({
      pools: { web: { nodes: [1, 2, 3].map(node), balance: { hash: 'header', name: 'X-User' } } },
    }))
    const { client } = await startSite(
      (inbound, { pools }) => {
        for (let user = 0; user < 20; user++) {
          const headers = { 'x-user': `user ${user}` }
          const request = { method: 'GET', target: '/', httpVersion: '1.1', headers }
          const node = pools.pick('web', inbound, request)
          picked.push(node?.name)
          node?.release()
        }
        inbound.end()
      },
      { config: { pools: config.pools } },
    )
    const clients = [client(), client()]
    for (const one of clients) await one.until(() => one.hasFin)
    expect(new Set(picked).size).toBe(3)
    expect(picked.slice(20)).toEqual(picked.slice(0, 20))
  })

  test("PROXY-15 Node's own http server runs over its sockets, kept alive", async () => {
    const http = createServer((request, response) => {
      response.end(`${request.method} ${request.url} of ${request.socket.remoteAddress}`)
    })
    const { client } = await startSite((inbound) => void http.emit('connection', inbound))
    const one = client()
    one.send('GET /one HTTP/1.1\r\nHost: x\r\n\r\n')
    await one.until(() => one.text.includes('GET /one of 192.0.2.10'))
    one.send('GET /two HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    await one.until(() => one.hasFin)
    expect(one.text).toContain('GET /two of 192.0.2.10')
    http.close()
  })

  test('SOCK-31 it may open what has nothing to do with its client', async () => {
    const { client, streams } = await startSite(async (inbound, { stack }) => {
      const side = await stack.connect(server)
      inbound.end(`side ${side.pair === undefined}`)
      side.destroy()
    })
    const one = client()
    await one.until(() => one.hasFin)
    expect(one.text).toBe('side true')
    expect(streams.opened).toHaveLength(1)
  })
})
