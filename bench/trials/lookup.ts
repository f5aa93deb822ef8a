/**
 * `lookup`: what the flow table costs by itself, and DPDK's `rte_hash` with the same keys. The
 * number behind a name is how many keys the table has.
 */
import { BenchmarkProgram } from '../google-benchmark.js'
import type { Subject, Trial } from '../trial.js'

const PROGRAM = new BenchmarkProgram('lookup_bench')

const FOUND = ['find/1024', 'find/32768', 'find/1048576']
const OTHERS = ['miss/1048576', 'insert/1048576', 'delete/1048576']
const COMPARED = [...FOUND, ...OTHERS]
const LIFE = ['enter/1048576', 'evict/1048576', 'expire/1048576']

export const lookup: Trial = {
  name: 'lookup',
  about:
    'Keys looked up 64 at a time in random order, hashing included; entered and deleted one by ' +
    'one. A flow has two keys, one for each direction. Of `sluice` alone: whole flows entered, ' +
    'entered where another has to give way, and ended by silence.',
  metrics: [
    { name: 'time', unit: 'ns/key', better: 'lower' },
    { name: 'time of a flow', unit: 'ns/flow', better: 'lower' },
  ],
  runs: 7,
  laboratory: false,
  subjects: async () => [
    ...FOUND.flatMap((row) => [subject(`sluice_${row}`), subject(`rte_hash_${row}`)]),
    ...OTHERS.flatMap((row) => [subject(`sluice_${row}`, 3), subject(`rte_hash_${row}`, 3)]),
    ...LIFE.map((row) => subject(`sluice_${row}`, 3, 'time of a flow')),
  ],
  comparisons: COMPARED.map((row) => ({ subject: `sluice_${row}`, peer: `rte_hash_${row}` })),
}

function subject(name: string, runs?: number, metric = 'time'): Subject {
  return {
    name,
    runs,
    unavailable: async () => {
      if (!PROGRAM.built) return `${PROGRAM.path} is not built`
      if ((await PROGRAM.rows()).includes(name)) return undefined
      return 'built without DPDK (Debian: libdpdk-dev)'
    },
    measure: async (options) => {
      const samples = await PROGRAM.measure(name, options)
      return samples.map((sample) => ({ ...sample, metric }))
    },
  }
}
