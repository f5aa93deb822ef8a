/** What is planned and this version has not: refused by name rather than taken silently. */

/** Keys by the pattern of the object that they stand in. */
const laterKeys: Readonly<Record<string, readonly string[]>> = {
  'ports.*': ['queues'],
}

const among =
  (...values: unknown[]) =>
  (value: unknown) =>
    values.includes(value)

/** Values by the pattern of the key that has them. */
const laterValues: Readonly<Record<string, (value: unknown) => boolean>> = {
  'virtualServers.*.inspect': among('http', 'cookie', 'tls'),
  'pools.*.balance.hash': among('cookie', 'header', 'url', 'tls-session'),
}

/** Records that a user names: their keys are `*` in a pattern. */
const named = new Set(['ports', 'pools', 'virtualServers', 'nodes'])

function patternOf(path: readonly PropertyKey[]): string {
  return path.map((part, i) => (named.has(String(path[i - 1])) ? '*' : String(part))).join('.')
}

export function isLaterKey(path: readonly PropertyKey[], key: string): boolean {
  return laterKeys[patternOf(path)]?.includes(key) ?? false
}

export function isLaterValue(path: readonly PropertyKey[], value: unknown): boolean {
  return laterValues[patternOf(path)]?.(value) ?? false
}
