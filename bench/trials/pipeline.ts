/**
 * `pipeline`: the native ladder of cost, over ports in memory. Each rung does what the one before
 * does and one stage more, so that differences mean something.
 */
import { BenchmarkProgram } from '../google-benchmark.js'
import type { Subject, Trial } from '../trial.js'

const PROGRAM = new BenchmarkProgram('sluice_bench')

export const pipeline: Trial = {
  name: 'pipeline',
  about:
    'The native pipeline over ports in memory, no kernel and no wire: each rung does one stage ' +
    'more than the one before. Loss: packets that a rung should have passed on and did not.',
  metrics: [{ name: 'time', unit: 'ns/packet', better: 'lower' }],
  runs: 3,
  laboratory: false,
  subjects: async () => (PROGRAM.built ? (await PROGRAM.rows()).map(subjectOf) : [ABSENT]),
  comparisons: [],
}

const ABSENT: Subject = {
  name: 'pipeline_bench',
  unavailable: async () => `${PROGRAM.path} is not built`,
  measure: async () => [],
}

function subjectOf(name: string): Subject {
  return {
    name,
    unavailable: async () => undefined,
    measure: (options) => PROGRAM.measure(name, options),
  }
}
