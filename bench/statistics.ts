/** From the samples of a session to the figures of its report. */
import type { Metric, Sample, Trial } from './trial.js'

export interface Result {
  trial: string
  subject: string
  metric: string
  unit: string
  median: number
  min: number
  max: number
  runs: number
  /** The worst of all runs; null where no run could tell. */
  loss: number | null
}

export interface Ratio {
  trial: string
  metric: string
  subject: string
  peer: string
  /** How many times better the subject is, whichever way the metric counts. */
  ratio: number
}

export interface SubjectSamples {
  subject: string
  samples: Sample[]
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const [low, high] = [sorted[middle - 1], sorted[middle]]
  if (high === undefined) throw new RangeError('a median of nothing')
  return sorted.length % 2 === 0 && low !== undefined ? (low + high) / 2 : high
}

/** One result for each metric of each subject that was measured, in the order of both. */
export function summarize(trial: Trial, measured: readonly SubjectSamples[]): Result[] {
  return measured.flatMap(({ subject, samples }) =>
    trial.metrics.flatMap((metric) => {
      const own = samples.filter((sample) => sample.metric === metric.name)
      return own.length === 0 ? [] : [resultOf(trial.name, subject, metric, own)]
    }),
  )
}

function resultOf(trial: string, subject: string, metric: Metric, samples: Sample[]): Result {
  const values = samples.map(({ value }) => value)
  const losses = samples.flatMap(({ loss }) => (loss === null ? [] : [loss]))
  return {
    trial,
    subject,
    metric: metric.name,
    unit: metric.unit,
    median: median(values),
    min: Math.min(...values),
    max: Math.max(...values),
    runs: values.length,
    loss: losses.length === 0 ? null : Math.max(...losses),
  }
}

/** The ratios of medians that the trial asks for, as far as both sides were measured. */
export function ratios(trial: Trial, results: readonly Result[]): Ratio[] {
  const find = (subject: string, metric: string) =>
    results.find((result) => result.subject === subject && result.metric === metric)
  return trial.comparisons.flatMap(({ subject, peer }) =>
    trial.metrics.flatMap(({ name, better }) => {
      const [own, other] = [find(subject, name), find(peer, name)]
      if (!own || !other) return []
      const [above, below] = better === 'higher' ? [own, other] : [other, own]
      return [
        { trial: trial.name, metric: name, subject, peer, ratio: above.median / below.median },
      ]
    }),
  )
}
