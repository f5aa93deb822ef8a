import { createRequire } from 'node:module'

/** Version of this package. */
export function packageVersion(): string {
  return createRequire(import.meta.url)('../package.json').version
}
