/**
 * Runs the subjects of a trial in turn, A B C A B C, so that whatever else the machine does meets
 * all of them alike, and each run in a fresh process, so that none profits from the one before.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { SubjectSamples } from './statistics.js'
import type { MeasureOptions, Sample, Subject, Trial } from './trial.js'

export interface Omission {
  trial: string
  subject: string
  reason: string
}

export interface TrialOutcome {
  measured: SubjectSamples[]
  /** What this machine cannot run. */
  skipped: Omission[]
  /** What it should have been able to run. */
  failed: Omission[]
}

export interface RunOptions extends MeasureOptions {
  runs: number
  /** Part of the names of the subjects to run. */
  subject: string
  /** Told before each run. */
  onRun(trial: string, subject: string, run: number): void
}

/** The first argument of the process that makes one run. */
export const MEASURE = '--measure'

/** Beyond the loads themselves: laying, starting and removing. */
const RUN_LIMIT_MS = 120_000

export async function runTrial(trial: Trial, options: RunOptions): Promise<TrialOutcome> {
  const outcome: TrialOutcome = { measured: [], skipped: [], failed: [] }
  const running = new Map<string, Sample[]>()
  const runsOf = new Map<string, number>()
  const subjects = await trial.subjects()
  for (const subject of subjects.filter(({ name }) => name.includes(options.subject))) {
    const reason = await subject.unavailable()
    runsOf.set(subject.name, Math.min(options.runs, subject.runs ?? options.runs))
    if (reason === undefined) running.set(subject.name, [])
    else outcome.skipped.push({ trial: trial.name, subject: subject.name, reason })
  }
  for (let run = 1; run <= options.runs; run++) {
    for (const [subject, samples] of running) {
      if (run > (runsOf.get(subject) ?? 0)) continue
      options.onRun(trial.name, subject, run)
      try {
        samples.push(...(await measureInFreshProcess(trial.name, subject, options)))
      } catch (error) {
        const reason = (error as Error).message
        outcome.failed.push({ trial: trial.name, subject, reason })
        running.delete(subject)
      }
    }
  }
  outcome.measured = [...running].map(([subject, samples]) => ({ subject, samples }))
  return outcome
}

/** What the fresh process does: one run, its samples as the last line of its output. */
export async function measureHere(
  subject: Subject | undefined,
  options: MeasureOptions,
): Promise<void> {
  if (!subject) throw new Error('no such subject')
  const samples = await subject.measure(options)
  process.stdout.write(`${JSON.stringify(samples)}\n`)
}

async function measureInFreshProcess(
  trial: string,
  subject: string,
  { seconds }: MeasureOptions,
): Promise<Sample[]> {
  const args = [fileURLToPath(import.meta.url), MEASURE, trial, subject, String(seconds)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)]
  const end = () => child.kill('SIGTERM')
  const late = setTimeout(end, RUN_LIMIT_MS)
  process.on('exit', end)
  const [code] = await once(child, 'close')
  clearTimeout(late)
  process.off('exit', end)
  const line = stdout().trim().split('\n').at(-1)
  if (code !== 0 || !line) throw new Error(stderr().trim() || `exit code ${code}`)
  return JSON.parse(line) as Sample[]
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  return () => Buffer.concat(chunks).toString()
}
