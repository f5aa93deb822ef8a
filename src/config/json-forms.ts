/** How addresses are written, as JSON Schema can say it; the readings know more. */
import type { JsonForm } from './readers.js'

const address = '[0-9A-Fa-f.:]+'
const host = '([0-9.]+|\\[[0-9A-Fa-f.:]+\\])'
const endpoint = `${host}:[0-9]{1,5}`

const text = (pattern: string): JsonForm => ({ type: 'string', pattern: `^${pattern}$` })

export const addressForm: JsonForm = text(address)
export const prefixForm: JsonForm = text(`${address}/[0-9]{1,3}`)
export const endpointForm: JsonForm = text(endpoint)
/** An endpoint, or an address without a port. */
export const nodeForm: JsonForm = text(`${host}(:[1-9][0-9]{0,4})?`)
/** An endpoint of one of the first protocols, or an address of one of the others. */
export const listenForm = (ported: readonly string[], portless: readonly string[]): JsonForm =>
  text(`((${ported.join('|')})://${endpoint}|(${portless.join('|')})://${host})`)
