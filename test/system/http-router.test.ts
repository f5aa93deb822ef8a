/** Each request of a connection routed by itself, between real servers and real clients. */
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Host, Laboratory, until } from '../../src/laboratory/index.js'
import { curl, curlSha256, url } from '../helpers/http-clients.js'
import { root } from '../helpers/repository.js'
import { get, HTTP, last, ORIGIN, say, startRouterSite } from '../helpers/router-site.js'
import { type NginxServer, startServers } from '../helpers/servers.js'
import { runExample } from '../helpers/service-site.js'
import { requireHost, requireTools } from '../helpers/skip.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'curl', 'bash', 'sha256sum', 'ss')
requireTools('wrk', 'h2load', 'chromium')

/** Without a screen, and without what it would ask the world for by itself. */
const BROWSER = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
]

test('SOCK-15 SOCK-25 MED-08 requests of one connection go to several servers', async () => {
  const routedSite = await startRouterSite()
  const { site, nginx, at, routed, end } = routedSite
  await using _ = site
  const body = await nginx.addFile(3_000_000)
  for (const family of site.lab.families) {
    routed.length = 0
    const paths = ['/', '/name', '/bytes/3000000', '/name', '/none', '/same', '/chunks', '/']
    const fetched = await curl(
      site.client,
      paths.map((path) => at(family, path)),
      {
        args: ['-o', '/dev/null'],
      },
    )
    expect(fetched).toMatchObject({ exitCode: 0, connections: 1 })
    expect(routed).toEqual(paths)
    const file = await curlSha256(site.client, at(family, '/bytes/3000000'))
    expect(file).toMatchObject({ status: 200, body })
    // Two servers, a connection to each for all that.
    const parked = [...site.stack.parking.entries()]
    expect(parked.length).toBeLessThanOrEqual(2 * site.lab.families.indexOf(family) + 2)
    const head = await curl(site.client, at(family, '/bytes/3000000'), { args: ['-I'] })
    expect(head.body).toMatch(/content-length: 3000000/i)
  }
  await end()
})

test("the server's connection serves one request after another, of one client after another", async () => {
  const routedSite = await startRouterSite({ preserveClient: false })
  const { site, at, end } = routedSite
  await using _ = site
  for (const family of site.lab.families) {
    const said = new Set<string>()
    for (let turn = 0; turn < 10; turn++) {
      const targets = [at(family, '/connection'), at(family, '/connection')]
      const { body } = await curl(site.client, targets)
      for (const line of body.trim().split('\n')) said.add(line)
    }
    expect(said.size).toBe(1)
  }
  await end()
})

test("the server's connection stays with its client, as long as both can, and is parked then", async () => {
  const { site, end } = await startRouterSite()
  await using _ = site
  const server = site.lab.servers[1] as Host
  for (const family of site.lab.families) {
    const client = await site.connect(family, HTTP)
    const ask = async (path: string, answer: RegExp) => {
      client.received.length = 0
      client.write(get(path))
      await client.untilReceived(answer)
      return Number(/(\d+)\n$/.exec(client.received.join(''))?.[1])
    }
    const number = await ask('/connection', /node \d+\n$/)
    expect(site.stack.parking.size).toBe(0)
    expect(await ask('/connection', /node \d+\n$/)).toBe(number)
    await server.namespace.exec('ss', ['-K', 'state', 'established', `sport = :${ORIGIN}`])
    expect(await ask('/connection', /node \d+\n$/)).toBe(number + 1)
    // What its server says behind the answer is no answer to the next request.
    await ask('/more', /asked\n$/)
    expect(await ask('/connection', /node \d+\n$/)).toBe(number + 2)
    await until('it is parked', () => site.stack.parking.size === 1)
    await client.end()
    await site.stack.parking.drain()
  }
  await end()
})

test('SOCK-15 a body passes by the engine, whatever came on its connection before', async () => {
  const { site, nginx, end } = await startRouterSite()
  await using _ = site
  await nginx.addFile(1000)
  await nginx.addFile(1_000_000)
  for (const family of site.lab.families) {
    const client = await site.connect(family, HTTP)
    for (let i = 0; i < 300; i++) await client.request('/bytes/1000')
    const { value } = await site.stack.pairs().next()
    const pair = await site.stack.get({ pairId: value?.id ?? 0 }, { required: true })
    for (let i = 0; i < 10; i++) {
      expect(await client.request('/bytes/1000000')).toHaveLength(1_000_000)
    }
    // Of each the head, and what may come before anybody knows that it is a body.
    expect(pair?.stats().jsBytes.s2c).toBeLessThan(2n * 300_000n + 10n * 40_000n)
    await client.end()
  }
  await end()
})

test("Node's fetch with kept connections: bodies each way, whole and in chunks", async () => {
  const { site, at, end } = await startRouterSite()
  await using _ = site
  const script = join(root, 'test/helpers/fetch_requests.mjs')
  for (const family of site.lab.families) {
    for (const path of ['/echo', '/length']) {
      const args = [script, at(family, ''), path, '4']
      const { stdout } = await site.client.exec(process.execPath, args, { timeoutMs: 60_000 })
      expect(stdout).toBe('all is right\n')
    }
  }
  await end()
})

test('two workers, and servers that see the engine: pairs that are with both of them', async () => {
  const { site, nginx, at, end } = await startRouterSite({ preserveClient: false }, 2)
  await using _ = site
  const body = await nginx.addFile(1_000_000)
  for (const family of site.lab.families) {
    for (let turn = 0; turn < 6; turn++) {
      const file = await curlSha256(site.client, at(family, '/bytes/1000000'))
      expect(file).toMatchObject({ status: 200, body })
      const closed = await curl(site.client, at(family, '/until-close'))
      expect(closed.body).toBe('until the end\n'.repeat(20_000))
    }
  }
  await end()
})

test('wrk: thousands of requests over kept connections, none of them wrong', async () => {
  const { site, at, end } = await startRouterSite()
  await using _ = site
  for (const family of site.lab.families) {
    for (const path of ['/', '/name']) {
      const args = ['-t1', '-c20', '-d2s', at(family, path)]
      const { stdout } = await site.client.exec('wrk', args, { timeoutMs: 30_000 })
      expect(stdout).not.toMatch(/Socket errors|Non-2xx/)
      expect(Number(/(\d+) requests in/.exec(stdout)?.[1])).toBeGreaterThan(100)
    }
  }
  await end()
})

test('h2load over HTTP/1.1: every request of kept connections is answered', async () => {
  const { site, end } = await startRouterSite()
  await using _ = site
  for (const family of site.lab.families) {
    const address = site.lab.virtualAddress(family)
    // By a name: of an address of IPv6 it makes a Host that is none (RFC 3986 3.2.2).
    const to = `--connect-to=${family === 6 ? `[${address}]` : address}:${HTTP}`
    const args = ['--h1', '-n', '3000', '-c', '20', '-t', '1', to, 'http://test/name']
    const { stdout } = await site.client.exec('h2load', args, { timeoutMs: 30_000 })
    expect(stdout).toMatch(/3000 done, 3000 succeeded, 0 failed, 0 errored, 0 timeout/)
  }
  await end()
})

test("a browser's fetch: bodies each way, many at a time", async () => {
  const { site, nginx, at, end } = await startRouterSite()
  await using _ = site
  await nginx.addFile(3_000_000)
  for (const family of site.lab.families) {
    const profile = `--user-data-dir=${join(site.lab.folder, `profile${family}`)}`
    const page = ['--virtual-time-budget=20000', '--dump-dom', at(family, '/page')]
    const { stdout } = await site.client.exec('chromium', [...BROWSER, profile, ...page], {
      timeoutMs: 60_000,
    })
    expect(stdout).toContain('<body>all is right</body>')
  }
  await end()
})

test('SOCK-34 examples/router.ts: by path and by cookie, on one connection', async () => {
  await using lab = await Laboratory.create({ topology: 'two-arm', servers: 3 })
  const [web, api] = (await startServers(lab)) as [NginxServer, NginxServer]
  const engine = await runExample(lab, 'router')
  const ask = (path: string) => url(lab.virtualAddress(4), path)
  const cookie = ['-b', 'a=2; beta=1']
  const plain = await curl(lab.client.namespace, ['/', '/api/', '/'].map(ask))
  expect(plain.connections).toBe(1)
  const targets = async (server: NginxServer, count: number) =>
    (await server.untilLogged(count)).map(({ target }) => target)
  expect(await targets(web, 2)).toEqual(['/', '/'])
  expect(await targets(api, 1)).toEqual(['/api/'])
  const beta = await curl(lab.client.namespace, ask('/'), { args: cookie })
  expect(beta).toMatchObject({ status: 200, body: 'srv3\n' })
  await engine.stop()
})

describe('what HTTP has', () => {
  test('pipelined requests are answered in order, each by its server', async () => {
    const routedSite = await startRouterSite()
    await using _ = routedSite.site
    const requests = ['/name', '/', '/chunks', '/name'].map((path) => get(path)).join('')
    const said = await say(routedSite, requests + get('/none', last))
    const statuses = said.match(/HTTP\/1\.1 \d+/g)
    expect(statuses).toEqual([...Array(4).fill('HTTP/1.1 200'), 'HTTP/1.1 204'])
    const order = ['\nnode\n', '\nsrv1\n', 'X-Sum: right', '\nnode\n'].map((mark) =>
      said.indexOf(mark),
    )
    expect(order.slice(0, 3)).toEqual(order.slice(0, 3).sort((a, b) => a - b))
    expect(order).not.toContain(-1)
    await routedSite.end()
  })

  test('Expect: 100-continue, and who refuses it', async () => {
    const routedSite = await startRouterSite()
    const { site, at, end } = routedSite
    await using _ = site
    const expects = ['-H', 'Expect: 100-continue', '--data-binary', 'x'.repeat(100_000)]
    const accepted = await curl(site.client, at(4, '/length'), { args: expects })
    expect([accepted.status, accepted.body.length]).toEqual([200, 100_000])
    const refused = await curl(site.client, at(4, '/refused'), { args: expects })
    expect(refused.status).toBe(417)
    await end()
  })

  test('early hints, HTTP/1.0, an end of the client behind its request', async () => {
    const routedSite = await startRouterSite()
    await using _ = routedSite.site
    const hinted = await say(routedSite, get('/hints', last))
    expect(hinted).toMatch(/^HTTP\/1\.1 103 [\s\S]*HTTP\/1\.1 200 [\s\S]*hinted/)
    const old = await say(routedSite, 'GET /name HTTP/1.0\r\n\r\n')
    expect(old).toMatch(/^HTTP\/1\.1 200 [\s\S]*\nnode\n$/)
    const behind = await say(routedSite, get('/old') + get('/name', last))
    expect(behind).toMatch(/^HTTP\/1\.1 200 [\s\S]*\nold\nHTTP\/1\.1 200 [\s\S]*\nnode\n$/)
    const client = await routedSite.site.connect(6, HTTP, { allowHalfOpen: true })
    client.write(get('/echo'))
    await client.end()
    expect(client.received.join('')).toMatch(/^HTTP\/1\.1 200 /)
    await routedSite.end()
  })

  test('answers that end with the connection', async () => {
    const { site, at, end } = await startRouterSite()
    await using _ = site
    for (const family of site.lab.families) {
      const fetched = await curl(site.client, at(family, '/until-close'))
      expect(fetched).toMatchObject({ status: 200, exitCode: 0 })
      expect(fetched.body).toBe('until the end\n'.repeat(20_000))
    }
    await end()
  })
})

describe('what is wrong', () => {
  const chunked = get('/hash', 'Transfer-Encoding: chunked\r\n').replace('GET', 'POST')

  test.each([
    ['no HTTP', 'nonsense\r\n\r\n', 400],
    ['a bare LF', 'GET / HTTP/1.1\nHost: test\n\n\r\n\r\n', 400],
    ['no Host', 'GET / HTTP/1.1\r\n\r\n', 400],
    ['two Hosts', get('/', 'Host: other\r\n'), 400],
    ['a space before a colon', get('/', 'Content-Length : 0\r\n'), 400],
    ['a folded line', get('/', 'X-A: b\r\n c\r\n'), 400],
    ['two lengths', get('/', 'Content-Length: 1\r\nContent-Length: 2\r\n'), 400],
    ['a signed length', get('/', 'Content-Length: +1\r\n'), 400],
    ['length and chunks', get('/', 'Content-Length: 1\r\nTransfer-Encoding: chunked\r\n'), 400],
    ['chunks not last', get('/', 'Transfer-Encoding: chunked, identity\r\n'), 501],
    ['CONNECT', 'CONNECT test:80 HTTP/1.1\r\nHost: test\r\n\r\n', 501],
    ['a head without end', `GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}`, 431],
    ['a port without a host', 'GET /name HTTP/1.1\r\nHost: :80\r\n\r\n', 400],
    ['a port that is none', 'GET /name HTTP/1.1\r\nHost: a:99999\r\n\r\n', 400],
    ['no chunk', `${chunked}xyz\r\n`, 400],
    ['a space behind the size of a chunk', `${chunked}5 ;x\r\n12345\r\n0\r\n\r\n`, 400],
    ['a tab behind the size of a chunk', `${chunked}5\t\r\n12345\r\n0\r\n\r\n`, 400],
  ])('%s', async (_what, text, status) => {
    const routedSite = await startRouterSite()
    await using _ = routedSite.site
    // The router's own answer: a server's would have no such text.
    expect(await say(routedSite, text)).toMatch(
      new RegExp(`^HTTP/1.1 ${status} [^]*\\r\\n\\r\\n${status} .+\\n$`),
    )
    await routedSite.end()
  })

  test('a server that is gone, says nonsense, or stops in the middle', async () => {
    const routedSite = await startRouterSite()
    const { site, at, end } = routedSite
    await using _ = site
    const status = async (path: string) => (await curl(site.client, at(4, path))).status
    expect(await status('/gone')).toBe(502)
    expect(await status('/smuggled')).toBe(502)
    expect(await status('/refused-port')).toBe(502)
    expect(await status('/nowhere')).toBe(503)
    expect((await curl(site.client, at(4, '/half'))).exitCode).not.toBe(0)
    expect(await status('/thrown')).toBe(500)
    expect(await status('/name')).toBe(200)
    await end(1)
  })

  test('a client that goes in the middle leaves nothing', async () => {
    const { site, nginx, end } = await startRouterSite()
    await using _ = site
    await nginx.addFile(20_000_000)
    for (const family of site.lab.families) {
      const client = await site.connect(family, HTTP)
      client.write(get('/bytes/20000000'))
      await client.untilReceived(/\r\n\r\n/)
      await client.reset()
      const sending = await site.connect(family, HTTP)
      sending.write('POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 1000000\r\n\r\nsome')
      await sending.untilReceived(/^HTTP\/1\.1 200 /)
      await sending.reset()
    }
    await end()
  })

  test('a parked connection that its server has closed is in nobody’s way', async () => {
    const { site, at, end } = await startRouterSite({ preserveClient: false })
    await using _ = site
    const server = site.lab.servers[1] as Host
    for (let turn = 0; turn < 5; turn++) {
      const fetched = await curl(site.client, at(4, '/name'))
      expect([fetched.status, fetched.body]).toEqual([200, 'node\n'])
      await server.namespace.exec('ss', ['-K', 'state', 'established', `sport = :${ORIGIN}`])
    }
    await end()
  })
})
