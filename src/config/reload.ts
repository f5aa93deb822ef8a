/** Which parts of a configuration a running engine cannot change. */
import type { ResolvedConfig, ResolvedVirtualServer } from './resolved.js'

const sameText = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b)

const listenOf = ({ protocol, listen }: ResolvedVirtualServer) => ({ protocol, listen })

const restarting = ['ports', 'routes', 'forward', 'workers', 'cpus', 'limits', 'timeouts'] as const

/** The keys that differ between two configurations and need a new engine. */
export function restartKeys(before: ResolvedConfig, after: ResolvedConfig): string[] {
  const parts = restarting.filter((key) => !sameText(before[key], after[key]))
  const old = new Map(before.virtualServers.map((server) => [server.name, server]))
  const next = new Map(after.virtualServers.map((server) => [server.name, server]))
  const names = new Set([...old.keys(), ...next.keys()])
  const servers = [...names].filter((name) => {
    const [a, b] = [old.get(name), next.get(name)]
    return !a || !b || !sameText(listenOf(a), listenOf(b))
  })
  return [...parts, ...servers.map((name) => `virtualServers.${name}`)]
}
