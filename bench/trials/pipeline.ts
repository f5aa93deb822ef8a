/**
 * `pipeline`: the native ladder of cost, over ports in memory. Each rung does what the one before
 * does and one stage more, so that differences mean something.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../../src/laboratory/lab-process.js'
import { root } from '../../test/helpers/repository.js'
import type { MeasureOptions, Sample, Subject, Trial } from '../trial.js'

/** A Google Benchmark program. Each row states its packets as items and may count those lost. */
const PROGRAM = join(root, 'out/cmake/build/sluice_bench')

export const pipeline: Trial = {
  name: 'pipeline',
  about:
    'The native pipeline over ports in memory, no kernel and no wire: each rung does one stage ' +
    'more than the one before. Loss: packets that a rung should have passed on and did not.',
  metrics: [{ name: 'time', unit: 'ns/packet', better: 'lower' }],
  runs: 5,
  laboratory: false,
  subjects: async () => (existsSync(PROGRAM) ? (await rungs()).map(subjectOf) : [ABSENT]),
  comparisons: [],
}

const ABSENT: Subject = {
  name: 'pipeline_bench',
  unavailable: async () => `${PROGRAM} is not built`,
  measure: async () => [],
}

async function rungs(): Promise<string[]> {
  const { stdout } = await run([PROGRAM, '--benchmark_list_tests'])
  return stdout.split('\n').filter(Boolean)
}

function subjectOf(name: string): Subject {
  return { name, unavailable: async () => undefined, measure: (options) => measure(name, options) }
}

async function measure(name: string, { seconds }: MeasureOptions): Promise<Sample[]> {
  const { stdout } = await run([
    PROGRAM,
    `--benchmark_filter=^${name}$`,
    // The figure alone: version 1.7 takes no unit.
    `--benchmark_min_time=${seconds / 4}`,
    '--benchmark_format=json',
  ])
  return [sampleOf(stdout)]
}

interface Row {
  name: string
  error_message?: string
  iterations: number
  /** Of one iteration, in nanoseconds. */
  cpu_time: number
  items_per_second?: number
  /** Packets. */
  loss?: number
}

/** @throws {Error} where the row does not say how many packets it handled. */
export function sampleOf(json: string): Sample {
  const { benchmarks } = JSON.parse(json) as { benchmarks: Row[] }
  const [row] = benchmarks
  if (!row?.items_per_second) {
    throw new Error(`${row?.name}: ${row?.error_message ?? 'states no items per second'}`)
  }
  const packets = (row.items_per_second * row.cpu_time * row.iterations) / 1e9
  const loss = row.loss === undefined ? null : row.loss / packets
  return { metric: 'time', value: 1e9 / row.items_per_second, loss }
}
