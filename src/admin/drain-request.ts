/** The body of `POST /api/v1/drain`, and what becomes of it. */
import { z } from 'zod'
import { SluiceError } from '../errors.js'
import { unsupported } from './problem.js'
import type { AdminSource } from './source.js'

const longestDrainMs = 7 * 24 * 3600 * 1000

const body = z.union([
  z.strictObject({
    node: z.string(),
    pool: z.string().optional(),
    state: z.enum(['draining', 'maintenance', 'active']).default('draining'),
  }),
  z.strictObject({
    virtualServer: z.string(),
    state: z.enum(['draining', 'active']).default('draining'),
  }),
  z.strictObject({
    process: z.literal(true),
    timeoutMs: z.int().min(0).max(longestDrainMs).default(longestDrainMs),
  }),
])

/** Carries it out; returns what was understood. @throws {SluiceError} */
export function drain(source: AdminSource, request: unknown): object {
  const { success, data } = body.safeParse(request)
  if (!success) throw notUnderstood()
  if ('node' in data) source.setNode(data.node, data.state, data.pool)
  else if ('virtualServer' in data) source.setVirtualServer(data.virtualServer, data.state)
  else if (source.drainProcess) source.drainProcess(data.timeoutMs)
  else throw unsupported('This program does not end with its engine.', 'Call Engine.drain() there.')
  return data
}

function notUnderstood(): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_ADMIN_REQUEST',
    'The body says nothing that can be drained.',
    'Send {"node":"10.1.0.11:80"}, {"virtualServer":"site"} or {"process":true}; "state":"active" ends it.',
  )
}
