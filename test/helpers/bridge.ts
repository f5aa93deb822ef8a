/** A site whose engine is a bridge, and what its hosts know of each other. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Namespace } from '../../src/laboratory/index.js'
import { writeContents } from './contents.js'
import { Site, type SiteOptions } from './site.js'

export function startBridge(options: Partial<SiteOptions> = {}): Promise<Site> {
  const { more = '', ...rest } = options
  return Site.start({
    topology: 'bridged',
    servers: 2,
    more: `forward: 'bridge', ${more}`,
    ...rest,
  })
}

export const ping = (from: Namespace, to: string, ...options: string[]) =>
  from.tryExec('ping', ['-c', '1', '-W', '5', ...options, to])

/** The MAC address that a host has in its list of neighbours for an address. */
export async function neighbour(of: Namespace, address: string): Promise<string | undefined> {
  const { stdout } = await of.exec('ip', ['-j', 'neigh', 'show', address])
  const [entry] = JSON.parse(stdout) as { lladdr?: string }[]
  return entry?.lladdr
}

export async function macOf(at: Namespace, device: string): Promise<string> {
  const { stdout } = await at.exec('ip', ['-j', 'link', 'show', 'dev', device])
  return (JSON.parse(stdout) as { address: string }[])[0]?.address ?? ''
}

/** A file on a server, and its SHA-256. */
export async function serveFile(site: Site, bytes: number): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bridge-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const sha256 = await writeContents(join(folder, 'file'), bytes)
  site.servers[0]?.linkFile(join(folder, 'file'))
  return sha256
}
