/**
 * Tells a person or a program why a command failed: one sentence, the code to look up in
 * docs/troubleshooting.md, and what to do. The stack is for those who set DEBUG.
 */
import type { ConfigIssue } from '../index.js'
import type { Context } from './context.js'
import { type ExitCode, exitCodeFor } from './exit-code.js'
import { plural } from './format.js'
import type { Terminal } from './terminal.js'

interface Failure {
  code: string
  message: string
  remedy?: string
  issues?: readonly ConfigIssue[]
}

/** Writes the error to stderr and returns the exit code that goes with it. */
export function reportError(error: unknown, context: Context, json: boolean): ExitCode {
  const failure = asFailure(error)
  if (json) context.terminal.note(JSON.stringify({ error: failure }))
  else reportInWords(failure, context.terminal)
  if (context.env.DEBUG && error instanceof Error) context.terminal.note(stackOf(error))
  return exitCodeFor(error)
}

/** What docs/troubleshooting.md has it under. */
export const codeOf = (error: unknown): string => asFailure(error).code

/** Two lines for each issue: what is wrong where, and what to do. */
export function issueLines(issues: readonly ConfigIssue[], terminal: Terminal): string[] {
  return issues.flatMap(({ key, problem, remedy }) => [
    `${terminal.style('bold', key)} ${problem}`,
    `  ${terminal.style('dim', remedy)}`,
  ])
}

function reportInWords(failure: Failure, terminal: Terminal): void {
  const { code, message, remedy, issues } = failure
  const label = terminal.style('red', 'error')
  // The message of a configuration error lists its issues, which get a line each here.
  const sentence = issues ? `The configuration has ${plural(issues.length, 'problem')}.` : message
  terminal.note(`${label}: ${sentence} ${terminal.style('dim', `(${code})`)}`)
  if (issues) for (const line of issueLines(issues, terminal)) terminal.note(`  ${line}`)
  else if (remedy) terminal.note(`  ${remedy}`)
}

function asFailure(error: unknown): Failure {
  const { code, message, remedy, issues } = (error ?? {}) as Partial<Failure>
  if (typeof code === 'string' && typeof message === 'string') {
    return { code, message, ...(remedy && { remedy }), ...(issues?.length && { issues }) }
  }
  return {
    code: 'ERR_UNEXPECTED',
    message: error instanceof Error ? error.message : String(error),
    remedy: 'This is a defect of Sluice: please report it, with what DEBUG=1 prints.',
  }
}

/** The stack, and those of the causes behind it. */
function stackOf(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${stackOf(error.cause)}` : ''
  return `${error.stack}${cause}`
}
