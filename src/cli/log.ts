/**
 * The log of `sluice run`, on stderr: stdout is for what the command has to say. Lines of JSON for
 * programs, of text for a person; the names of events and what they tell are the same.
 */
import { pino, stdTimeFunctions } from 'pino'
import type { Logger } from '../index.js'
import type { Terminal } from './terminal.js'

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export const logFormats = ['json', 'text'] as const
const defaultLevel = 'warn'

export interface LogOptions {
  logLevel?: (typeof logLevels)[number]
  logFormat?: (typeof logFormats)[number]
}

/** What is wrong with the level that SLUICE_LOG has, in words; undefined where nothing is. */
export function logLevelProblem(level: string | undefined): string | undefined {
  if (!level || logLevels.some((known) => known === level)) return undefined
  return `error: SLUICE_LOG is '${level}'; take one of ${logLevels.join(', ')}`
}

export function openLog(
  { logLevel, logFormat }: LogOptions,
  terminal: Terminal,
  env: NodeJS.ProcessEnv,
): Logger {
  const level = logLevel ?? (env.SLUICE_LOG || defaultLevel)
  const format = logFormat ?? (terminal.notesAreRead ? 'text' : 'json')
  return format === 'text' ? textLog(level, terminal) : jsonLog(level)
}

function jsonLog(level: string): Logger {
  return pino(
    {
      level,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ fd: 2, sync: true }),
  )
}

const styles = { debug: 'dim', info: 'green', warn: 'yellow', error: 'red' } as const

/** `2026-11-21T09:00:00.000Z warn  policy: a policy threw  virtualServer=site err="no such user"` */
function textLog(level: string, terminal: Terminal): Logger {
  const least = logLevels.indexOf(level as never)
  const write = (name: keyof Logger) => (details: object, message: string) => {
    if (logLevels.indexOf(name) < least) return
    const { event, ...others } = details as Record<string, unknown>
    const said = Object.entries(others).map(([key, value]) => `${key}=${inWords(value)}`)
    const head = `${new Date().toISOString()} ${terminal.style(styles[name], name.padEnd(5))}`
    terminal.note([`${head} ${event}: ${message}`, ...said].join('  '))
  }
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
}

function inWords(value: unknown): string {
  const plain = value instanceof Error ? value.message : value
  if (typeof plain === 'string' && /^[^\s"=]+$/.test(plain)) return plain
  try {
    return JSON.stringify(plain) ?? String(plain)
  } catch {
    return String(plain) // of what a policy answers, anything may come
  }
}
