/** Flows of TCP that are asked for with what their client sent first. */
import { describe, expect, test } from 'vitest'
import type { SluiceConfig } from '../../src/config/config.js'
import {
  AddVsView,
  AppType,
  QueryReason,
  SsmbError,
  SsmbFlags,
  VsFlags,
} from '../../src/generated/messages.js'
import type { NewFlow } from '../../src/index.js'
import { readRequest } from '../../src/policy/http-request.js'
import { readHello } from '../../src/policy/tls-client-hello.js'
import { changed, issuesOf } from '../helpers/config-issues.js'
import {
  type FarmEndpoints,
  families,
  farmConfig,
  farmEndpoints,
  startFarm,
} from '../helpers/farm.js'
import { appLearnMessage, appQueryMessage } from '../helpers/messages.js'

const bytes = (text: string) => new TextEncoder().encode(text)
const request = 'GET /img/a?b=c HTTP/1.1\r\nHost: site.test\r\nCookie: a=1; sid="x"\r\n\r\n'

const inspected =
  (inspect: object | string, policy: (flow: NewFlow) => unknown) =>
  ({ vip }: FarmEndpoints): Partial<SluiceConfig> =>
    ({ virtualServers: { site: { listen: `tcp://${vip}`, inspect, policy } } }) as never

describe.each(families)('IPv%i', (family) => {
  const start = async (inspect: object | string, policy: (flow: NewFlow) => unknown) => {
    const site = await startFarm(family, inspected(inspect, policy))
    const ask = (n: number, type: number, data: Uint8Array, more: object = {}) => {
      const serial = site.segment.nextSerial()
      const question = { reason: QueryReason.open, protocol: 6, serial, type, data }
      site.segment.send(appQueryMessage({ ...site.fromClient(n), ...question, ...more }))
      return serial
    }
    return { ...site, ask }
  }

  test('LB-18 VS-21 a policy sees the request and decides by it', async () => {
    const seen: object[] = []
    const { ask, segment, farm } = await start('http', ({ http, cookie, tls }) => {
      const { method, path, query, host, cookies } = http
      seen.push({ method, path, query, host, sid: cookies.sid, cookie, name: tls.serverName })
      return path.startsWith('/img') ? { node: farm.node(2) } : { reject: 'reset' }
    })
    const serials = [ask(0, AppType.http, bytes(request)), ask(1, AppType.http, bytes(''))]
    const replies = await segment.repliesTo(...serials)
    expect(replies.map(({ newDestination }) => newDestination)).toEqual([farm.node(2), null])
    const none = { cookie: undefined, name: '' }
    expect(seen).toEqual([
      { method: 'GET', path: '/img/a', query: 'b=c', host: 'site.test', sid: '"x"', ...none },
      { method: '', path: '', query: '', host: '', sid: undefined, ...none },
    ])
  })

  test('VS-05 VS-20 the data flow segment is told of cookie and limits', async () => {
    const inspect = {
      kind: 'cookie',
      name: 'sid',
      maxBytes: '5KiB',
      timeoutMs: 1500,
      unread: 'decide',
    }
    const { segment } = await start(inspect, () => 'web')
    const told = segment.taken.find((message) => message[1] === AddVsView.code) as Uint8Array
    const message = new AddVsView(new DataView(told.buffer, told.byteOffset))
    expect(message.flags & (VsFlags.cookieProxy | VsFlags.askUnread)).toBe(
      VsFlags.cookieProxy | VsFlags.askUnread,
    )
    expect(new TextDecoder().decode(message.appData)).toBe('sid')
    const { msgLength, proxyWindow, proxyTimeout, serverTimeout } = message
    expect({ msgLength, proxyWindow, proxyTimeout, serverTimeout }).toEqual({
      ...{ msgLength: AddVsView.size + 3, proxyWindow: 5, proxyTimeout: 2, serverTimeout: 3000 },
    })
  })

  test('trap 4 SSMB-13 what is decided once more is told from what an earlier question repeats', async () => {
    const { ask, segment, farm, fromClient } = await start('http', () => ({ node: farm.node(1) }))
    const serial = ask(0, AppType.http, bytes(request))
    const question = { ...fromClient(0), reason: QueryReason.open, protocol: 6, serial }
    const repeat = (more: object = {}) => {
      const data = { type: AppType.http, data: bytes(request) }
      segment.send(appQueryMessage({ ...question, ...data, ...more }))
    }
    repeat()
    for (let n = 0; n < 2; n++) repeat({ again: true })
    await segment.until(() => segment.replies.length === 4)
    const { another } = SsmbFlags
    expect(segment.replies.map(({ flags }) => flags & another)).toEqual([0, 0, another, another])
    const ports = segment.replies.map(({ newSourcePort }) => newSourcePort)
    expect(ports.slice(0, 2)).toEqual([0, 0])
    expect(ports[2]).toBeGreaterThanOrEqual(1024)
    expect(ports[3]).toBe(ports[2])
  })

  test('HS-20 where a node fails each of its pool is asked once, three at most', async () => {
    const { ask, segment, farm, engine, fromClient } = await start('http', () => ({
      node: farm.node(1),
    }))
    const serial = ask(0, AppType.http, bytes(request))
    const flow = { ...fromClient(0), serial, type: AppType.http, data: bytes(request) }
    const failed = (failedNode: number) => {
      const question = { reason: QueryReason.open, protocol: 6, again: true, failedNode }
      segment.send(appQueryMessage({ ...flow, ...question }))
    }
    const answer = async (count: number) => {
      await segment.until(() => segment.replies.length === count)
      return segment.replies[count - 1] as (typeof segment.replies)[number]
    }
    const first = await answer(1)
    failed(first.nodeId)
    const second = await answer(2)
    // The question was repeated before the answer came.
    failed(first.nodeId)
    expect((await answer(3)).newDestination).toBe(second.newDestination)
    failed(second.nodeId)
    const third = await answer(4)
    const given = [first, second, third].map(({ newDestination }) => newDestination)
    expect(given).toEqual([farm.node(1), farm.node(2), farm.node(3)])
    const counts = () => engine.status().pools[0]?.nodes.map(({ connections }) => connections)
    expect(counts()).toEqual([0, 0, 1])
    expect(engine.status().decisions).toMatchObject({ assigned: 1, unavailable: 0 })
    failed(third.nodeId)
    expect((await answer(5)).error).toBe(SsmbError.notavail)
    expect(engine.status().decisions).toMatchObject({ assigned: 0, unavailable: 1 })
    expect(counts()).toEqual([0, 0, 0])
    expect(engine.status().bus).toEqual({ invalid: 0, stale: 0 })
  })
})

describe('LB-15 LB-16 sessions of TLS', () => {
  const pools = (change: object = {}) => ({
    web: { nodes: [1, 2, 3].map((n) => farm.node(n)), balance: { hash: 'tls-session' }, ...change },
  })
  const { ...farm } = farmEndpoints(4)
  const config = (change: object = {}) =>
    farmConfig(4, () => ({
      pools: pools(change) as never,
      virtualServers: { site: { listen: `tcp://${farm.vip}`, inspect: 'tls', pool: 'web' } },
    }))
  /** What a hello with this session id says. */
  const hello = (id: string) => Uint8Array.from([id.length, ...bytes(id), 0, 0])

  async function startSessions() {
    const site = await startFarm(4, () => config())
    const { segment } = site
    /** Each from an address of its own. */
    const from = (client: number) => ({
      ...{ source: `192.0.2.${client}:4000`, destination: farm.vip, vsId: 1 },
    })
    const ask = async (client: number, id: string) => {
      const serial = segment.nextSerial()
      const question = { reason: QueryReason.open, protocol: 6, serial, type: AppType.tls }
      segment.send(appQueryMessage({ ...from(client), ...question, data: hello(id) }))
      const [reply] = await segment.repliesTo(serial)
      return { node: reply?.newDestination, serial, client }
    }
    const learn = (flow: { serial: number; client: number }, id: string) =>
      segment.send(appLearnMessage({ ...from(flow.client), serial: flow.serial, id: bytes(id) }))
    return { ...site, ask, learn }
  }

  test('who comes back with an id goes where it was given, from any address', async () => {
    const { ask, learn, engine } = await startSessions()
    const first = await ask(10, '')
    learn(first, 'session')
    const nodes = new Set<unknown>()
    for (let client = 11; client < 61; client++) {
      expect((await ask(client, 'session')).node).toBe(first.node)
      // An id that nobody gave, as of TLS 1.3: by the address.
      const { node } = await ask(client + 100, 'random')
      expect((await ask(client + 100, `random ${client}`)).node).toBe(node)
      nodes.add(node)
    }
    expect(nodes.size).toBe(3)
    await engine.reload(config({ fallback: undefined }))
    expect((await ask(70, 'session')).node).toBe(first.node)
    expect(engine.status().bus).toEqual({ invalid: 0, stale: 0 })
  })

  test('TCPX-06 a reload has the data flow segment forget what it learned of the nodes', async () => {
    const { segment, engine } = await startSessions()
    const told = () => segment.taken.filter((message) => message[1] === AddVsView.code).length
    expect(told()).toBe(1)
    await engine.reload(config({ nodes: [farm.node(1)] }))
    expect(told()).toBe(2)
  })

  test('while its node takes none it goes elsewhere, and on from where it was resumed', async () => {
    const { ask, learn, engine } = await startSessions()
    const first = await ask(10, '')
    learn(first, 'session')
    engine.setNode(String(first.node), 'draining')
    const second = await ask(11, 'session')
    expect(second.node).not.toBe(first.node)
    engine.setNode(String(first.node), 'active')
    expect((await ask(12, 'session')).node).toBe(first.node)
    learn(second, 'session')
    expect((await ask(13, 'session')).node).toBe(second.node)
  })

  test('of a flow that is over nothing is learned', async () => {
    const { ask, learn, engine, segment } = await startSessions()
    const [first, second] = [await ask(10, ''), await ask(11, 'session')]
    learn({ serial: segment.nextSerial(), client: 11 }, 'session')
    expect((await ask(11, 'session')).node).toBe(second.node)
    expect((await ask(10, 'session')).node).toBe(first.node)
    expect(engine.status().bus).toEqual({ invalid: 0, stale: 1 })
  })
})

describe('what is read', () => {
  test('LB-18 of a head that is cut the last line is left out', () => {
    const head = readRequest(bytes('GET / HTTP/1.1\r\nHost: a\r\nX-Part: le'), true)
    expect(head.headers).toEqual(Object.assign(Object.create(null), { host: 'a' }))
  })

  test('LB-18 targets of every form', () => {
    const of = (target: string) =>
      readRequest(bytes(`GET ${target} HTTP/1.0\r\nHost: h\r\n\r\n`), false)
    expect(of('http://x.test:8/p?q')).toMatchObject({ host: 'x.test:8', path: '/p', query: 'q' })
    expect(of('*')).toMatchObject({ host: 'h', path: '*', query: '' })
    expect(of('/p?a?b')).toMatchObject({ path: '/p', query: 'a?b', httpVersion: '1.0' })
  })

  test('LB-18 names that objects have by themselves are none of a request', () => {
    const { headers, cookies } = readRequest(bytes('GET / HTTP/1.1\r\n\r\n'), false)
    expect([headers.constructor, cookies.toString]).toEqual([undefined, undefined])
  })

  test('VS-19 a hello that is cut anywhere harms nobody', () => {
    const whole = Uint8Array.from([2, 7, 8, 0, 3, 65, 46, 98, 2, 104, 50, 1, 120])
    expect(readHello(whole)).toEqual({
      serverName: 'a.b',
      protocols: ['h2', 'x'],
      sessionId: '0708',
    })
    for (let end = 0; end < whole.length; end++) {
      expect(readHello(whole.subarray(0, end)).protocols.length).toBeLessThan(2)
    }
  })
})

describe('VS-23 what does not go together is told with key and remedy', () => {
  const site = 'virtualServers.site'
  test.each([
    ['a cookie without a name', { kind: 'cookie' }, `${site}.inspect`],
    ['a name without a cookie', { kind: 'http', name: 'a' }, `${site}.inspect.name`],
    ['a name that is none', { kind: 'cookie', name: 'a b' }, `${site}.inspect.name`],
    ['too large a window', { kind: 'http', maxBytes: '64KiB' }, `${site}.inspect.maxBytes`],
    ['no time', { kind: 'tls', timeoutMs: 0 }, `${site}.inspect.timeoutMs`],
    ['another fallback', { kind: 'tls', unread: 'drop' }, `${site}.inspect.unread`],
    ['an unknown key', { kind: 'http', limit: 1 }, `${site}.inspect.limit`],
  ])('%s', (_, inspect, key) => {
    const issue = issuesOf(changed({ [`${site}.inspect`]: inspect }))[key]
    expect(issue?.problem).toBeTruthy()
    expect(issue?.remedy).toBeTruthy()
  })

  const bySid = { hash: 'cookie', name: 'sid' }
  test.each([
    ['nothing read', bySid, undefined],
    ['another cookie', bySid, { kind: 'cookie', name: 'other' }],
    ['another protocol', bySid, 'tls'],
    ['a session of no TLS', { hash: 'tls-session' }, 'http'],
  ])('LB-04 LB-15 a pool balances by what is not read: %s', (_, balance, inspect) => {
    const changes = { 'pools.web.balance': balance, [`${site}.inspect`]: inspect }
    const issues = issuesOf(changed(changes))
    expect(issues[`${site}.inspect`]?.problem).toMatch(/balances by: hash/)
  })

  test.each([
    ['hash.name', { hash: 'cookie' }],
    ['hash of no name', { hash: 'url', name: 'x' }],
    ['hash of a header that is none', { hash: 'header', name: 'a b' }],
  ])('%s', (_, balance) => {
    expect(Object.keys(issuesOf(changed({ 'pools.web.balance': balance })))).toHaveLength(1)
  })
})
