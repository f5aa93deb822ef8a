/** Errors as the administration interface tells them: a status, and a body that is the same for all. */
import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { SluiceError } from '../errors.js'

const statusByCode: Readonly<Record<string, ContentfulStatusCode>> = {
  ERR_SLUICE_ADMIN_NOT_FOUND: 404,
  ERR_SLUICE_ADMIN_REQUEST: 400,
  ERR_SLUICE_ADMIN_UNSUPPORTED: 501,
  ERR_SLUICE_ADMIN_READ_ONLY: 403,
  ERR_SLUICE_ADMIN_CERTIFICATE: 422,
  ERR_SLUICE_ADMIN_BUSY: 503,
  ERR_SLUICE_CAPTURE: 400,
  ERR_SLUICE_BUSY: 409,
  ERR_SLUICE_CONFIG: 422,
  ERR_SLUICE_RESTART: 409,
  ERR_SLUICE_NODE: 404,
  ERR_SLUICE_NO_VIRTUAL_SERVER: 404,
  ERR_SLUICE_STOPPED: 503,
  ERR_SLUICE_TIMEOUT: 504,
}

/** `{ "error": { "code", "message", "remedy", "issues"? } }` */
export function problem(c: Context, error: unknown): Response {
  const { code, message, remedy, issues } = asSluiceError(error)
  const body = { error: { code, message, remedy, ...(issues.length > 0 && { issues }) } }
  return c.json(body, statusByCode[code] ?? 500)
}

export function unsupported(sentence: string, remedy: string): SluiceError {
  return new SluiceError('ERR_SLUICE_ADMIN_UNSUPPORTED', sentence, remedy)
}

function asSluiceError(error: unknown): SluiceError {
  if (error instanceof SluiceError) return error
  return new SluiceError(
    'ERR_SLUICE_ADMIN_INTERNAL',
    error instanceof Error ? error.message : String(error),
    'This is a defect of Sluice: please report it, with the log of the engine.',
    { cause: error },
  )
}
