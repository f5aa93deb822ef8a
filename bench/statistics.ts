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
  /** How many times better the subject is, whichever way the metric counts: the median of its pairs. */
  ratio: number
  min: number
  max: number
  /** A pair is one run of each, next to each other in time. */
  pairs: number
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

/** The ratios that the trial asks for, as far as both sides were measured. */
export function ratios(trial: Trial, measured: readonly SubjectSamples[]): Ratio[] {
  const values = (name: string, metric: string) =>
    measured
      .find(({ subject }) => subject === name)
      ?.samples.filter((sample) => sample.metric === metric)
      .map(({ value }) => value) ?? []
  return trial.comparisons.flatMap(({ subject, peer }) =>
    trial.metrics.flatMap(({ name, better }) => {
      const [own, other] = [values(subject, name), values(peer, name)]
      const [above, below] = better === 'higher' ? [own, other] : [other, own]
      // What has none of it is beyond comparison.
      const pairs = above
        .slice(0, below.length)
        .map((value, run) => value / (below[run] as number))
        .filter(Number.isFinite)
      if (pairs.length === 0) return []
      const spread = { min: Math.min(...pairs), max: Math.max(...pairs), pairs: pairs.length }
      return [{ trial: trial.name, metric: name, subject, peer, ratio: median(pairs), ...spread }]
    }),
  )
}
