/** Programs of this host that laboratories, tests and measurements use. */
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Those of `tools` that are not installed. */
export function missingTools(...tools: string[]): string[] {
  // A plain user's PATH often lacks the sbin folders, where nginx and nft live.
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']
  return tools.filter((tool) => !folders.some((folder) => isExecutable(join(folder, tool))))
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
