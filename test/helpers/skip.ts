/**
 * Skips by what the host lacks. A skipped test is counted by vitest and carries its reason, so that
 * a green run on a poor machine says what it did not show.
 */
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { beforeEach } from 'vitest'
import { capabilities, type HostCapabilities } from '../../src/laboratory/index.js'

let host: Promise<HostCapabilities> | undefined

/** Skips each test of the file or `describe` where the host lacks one of these. */
export function requireHost(...needed: (keyof HostCapabilities)[]): void {
  beforeEach(async ({ skip }) => {
    host ??= capabilities()
    const found = await host
    const missing = needed.find((name) => !found[name].available)
    if (missing) skip(`${missing}: ${found[missing].reason}. ${found[missing].remedy}`)
  })
}

/** Skips each test of the file or `describe` where one of these programs is not installed. */
export function requireTools(...tools: string[]): void {
  beforeEach(({ skip }) => {
    const missing = tools.filter((tool) => !isInstalled(tool))
    if (missing.length > 0) skip(`not installed: ${missing.join(', ')}. Run scripts/setup.`)
  })
}

export function isInstalled(tool: string): boolean {
  // A plain user's PATH often lacks the sbin folders, where nginx and nft live.
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']
  return folders.some((folder) => isExecutable(join(folder, tool)))
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
