/** What the administration interface answers: metrics, lists, orders, events. */
import { spawnSync } from 'node:child_process'
import { describe, expect, test, vi } from 'vitest'
import { createAdminApp } from '../../src/admin/app.js'
import { exposition } from '../../src/admin/exposition.js'
import { metricsOf } from '../../src/admin/metrics.js'
import type { AdminSource } from '../../src/admin/source.js'
import { SluiceError } from '../../src/errors.js'
import { EventLog } from '../../src/event-log.js'
import { counterNames } from '../../src/generated/counters.js'
import { dropReasonNames } from '../../src/generated/drop-reasons.js'
import { missingTools } from '../../src/laboratory/index.js'
import { silentLogger } from '../../src/logger.js'
import { exampleFlow, exampleStatus } from '../helpers/example-status.js'

function source(more: Partial<AdminSource> = {}): AdminSource {
  return {
    status: () => exampleStatus,
    eachFlow: async () => [exampleFlow],
    setNode: vi.fn(),
    setVirtualServer: vi.fn(),
    ...more,
  }
}

const ask = (of: AdminSource, path: string, body?: unknown) =>
  createAdminApp(of, { write: true }).request(
    path,
    body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) },
  )

describe('/metrics', () => {
  const text = exposition(metricsOf(exampleStatus, '1.2.3'))

  test('is the text format 0.0.4', async () => {
    const answer = await ask(source(), '/metrics')
    expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(await answer.text()).toContain('\nsluice_ready 1\n')
  })

  test('promtool finds nothing to say', ({ skip }) => {
    if (missingTools('promtool').length > 0) skip('not installed: promtool. Run scripts/setup.')
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
      input: text,
      encoding: 'utf8',
    })
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' })
  })

  test('STAT-01 has every counter, and every drop reason also where nothing was dropped', () => {
    for (const name of counterNames) {
      expect(text).toContain(`# TYPE sluice_${snake(name)}_total counter\n`)
    }
    for (const name of dropReasonNames) {
      const value = name === 'land' ? 3 : 0
      expect(text).toContain(`sluice_dropped_packets_total{reason="${snake(name)}"} ${value}\n`)
    }
  })

  test.each([
    'sluice_info{version="1.2.3",policy_revision="0123456789ab"} 1',
    'sluice_uptime_seconds 61',
    'sluice_port_rx_frames_total{port="outside",device="eth0"} 1',
    'sluice_decisions_total{result="rejected"} 4',
    'sluice_policy_failures_total{failure="errors"} 5',
    'sluice_decisions_pending 6',
    'sluice_virtual_server_up{virtual_server="site",listen="tcp://192.0.2.100:80"} 1',
    'sluice_node_up{pool="web",node="[2001:db8::12]:80"} 0',
    'sluice_node_bytes_total{pool="web",node="10.1.0.11:80",direction="out"} 300000',
    'sluice_pool_refused_total{pool="web"} 2',
    'sluice_bus_unusable_messages_total{reason="stale"} 1',
  ])('%s', (line) => expect(text.split('\n')).toContain(line))

  test('values are escaped', () => {
    const sample = [{ name: 'a"b\\c\nd' }, 1] as const
    const odd = { name: 'x', type: 'gauge', help: 'a\\b\nc', samples: [sample] } as const
    expect(exposition([odd])).toBe(
      '# HELP x a\\\\b\\nc\n# TYPE x gauge\nx{name="a\\"b\\\\c\\nd"} 1\n',
    )
  })
})

const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

describe('/api/v1', () => {
  test.each([
    ['pools', exampleStatus.pools],
    ['virtual-servers', exampleStatus.virtualServers],
    ['drops', exampleStatus.drops],
  ])('%s is the part of the status', async (path, part) => {
    expect(await (await ask(source(), `/api/v1/${path}`)).json()).toEqual(part)
  })

  test('flows are made as they are read', async () => {
    let made = 0
    function* flows() {
      for (; made < 1_000_000; made++) yield { ...exampleFlow, client: `client ${made}` }
    }
    const answer = await ask(source({ eachFlow: async () => flows() }), '/api/v1/flows')
    const reader = answer.body?.getReader()
    await reader?.read()
    expect(made).toBeLessThan(2000)
    await reader?.cancel()
  })

  test.each([[0], [1], [1000]])('%i flows are a JSON array', async (count) => {
    const flows = Array.from({ length: count }, () => exampleFlow)
    const answer = await ask(source({ eachFlow: async () => flows }), '/api/v1/flows')
    expect(await answer.json()).toEqual(flows)
  })

  test('drain gives the order, and answers what it understood', async () => {
    const engine = source({ drainProcess: vi.fn() })
    const tell = async (body: object) => (await ask(engine, '/api/v1/drain', body)).json()
    expect(await tell({ node: '10.1.0.11:80', pool: 'web' })).toEqual({
      node: '10.1.0.11:80',
      pool: 'web',
      state: 'draining',
    })
    await tell({ node: '10.1.0.11:80', state: 'maintenance' })
    await tell({ virtualServer: 'site', state: 'active' })
    await tell({ process: true, timeoutMs: 1000 })
    expect(vi.mocked(engine.setNode).mock.calls).toEqual([
      ['10.1.0.11:80', 'draining', 'web'],
      ['10.1.0.11:80', 'maintenance', undefined],
    ])
    expect(engine.setVirtualServer).toHaveBeenCalledExactlyOnceWith('site', 'active')
    expect(engine.drainProcess).toHaveBeenCalledExactlyOnceWith(1000)
  })

  test.each([
    ['nothing', {}],
    ['no JSON', undefined],
    ['more than it takes', { node: 'x', else: 1 }],
    ['a time that is none', { process: true, timeoutMs: -1 }],
  ])('a body that says %s is refused with the remedy', async (_, body) => {
    const answer = await createAdminApp(source(), { write: true }).request('/api/v1/drain', {
      method: 'POST',
      body: body === undefined ? '{' : JSON.stringify(body),
    })
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({
      error: { code: 'ERR_SLUICE_ADMIN_REQUEST', remedy: expect.stringContaining('"node"') },
    })
  })

  test('a body without end is cut off', async () => {
    const answer = await ask(source(), '/api/v1/drain', { node: 'x'.repeat(100_000) })
    expect(await answer.json()).toMatchObject({
      error: { message: 'The body has more than 65536 bytes.' },
    })
  })

  test('an order that fails has its code, its remedy and its status', async () => {
    const setNode = () => {
      throw new SluiceError('ERR_SLUICE_NODE', 'No pool has a node x.', 'Look at the pools.')
    }
    const answer = await ask(source({ setNode }), '/api/v1/drain', { node: 'x' })
    expect(answer.status).toBe(404)
    expect(await answer.json()).toEqual({
      error: {
        code: 'ERR_SLUICE_NODE',
        message: 'No pool has a node x.',
        remedy: 'Look at the pools.',
      },
    })
  })

  test('what the program does not do is said to be so', async () => {
    for (const [path, body] of [
      ['/api/v1/reload', {}],
      ['/api/v1/drain', { process: true }],
      ['/events', undefined],
    ] as const) {
      const answer = await ask(source(), path, body)
      expect(answer.status).toBe(501)
      expect(await answer.json()).toMatchObject({
        error: { code: 'ERR_SLUICE_ADMIN_UNSUPPORTED' },
      })
    }
  })
})

describe('/events', () => {
  const decoder = new TextDecoder()

  async function follow(events: EventLog) {
    const answer = await ask(source({ events }), '/events')
    expect(answer.headers.get('content-type')).toBe('text/event-stream')
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader()
    const read = async () => decoder.decode((await reader.read()).value)
    expect(await read()).toBe(': sluice\n\n')
    return { read, cancel: () => reader.cancel() }
  }

  test('each event comes with its name, its number and its data', async () => {
    const events = new EventLog(silentLogger, () => 0)
    const reader = await follow(events)
    events.info({ event: 'reload', policyRevision: 'b' }, 'in force')
    events.warn(
      { event: 'policy', code: 'ERR_SLUICE_POLICY', err: new Error('oh'), answer: { a: 1n } },
      'it threw',
    )
    expect(await reader.read()).toBe(
      'id: 1\nevent: reload\ndata: {"event":"reload","at":"1970-01-01T00:00:00.000Z",' +
        '"level":"info","message":"in force","policyRevision":"b"}\n\n',
    )
    expect(await reader.read()).toContain(
      '"message":"it threw","code":"ERR_SLUICE_POLICY","err":"oh"}',
    )
    await reader.cancel()
  })

  test('a reader that does not read loses events, and is told how many', async () => {
    const events = new EventLog(silentLogger)
    const reader = await follow(events)
    for (let n = 0; n < 5000; n++) events.info({ event: 'node', node: `node ${n}` }, 'down')
    let text = ''
    while (!text.includes('node 7777')) {
      events.info({ event: 'node', node: 'node 7777' }, 'down')
      text += await reader.read()
    }
    expect(text.length).toBeLessThan(80_000)
    const lost = Number(/event: lost\ndata: \{"lost":(\d+)\}/.exec(text)?.[1])
    const seen = text.match(/"node":"node \d+"/g)?.length ?? 0
    expect(lost).toBeGreaterThan(4000)
    expect(seen).toBeLessThan(1000)
    await reader.cancel()
  })

  test('there is a bound on readers, and one that goes makes room', async () => {
    const app = createAdminApp(source({ events: new EventLog(silentLogger) }), { write: true })
    const all = await Promise.all(Array.from({ length: 64 }, async () => app.request('/events')))
    expect((await app.request('/events')).status).toBe(503)
    await all[0]?.body?.cancel()
    expect((await app.request('/events')).status).toBe(200)
  })
})

describe('a log', () => {
  test('keeps repetitions back, and tells how many with the next that passes', () => {
    let now = 0
    const told: object[] = []
    const logger = { ...silentLogger, warn: (details: object) => void told.push(details) }
    const log = new EventLog(logger, () => now)
    const about = (virtualServer: string) =>
      ({ event: 'policy', code: 'ERR_SLUICE_POLICY', virtualServer }) as const
    for (let n = 0; n < 100; n++) log.warn(about('site'), 'it threw')
    log.warn(about('other'), 'it threw')
    expect(told).toHaveLength(21)
    now = 10_000
    log.warn(about('site'), 'it threw')
    expect(told.at(-1)).toEqual({ ...about('site'), keptBack: 80 })
  })
})
