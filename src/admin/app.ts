/**
 * The administration interface as a web application: what is asked and what is answered, without a
 * word on where it listens. It knows of the engine only what `AdminSource` says.
 */
import { Hono } from 'hono'

/** What the administration interface asks of an engine; every `Engine` is one. */
export interface AdminSource {
  status(): { ready: boolean }
  flows(): Promise<readonly object[]>
}

export function createAdminApp(source: AdminSource): Hono {
  const app = new Hono()

  app.get('/healthz', (c) => c.text('ok\n'))
  app.get('/readyz', (c) =>
    source.status().ready ? c.text('ready\n') : c.text('not ready\n', 503),
  )
  app.get('/api/v1/status', (c) => c.json(source.status()))
  app.get('/api/v1/flows', async (c) => c.json(await source.flows()))

  app.notFound((c) => c.json(problem('ERR_ADMIN_NOT_FOUND', `there is no ${c.req.path} here`), 404))
  app.onError((error, c) => c.json(problem('ERR_ADMIN_INTERNAL', error.message), 500))
  return app
}

function problem(code: string, message: string) {
  return { error: { code, message } }
}
