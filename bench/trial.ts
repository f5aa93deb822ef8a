/** What a trial is. Trials are data; the runner knows how to run them and the report how to show them. */

export interface Metric {
  name: string
  unit: string
  /** Which way a ratio counts: above 1 is always in favour of the subject. */
  better: 'higher' | 'lower'
}

/** What one run of one subject found of one metric. */
export interface Sample {
  metric: string
  value: number
  /** Share of what was asked for and not delivered, 0 to 1; null where it cannot be told. */
  loss: number | null
}

export interface Subject {
  name: string
  /** Why it cannot run here; undefined where it can. Asked once, before the first run. */
  unavailable(): Promise<string | undefined>
  /** No more runs than these: where one takes long, or no goal asks for a ratio to it. */
  runs?: number | undefined
  /** One run, in a process of its own. */
  measure(options: MeasureOptions): Promise<Sample[]>
}

export interface MeasureOptions {
  /** How long each load lasts. */
  seconds: number
}

export interface Trial {
  name: string
  /** One sentence for the report: what is measured, with which load. */
  about: string
  metrics: Metric[]
  /** Runs of each subject unless `--runs` says otherwise. */
  runs: number
  /** Whether it lays laboratories, and so needs root or a user namespace. */
  laboratory: boolean
  subjects(): Promise<Subject[]>
  /** Pairs for the ratios. */
  comparisons: { subject: string; peer: string }[]
}
