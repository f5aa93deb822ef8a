/** The query of `GET /api/v1/capture`. */
import { z } from 'zod'
import { type CaptureOptions, longestFrame } from '../capture.js'
import { SluiceError } from '../errors.js'

const query = z.strictObject({
  port: z.string().optional(),
  client: z.string().optional(),
  virtualServer: z.string().optional(),
  count: z.coerce.number().int().min(1).optional(),
  snapLength: z.coerce.number().int().min(14).max(longestFrame).optional(),
})

/** @throws {SluiceError} `ERR_SLUICE_ADMIN_REQUEST` */
export function captureRequest(given: Record<string, string>): CaptureOptions {
  const { success, data } = query.safeParse(given)
  if (success) return data
  throw new SluiceError(
    'ERR_SLUICE_ADMIN_REQUEST',
    'The query asks for a capture that there is none of.',
    'Its keys are port, client, virtualServer, count and snapLength (14 to 65557).',
  )
}
