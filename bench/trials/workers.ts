/**
 * `workers`: one worker, one that stays on its CPU, and two. Where clients, servers and workers share
 * the CPUs, more workers cannot carry more; what they cost then shows here. How they scale by
 * themselves is for `pipeline` to say.
 */
import { availableParallelism } from 'node:os'
import type { Trial } from '../trial.js'
import { sluice, subjectsOf } from '../variants.js'
import { METRICS, plainLoad } from './plain.js'

const STREAMS = 8
const KINDS = ['packet', 'tap'] as const
/** The last CPU: the kernel does most of its work of its own accord on the first. */
const CPU = availableParallelism() - 1

export const workers: Trial = {
  name: 'workers',
  about: `The loads of \`plain\`, with ${STREAMS} streams of iperf3.`,
  metrics: METRICS,
  runs: 3,
  laboratory: true,
  subjects: async () =>
    subjectsOf(
      KINDS.flatMap((kind) => [
        sluice(kind),
        sluice(kind, ', on one CPU', { cpus: [CPU] }),
        sluice(kind, ', 2 workers', { workers: 2 }),
      ]),
      plainLoad(STREAMS),
    ),
  comparisons: KINDS.flatMap((kind) =>
    ['on one CPU', '2 workers'].map((how) => ({
      subject: `sluice ${kind}, ${how}`,
      peer: `sluice ${kind}`,
    })),
  ),
}
