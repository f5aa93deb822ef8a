/** How addresses are written, as JSON Schema can say it; the readings know more. */
import type { JsonForm } from './readers.js'

const address = '[0-9A-Fa-f.:]+'
const endpoint = '([0-9.]+|\\[[0-9A-Fa-f.:]+\\]):[0-9]{1,5}'

const text = (pattern: string): JsonForm => ({ type: 'string', pattern: `^${pattern}$` })

export const addressForm: JsonForm = text(address)
export const prefixForm: JsonForm = text(`${address}/[0-9]{1,3}`)
export const endpointForm: JsonForm = text(endpoint)
/** An endpoint of one of these protocols. */
export const listenForm = (protocols: readonly string[]): JsonForm =>
  text(`(${protocols.join('|')})://${endpoint}`)
