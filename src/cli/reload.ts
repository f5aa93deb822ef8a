/**
 * `sluice reload`: has a running engine read its configuration again, and says what came of it.
 */
import type { ReloadResult } from '../index.js'
import { tellEngine } from './admin-client.js'
import type { Command } from './context.js'
import { type EngineAtOptions, engineAt } from './engine-at.js'
import { ExitCode } from './exit-code.js'

interface ReloadOptions extends EngineAtOptions {
  json?: boolean
}

export const reload: Command<ReloadOptions> = async (options, { terminal, env }) => {
  const result = await tellEngine<ReloadResult>(await engineAt(options, env), '/api/v1/reload')
  if (options.json) terminal.printJson(result)
  else if (result.changed) terminal.print(`reloaded: policy revision ${result.policyRevision}`)
  else terminal.print(`nothing has changed: policy revision ${result.policyRevision}`)
  return ExitCode.ok
}
