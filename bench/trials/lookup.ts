/**
 * `lookup`: what the flow table costs by itself, and DPDK's `rte_hash` with the same keys. The
 * number behind a name is how many keys the table has.
 */
import { BenchmarkProgram } from '../google-benchmark.js'
import type { Subject, Trial } from '../trial.js'

const PROGRAM = new BenchmarkProgram('lookup_bench')

const COMPARED = [
  'find/1024',
  'find/32768',
  'find/1048576',
  'miss/1048576',
  'insert/1048576',
  'delete/1048576',
]
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
  runs: 5,
  laboratory: false,
  subjects: async () => [
    ...COMPARED.flatMap((row) => [subject(`sluice_${row}`), subject(`rte_hash_${row}`)]),
    ...LIFE.map((row) => subject(`sluice_${row}`, 'time of a flow')),
  ],
  comparisons: COMPARED.map((row) => ({ subject: `sluice_${row}`, peer: `rte_hash_${row}` })),
}

function subject(name: string, metric = 'time'): Subject {
  return {
    name,
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
