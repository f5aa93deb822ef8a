import type { Trial } from '../trial.js'
import { decisions } from './decisions.js'
import { decisionsDelay } from './decisions-delay.js'
import { decisionsOverload } from './decisions-overload.js'
import { frames } from './frames.js'
import { impaired } from './impaired.js'
import { inspect } from './inspect.js'
import { latency } from './latency.js'
import { lookup } from './lookup.js'
import { memory } from './memory.js'
import { memoryConnections } from './memory-connections.js'
import { pipeline } from './pipeline.js'
import { plain } from './plain.js'
import { routing } from './routing.js'
import { shortConnections } from './short-connections.js'
import { splice } from './splice.js'
import { stream } from './stream.js'
import { workers } from './workers.js'

/** All trials, in the order in which they run. */
export const TRIALS: readonly Trial[] = [
  pipeline,
  lookup,
  plain,
  stream,
  splice,
  inspect,
  routing,
  workers,
  latency,
  frames,
  decisions,
  decisionsDelay,
  decisionsOverload,
  impaired,
  shortConnections,
  memory,
  memoryConnections,
]
