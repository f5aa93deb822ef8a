/**
 * `sluice schema`: what a configuration may have, as JSON Schema.
 */
import { configurationSchema } from '../index.js'
import type { Command } from './context.js'
import { ExitCode } from './exit-code.js'

export const schema: Command<object> = async (_, { terminal }) => {
  terminal.print(JSON.stringify(configurationSchema(), null, 2))
  return ExitCode.ok
}
