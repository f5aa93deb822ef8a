/** Where the engine reports what happens to it. A pino logger is one. Never called per packet. */

/** What can happen; docs/operation.md has what each one tells. */
export const eventNames = [
  'ready',
  'reload',
  'reloadRefused',
  'watch',
  'node',
  'policy',
  'service',
  'refusals',
  'drain',
  'capture',
  'adminAddress',
  'adminRefused',
  'strayError',
  'privileges',
  'serviceManager',
  'virtualServersLost',
  'sourceKept',
] as const

export interface LogDetails {
  readonly event: (typeof eventNames)[number]
  readonly [detail: string]: unknown
}

/** What needs attention has a code to look up in docs/troubleshooting.md. */
export interface TroubleDetails extends LogDetails {
  readonly code: string
}

export interface Logger {
  debug(details: LogDetails, message: string): void
  info(details: LogDetails, message: string): void
  warn(details: TroubleDetails, message: string): void
  error(details: TroubleDetails, message: string): void
}

const ignore = () => {}

export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore }
