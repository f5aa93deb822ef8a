import { setTimeout as delay } from 'node:timers/promises'
import { LaboratoryError } from './error.js'

/**
 * Asks again until `probe` answers with something else than false or undefined, and returns that.
 * @throws {LaboratoryError} when `timeoutMs` is over; `what` says what was awaited in vain.
 */
export async function until<T>(
  what: string | (() => string),
  probe: () => T | Promise<T>,
  timeoutMs = 10_000,
): Promise<Exclude<T, false | undefined>> {
  const deadline = Date.now() + timeoutMs
  while (true) {
    const answer = await probe()
    if (answer !== false && answer !== undefined) return answer as Exclude<T, false | undefined>
    if (Date.now() > deadline) {
      const text = typeof what === 'string' ? what : what()
      throw new LaboratoryError('ERR_SLUICE_LAB_TIMEOUT', `in vain for ${timeoutMs} ms: ${text}`)
    }
    await delay(5)
  }
}
