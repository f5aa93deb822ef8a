/** Which parts of a configuration a running engine cannot change. */
import type { ResolvedConfig } from './resolved.js'

/** Time-outs that only the control segment knows. */
const changeable = new Set(['timeouts.drainMs'])

/** What a running engine cannot change, each under the key that a user writes. */
function fixedParts(config: ResolvedConfig): Map<string, string> {
  const { ports, routes, forward, synCookies, workers, cpus, limits, timeouts } = config
  const parts: [string, unknown][] = [
    ...ports.map((port): [string, unknown] => [`ports.${port.name}`, port]),
    ...Object.entries({ routes, forward, synCookies, workers, cpus }),
    ...Object.entries(limits).map(([key, value]): [string, unknown] => [`limits.${key}`, value]),
    ...Object.entries(timeouts).map(([key, value]): [string, unknown] => [
      `timeouts.${key}`,
      value,
    ]),
  ]
  return new Map(
    parts
      .filter(([key]) => !changeable.has(key))
      .map(([key, value]) => [key, JSON.stringify(value)]),
  )
}

/** The keys that differ between two configurations and need a new engine. */
export function restartKeys(before: ResolvedConfig, after: ResolvedConfig): string[] {
  const [old, next] = [fixedParts(before), fixedParts(after)]
  const keys = new Set([...old.keys(), ...next.keys()])
  return [...keys].filter((key) => old.get(key) !== next.get(key))
}
