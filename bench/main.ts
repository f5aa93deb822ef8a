/**
 * `npm run bench [-- FILTER ... --json FILE --runs N --seconds N --list]`: runs the trials whose names
 * contain a filter, all without one, prints a Markdown report and writes the JSON.
 */
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ensurePrivileges, LaboratoryError } from '../src/laboratory/index.js'
import { root } from '../test/helpers/repository.js'
import { environment } from './environment.js'
import { markdown, type Report } from './report.js'
import { MEASURE, measureHere, runTrial } from './runner.js'
import { ratios, summarize } from './statistics.js'
import { drawing } from './svg.js'
import type { Trial } from './trial.js'
import { TRIALS } from './trials/index.js'

const USAGE = `usage: npm run bench -- [FILTER ...] [options]

  FILTER         run the trials whose names contain one of these; all by default
  --json FILE    write { environment, results, ratios, skipped, failed } there;
                 default out/bench/report.json
  --svg FILE     draw the results there; default out/bench/report.svg
  --runs N       runs of each subject, interleaved; default: the trial's own
  --seconds N    length of each load; default 1
  --subject TEXT only the subjects whose names contain it
  --list         name the trials and their subjects
`

interface Options {
  trials: Trial[]
  json: string
  svg: string
  runs: number | undefined
  seconds: number
  subject: string
  list: boolean
}

class UsageError extends Error {}

/** Returns the exit code: 0, 1 where a subject failed, 2 for a wrong command line. */
export async function main(args: string[]): Promise<number> {
  if (args.includes('--help')) return say(USAGE)
  try {
    const options = parse(args)
    await checkSubject(options)
    if (!options.list) for (const file of [options.json, options.svg]) checkWritable(file)
    return options.list ? say(await listing(options.trials)) : await session(options)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    process.stderr.write(`bench: ${error.message}\n\n${USAGE}`)
    return 2
  }
}

/** One run of one subject, in the process that the runner started for it. */
async function measureOne([trial, subject, seconds]: string[]): Promise<void> {
  const subjects = await TRIALS.find(({ name }) => name === trial)?.subjects()
  await measureHere(
    subjects?.find(({ name }) => name === subject),
    { seconds: Number(seconds) },
  )
}

async function session({ trials, json, svg, runs, ...load }: Options): Promise<number> {
  if (trials.some(({ laboratory }) => laboratory)) await privilegesWherePossible()
  const report: Report = {
    environment: environment(),
    results: [],
    ratios: [],
    skipped: [],
    failed: [],
  }
  for (const trial of trials) {
    const outcome = await runTrial(trial, { ...load, runs: runs ?? trial.runs, onRun: progress })
    const results = summarize(trial, outcome.measured)
    report.results.push(...results)
    report.ratios.push(...ratios(trial, outcome.measured))
    report.skipped.push(...outcome.skipped)
    report.failed.push(...outcome.failed)
  }
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
  writeFileSync(json, `${JSON.stringify(report, null, 2)}\n`)
  writeFileSync(svg, drawing(report.results))
  say(`${markdown(report, trials)}\n`)
  return report.failed.length > 0 ? 1 : 0
}

/** Without privileges the subjects that need them say so in the report. */
async function privilegesWherePossible(): Promise<void> {
  try {
    await ensurePrivileges()
  } catch (error) {
    if (!(error instanceof LaboratoryError)) throw error
  }
}

function progress(trial: string, subject: string, run: number): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${trial}: ${subject}, run ${run}`)
}

function parse(args: string[]): Options {
  const { values, positionals } = split(args)
  const trials = TRIALS.filter(
    ({ name }) => positionals.length === 0 || positionals.some((filter) => name.includes(filter)),
  )
  const unknown = positionals.find((filter) => !TRIALS.some(({ name }) => name.includes(filter)))
  if (unknown !== undefined) {
    const names = TRIALS.map(({ name }) => name).join(', ')
    throw new UsageError(`no trial's name contains '${unknown}': there are ${names}`)
  }
  return {
    trials,
    json: values.json ?? join(root, 'out/bench/report.json'),
    svg: values.svg ?? join(root, 'out/bench/report.svg'),
    runs: positive('--runs', values.runs),
    seconds: positive('--seconds', values.seconds) ?? 1,
    subject: values.subject ?? '',
    list: values.list ?? false,
  }
}

function split(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        json: { type: 'string' },
        svg: { type: 'string' },
        runs: { type: 'string' },
        seconds: { type: 'string' },
        subject: { type: 'string' },
        list: { type: 'boolean' },
      },
    })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function positive(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) {
    throw new UsageError(`${option} takes a whole number from 1, not '${text}'`)
  }
  return value
}

/** A run may take minutes: it does not begin where its result could not be kept. */
function checkWritable(path: string): void {
  try {
    closeSync(openSync(path, 'a'))
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

async function checkSubject({ trials, subject }: Options): Promise<void> {
  const subjects = (await Promise.all(trials.map((trial) => trial.subjects()))).flat()
  if (subjects.some(({ name }) => name.includes(subject))) return
  throw new UsageError(`no subject's name contains '${subject}': --list names them`)
}

async function listing(trials: readonly Trial[]): Promise<string> {
  const lines = await Promise.all(
    trials.map(async (trial) => {
      const names = (await trial.subjects()).map(({ name }) => name)
      return `${trial.name}: ${names.join(', ')}\n`
    }),
  )
  return lines.join('')
}

function say(text: string): number {
  process.stdout.write(text)
  return 0
}

if (process.argv[2] === MEASURE) {
  measureOne(process.argv.slice(3)).catch((error: Error) => {
    // One line for the report; the runner shows what is here as the reason.
    process.stderr.write(`${process.env.DEBUG ? error.stack : error.message}\n`)
    process.exitCode = 1
  })
}
