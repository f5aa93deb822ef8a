/** Rows of the Google Benchmark programs that the folders of `native/` become. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../src/laboratory/lab-process.js'
import { root } from '../test/helpers/repository.js'
import type { MeasureOptions, Sample } from './trial.js'

/** Each row states what it handled as items, and may count those of them that were lost. */
export class BenchmarkProgram {
  readonly path: string
  #rows: Promise<string[]> | undefined

  constructor(name: string) {
    this.path = join(root, 'out/cmake/build', name)
  }

  get built(): boolean {
    return existsSync(this.path)
  }

  /** The names of its rows; none where it is not built. */
  rows(): Promise<string[]> {
    this.#rows ??= this.#list()
    return this.#rows
  }

  async measure(row: string, { seconds }: MeasureOptions): Promise<Sample[]> {
    const { stdout } = await run([
      this.path,
      `--benchmark_filter=^${row}$`,
      // The figure alone: version 1.7 takes no unit.
      `--benchmark_min_time=${seconds / 4}`,
      '--benchmark_format=json',
    ])
    return [sampleOf(stdout)]
  }

  async #list(): Promise<string[]> {
    if (!this.built) return []
    const { stdout } = await run([this.path, '--benchmark_list_tests'])
    return stdout.split('\n').filter(Boolean)
  }
}

interface Row {
  name: string
  error_message?: string
  iterations: number
  /** Of one iteration, in nanoseconds. */
  cpu_time: number
  items_per_second?: number
  /** Items. */
  loss?: number
}

/**
 * Nanoseconds an item.
 * @throws {Error} where the row does not say how many items it handled.
 */
export function sampleOf(json: string): Sample {
  const { benchmarks } = JSON.parse(json) as { benchmarks: Row[] }
  const [row] = benchmarks
  if (!row?.items_per_second) {
    throw new Error(`${row?.name}: ${row?.error_message ?? 'states no items per second'}`)
  }
  const items = (row.items_per_second * row.cpu_time * row.iterations) / 1e9
  const loss = row.loss === undefined ? null : row.loss / items
  return { metric: 'time', value: 1e9 / row.items_per_second, loss }
}
