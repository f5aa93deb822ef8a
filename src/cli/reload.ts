/**
 * `sluice reload`: has a running engine read its configuration again, and says what came of it.
 */
import { defaultSocketPath, type ReloadResult } from '../index.js'
import { tellEngine } from './admin-client.js'
import type { Command } from './context.js'
import { ExitCode } from './exit-code.js'

interface ReloadOptions {
  json?: boolean
  socket?: string
}

export const reload: Command<ReloadOptions> = async ({ json, socket }, { terminal, env }) => {
  const path = socket ?? defaultSocketPath(env)
  const result = await tellEngine<ReloadResult>(path, '/api/v1/reload')
  if (json) terminal.printJson(result)
  else if (result.changed) terminal.print(`reloaded: policy revision ${result.policyRevision}`)
  else terminal.print(`nothing has changed: policy revision ${result.policyRevision}`)
  return ExitCode.ok
}
