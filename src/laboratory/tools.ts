/** Programs of this host that laboratories, tests and measurements use. */
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** PATH with the sbin folders, where nginx and nft live and which a plain user's often lacks. */
export function toolPath(): string {
  return [process.env.PATH ?? '', '/usr/sbin', '/sbin'].join(delimiter)
}

/** Those of `tools` that are not installed. */
export function missingTools(...tools: string[]): string[] {
  const folders = toolPath().split(delimiter)
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
