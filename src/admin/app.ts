/**
 * The administration interface as a web application: what is asked and what is answered, without a
 * word on where it listens. It knows of the engine only what `AdminSource` says.
 */
import { type Context, Hono, type Next } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { SluiceError } from '../errors.js'
import { packageVersion } from '../package-version.js'
import { captureRequest } from './capture-request.js'
import { drain } from './drain-request.js'
import { EventStreams } from './event-stream.js'
import { exposition, expositionType } from './exposition.js'
import { jsonList } from './json-list.js'
import { metricsOf } from './metrics.js'
import { networkMetrics } from './network-metrics.js'
import { problem, unsupported } from './problem.js'
import type { AdminSource } from './source.js'

/** Of a request. */
const mostBodyBytes = 65_536

/** What the one who asks may do. */
export interface AdminRights {
  /** Take orders, and show packets: else only what tells of the engine is answered. */
  readonly write: boolean
}

export function createAdminApp(source: AdminSource, { write }: AdminRights): Hono {
  const app = new Hono()
  if (!write) app.use(readOnly)
  app.get('/healthz', (c) => c.text('ok\n'))
  app.get('/readyz', (c) => {
    const { ready, state } = source.status()
    return ready ? c.text('ready\n') : c.text(`not ready: ${state}\n`, 503)
  })
  app.get('/metrics', (c) => {
    const metrics = [
      ...metricsOf(source.status(), packageVersion()),
      ...networkMetrics(source.network?.()),
    ]
    const text = exposition(metrics)
    return c.body(text, 200, { 'content-type': expositionType })
  })
  answerQuestions(app, source)
  takeOrders(app, source)
  streamEvents(app, source)
  streamCapture(app, source)
  app.notFound((c) => problem(c, notFound(c.req.method, c.req.path)))
  app.onError((error, c) => problem(c, error))
  return app
}

/** Packets are other people's: who may read figures may not read them. */
async function readOnly({ req }: Context, next: Next): Promise<void> {
  const asks = req.method === 'GET' || req.method === 'HEAD'
  if (asks && req.path !== '/api/v1/capture') return next()
  throw new SluiceError(
    'ERR_SLUICE_ADMIN_READ_ONLY',
    `Over the network ${req.method} ${req.path} is not for anybody.`,
    "Ask on the engine's host, over its Unix socket, or set `write: true` under `admin`.",
  )
}

function answerQuestions(app: Hono, source: AdminSource): void {
  app.get('/api/v1/status', async (c) => {
    // The data flow segment tells the counts of every flow, and with them those of its server.
    if (c.req.query('fresh') !== undefined) await source.eachFlow()
    return c.json(source.status())
  })
  app.get('/api/v1/pools', (c) => c.json(source.status().pools))
  app.get('/api/v1/virtual-servers', (c) => c.json(source.status().virtualServers))
  app.get('/api/v1/network', (c) => c.json(source.network?.() ?? null))
  app.get('/api/v1/drops', (c) => c.json(source.status().drops))
  app.get('/api/v1/flows', async (c) =>
    c.body(jsonList(await source.eachFlow()), 200, { 'content-type': 'application/json' }),
  )
}

function takeOrders(app: Hono, source: AdminSource): void {
  const small = bodyLimit({ maxSize: mostBodyBytes, onError: (c) => problem(c, tooLarge()) })
  app.post('/api/v1/reload', small, async (c) => {
    if (source.reloadFile) return c.json(await source.reloadFile())
    throw unsupported('This engine was not started from a file.', 'Call Engine.reload() there.')
  })
  app.post('/api/v1/drain', small, async (c) => c.json(drain(source, await jsonOf(c))))
}

function streamEvents(app: Hono, { events }: AdminSource): void {
  const streams = events && new EventStreams(events)
  app.get('/events', (c) => {
    if (!streams) throw unsupported('This engine tells no events.', 'Give it an EventLog.')
    const headers = { 'content-type': 'text/event-stream', 'cache-control': 'no-store' }
    return c.body(streams.open(), 200, headers)
  })
}

function streamCapture(app: Hono, source: AdminSource): void {
  app.get('/api/v1/capture', async (c) => {
    const options = captureRequest(c.req.query())
    if (!source.capture) throw unsupported('This engine shows no packets.', 'Ask another one.')
    const headers = { 'content-type': 'application/x-pcapng', 'cache-control': 'no-store' }
    return c.body(await source.capture(options), 200, headers)
  })
  app.delete('/api/v1/capture', (c) => c.json({ ended: source.stopCapture?.() ?? false }))
}

/** What is not JSON is not understood, like other values. */
const jsonOf = (c: Context): Promise<unknown> => c.req.json().catch(() => undefined)

function tooLarge(): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_ADMIN_REQUEST',
    `The body has more than ${mostBodyBytes} bytes.`,
    'Send what docs/operation.md shows.',
  )
}

function notFound(method: string, path: string): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_ADMIN_NOT_FOUND',
    `There is no ${method} ${path} here.`,
    'docs/operation.md has every address.',
  )
}
