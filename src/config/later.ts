/** What is planned and this version has not: refused by name rather than taken silently. */

/** Keys by the pattern of the object that they stand in. */
const laterKeys: Readonly<Record<string, readonly string[]>> = {
  'ports.*': ['queues'],
}

/** Records that a user names: their keys are `*` in a pattern. */
const named = new Set(['ports', 'pools', 'virtualServers', 'nodes'])

function patternOf(path: readonly PropertyKey[]): string {
  return path.map((part, i) => (named.has(String(path[i - 1])) ? '*' : String(part))).join('.')
}

export function isLaterKey(path: readonly PropertyKey[], key: string): boolean {
  return laterKeys[patternOf(path)]?.includes(key) ?? false
}
