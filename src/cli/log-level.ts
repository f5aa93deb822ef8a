/** Levels of the log of `sluice run`, from SLUICE_LOG. */
const levels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']

export const defaultLogLevel = 'warn'

/** What is wrong with a level, in words; undefined where nothing is. */
export function logLevelProblem(level: string | undefined): string | undefined {
  if (!level || levels.includes(level)) return undefined
  return `error: SLUICE_LOG is '${level}'; take one of ${levels.join(', ')}`
}
