import type { Probe, Target } from './probe.js'

/**
 * A check of the user's. An answer of false, or an error that it throws, says that the server is not
 * well; anything else that it is. A promise may answer.
 */
export type CheckFunction = (node: Target, options: { readonly signal: AbortSignal }) => unknown

/** While a call has not come to its end, signal or no signal, the server is not looked at again. */
export function functionProbe(check: CheckFunction): Probe {
  const busy = new Set<Target>()
  return async (target, signal) => {
    if (busy.has(target)) throw new Error('the check before has not ended')
    busy.add(target)
    try {
      if ((await check(target, { signal })) === false) throw new Error('the check says so')
    } finally {
      busy.delete(target)
    }
  }
}
