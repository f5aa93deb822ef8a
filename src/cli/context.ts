/**
 * What a command gets beside its arguments, and what it is.
 */
import type { ExitCode } from './exit-code.js'
import type { Terminal } from './terminal.js'

export interface Context {
  readonly terminal: Terminal
  readonly env: NodeJS.ProcessEnv
}

/** Runs to its end and says how it went; throws for main.ts to report. */
export type Command<Options> = (options: Options, context: Context) => Promise<ExitCode>
