import type { Trial } from '../trial.js'
import { decisions } from './decisions.js'
import { decisionsDelay } from './decisions-delay.js'
import { decisionsOverload } from './decisions-overload.js'
import { frames } from './frames.js'
import { latency } from './latency.js'
import { lookup } from './lookup.js'
import { memory } from './memory.js'
import { pipeline } from './pipeline.js'
import { plain } from './plain.js'
import { workers } from './workers.js'

/** All trials, in the order in which they run. */
export const TRIALS: readonly Trial[] = [
  pipeline,
  lookup,
  plain,
  workers,
  latency,
  frames,
  decisions,
  decisionsDelay,
  decisionsOverload,
  memory,
]
