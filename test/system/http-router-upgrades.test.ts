/** A request that turns its connection into another protocol's: a tunnel, and routed no more. */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Family, until } from '../../src/laboratory/index.js'
import type { EngineSite } from '../helpers/engine-site.js'
import { root } from '../helpers/repository.js'
import { get, HTTP, type RouterSite, say, startRouterSite } from '../helpers/router-site.js'
import { requireHost, requireTools } from '../helpers/skip.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx')

const upgrade = get('/socket', 'Connection: Upgrade\r\nUpgrade: websocket\r\n')

test('an upgrade is a tunnel from there on, and JavaScript has no part in it', async () => {
  const { site, end } = await startRouterSite()
  await using _ = site
  for (const family of site.lab.families) {
    const client = await site.connect(family, HTTP)
    client.write(get('/', ''))
    await client.untilReceived(/srv1\n$/)
    client.write(upgrade)
    await client.untilReceived(/101 Switching Protocols\r\n(.+\r\n)*\r\n$/)
    client.write('GET / through the tunnel\n')
    await client.untilReceived(/\r\n\r\nGET \/ through the tunnel\n$/)
    const { proxied, relay, splice } = site.stack.stats().pairs
    expect([proxied, relay + splice]).toEqual([0, 1])
    await client.end()
  }
  await end()
})

/** Node's own client: a process, which waits for lines. */
function startWebSocket({ site, at }: RouterSite, family: Family, path: string) {
  const script = join(root, 'test/helpers/websocket_client.mjs')
  const address = at(family, path).replace('http:', 'ws:')
  return site.client.spawn(process.execPath, ['--experimental-websocket', script, address])
}

test('SOCK-15 a WebSocket client: its handshake, texts both ways through the engine, and its close', async () => {
  const routedSite = await startRouterSite()
  const { site, end } = routedSite
  await using _ = site
  for (const family of site.lab.families) {
    const client = await startWebSocket(routedSite, family, '/websocket')
    await client.waitForOutput(/^open$/m)
    client.write('first\n')
    await client.waitForOutput(/^heard first$/m)
    await until('the pair is unproxied', () => {
      const { proxied, relay, splice } = site.stack.stats().pairs
      return proxied === 0 && relay + splice === 1
    })
    const long = 'a longer text, '.repeat(1000)
    client.write(`second\n${long}\n`)
    await client.waitForOutput(new RegExp(`^heard second\nheard ${long}$`, 'm'))
    client.endInput()
    await client.waitForOutput(/^closed 1000 done true$/m)
    expect(await client.exited).toMatchObject({ code: 0 })
    expect(client.output()).not.toContain('failed')
  }
  await end()
})

test('a WebSocket handshake that one side gets wrong is refused by the other', async () => {
  const routedSite = await startRouterSite()
  await using _ = routedSite.site
  // It answers without the key.
  const client = await startWebSocket(routedSite, 4, '/socket')
  await client.exited
  expect(client.output()).toMatch(/^failed$/m)
  expect(client.output()).not.toContain('open')
  const raw = await routedSite.site.connect(4, HTTP)
  raw.write(upgrade.replace('/socket', '/websocket'))
  await raw.untilReceived(/^HTTP\/1\.1 400 /)
  await raw.end()
  await routedSite.end()
})

/** Bytes in one piece with the request, and bytes behind the answer: both come back. */
async function expectEcho(site: EngineSite, family: Family): Promise<void> {
  const client = await site.connect(family, HTTP)
  client.write(`${upgrade}early\n`)
  await client.untilReceived(/\r\n\r\nearly\n$/)
  client.write('late\n')
  await client.untilReceived(/\r\n\r\nearly\nlate\n$/)
  await client.end()
}

test('what comes behind the request and behind the answer, in one piece with it, passes', async () => {
  const { site, end } = await startRouterSite()
  await using _ = site
  for (const family of site.lab.families) await expectEcho(site, family)
  await end()
})

test('the two sides are with two workers: TypeScript passes the bytes', async () => {
  const { site, end } = await startRouterSite({ preserveClient: false }, 2)
  await using _ = site
  for (const family of site.lab.families) {
    for (let turn = 0; turn < 8; turn++) await expectEcho(site, family)
  }
  await end()
})

test('MED-08 in HTTP/1.0 an upgrade means nothing: the request is an ordinary one', async () => {
  const routedSite = await startRouterSite()
  await using _ = routedSite.site
  for (const path of ['/headers', '/socket']) {
    const old = upgrade.replace('/socket', path).replace('HTTP/1.1', 'HTTP/1.0')
    const status = path === '/headers' ? 200 : 404
    const said = await say(routedSite, old)
    expect(said).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(said).not.toMatch(/upgrade/i)
  }
  await routedSite.end()
})

test('SOCK-15 a tunnel may be silent as long as it likes', async () => {
  const { site, end } = await startRouterSite({ bodyTimeoutMs: 300, answerTimeoutMs: 300 })
  await using _ = site
  const client = await site.connect(4, HTTP)
  client.write(upgrade)
  await client.untilReceived(/101 Switching Protocols\r\n(.+\r\n)*\r\n$/)
  // Another one is given up meanwhile, and later than that.
  for (let turn = 0; turn < 3; turn++) {
    const late = await site.connect(4, HTTP)
    late.write('POST /hash HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\n1')
    await late.untilReceived(/^HTTP\/1\.1 408 /)
    await late.end()
  }
  client.write('late\n')
  await client.untilReceived(/\r\n\r\nlate\n$/)
  await client.end()
  await end()
})

test('an upgrade to what is not allowed is an ordinary request', async () => {
  const routedSite = await startRouterSite()
  await using _ = routedSite.site
  const h2c = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAAA\r\n'
  const client = await routedSite.site.connect(4, HTTP)
  client.write(get('/headers', h2c))
  await client.untilReceived(/\r\n\r\n\{"host":"test","connection":"keep-alive"\}$/)
  await client.end()
  await routedSite.end()
})
