/**
 * The administration interface as a web application: what is asked and what is answered, without a
 * word on where it listens. It knows of the engine only what `AdminSource` says.
 */
import { Hono } from 'hono'
import { SluiceError } from '../errors.js'
import { problem } from './problem.js'
import type { AdminSource } from './source.js'

export function createAdminApp(source: AdminSource): Hono {
  const app = new Hono()

  app.get('/healthz', (c) => c.text('ok\n'))
  app.get('/readyz', (c) =>
    source.status().ready ? c.text('ready\n') : c.text('not ready\n', 503),
  )
  app.get('/api/v1/status', (c) => c.json(source.status()))
  app.get('/api/v1/flows', async (c) => c.json(await source.flows()))
  app.post('/api/v1/reload', async (c) => c.json(await reloadFile(source)))

  app.notFound((c) => problem(c, notFound(c.req.path)))
  app.onError((error, c) => problem(c, error))
  return app
}

function reloadFile(source: AdminSource) {
  if (source.reloadFile) return source.reloadFile()
  throw new SluiceError(
    'ERR_SLUICE_ADMIN_UNSUPPORTED',
    'This engine was not started from a file, so there is none to read again.',
    'Call reload() where the engine was started.',
  )
}

function notFound(path: string): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_ADMIN_NOT_FOUND',
    `There is no ${path} here.`,
    'docs/operation.md has every address.',
  )
}
