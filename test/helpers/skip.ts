/**
 * Skips by what the host lacks. A skipped test is counted by vitest and carries its reason, so that
 * a green run on a poor machine says what it did not show.
 */
import { readFileSync } from 'node:fs'
import { beforeEach } from 'vitest'
import { capabilities, type HostCapabilities, missingTools } from '../../src/laboratory/index.js'

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
    const missing = missingTools(...tools)
    if (missing.length > 0) skip(`not installed: ${missing.join(', ')}. Run scripts/setup.`)
  })
}

/** Skips each test of the file or `describe` where tcpdump cannot run. */
export function requireCaptures(): void {
  requireHost('netns', 'afPacket')
  requireTools('tcpdump')
  beforeEach(({ skip }) => {
    // It gives up root's rights, even for those of root, and setgroups(2) is part of that.
    const denied = readFileSync('/proc/self/setgroups', 'utf8').trim() === 'deny'
    if (denied) skip('tcpdump needs setgroups(2), which a user namespace denies. Run as root.')
  })
}
