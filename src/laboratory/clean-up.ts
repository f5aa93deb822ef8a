/**
 * Removal of laboratories, without waiting: it also runs while the process ends. What belongs to
 * whom is in the names (owner.ts), so the removal of one's own and of abandoned ones is the same.
 */
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import {
  abandonedNames,
  killMembers,
  NAMESPACE_FOLDER,
  namespacesOf,
  removeAbandonedFolders,
} from './owner.js'

interface Cleanable {
  readonly prefix: string
  readonly folder: string
  killProcesses(): void
}

const live = new Set<Cleanable>()
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Answers for the laboratory until `unregister`; also removes what others left behind. */
export function register(lab: Cleanable): void {
  removeNamespaces(abandonedNames(NAMESPACE_FOLDER))
  removeAbandonedFolders()
  if (live.size === 0) {
    process.on('exit', removeAll)
    for (const signal of SIGNALS) process.on(signal, onSignal)
  }
  live.add(lab)
}

/** Removes the laboratory. */
export function unregister(lab: Cleanable): void {
  if (!live.delete(lab)) return
  remove(lab)
  if (live.size > 0) return
  process.off('exit', removeAll)
  for (const signal of SIGNALS) process.off(signal, onSignal)
}

function removeAll(): void {
  for (const lab of live) remove(lab)
}

function remove(lab: Cleanable): void {
  lab.killProcesses()
  removeNamespaces(namespacesOf(lab.prefix))
  rmSync(lab.folder, { recursive: true, force: true })
}

function removeNamespaces(names: readonly string[]): void {
  if (names.length === 0) return
  killMembers(names)
  // -force: somebody else may be removing the same leftovers. Devices go with their namespace.
  const input = names.map((name) => `netns delete ${name}\n`).join('')
  spawnSync('ip', ['-force', '-batch', '-'], { input, stdio: ['pipe', 'ignore', 'ignore'] })
}

/** Where the program has a handler of its own, that one ends the process and `exit` cleans up. */
function onSignal(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) > 1) return
  removeAll()
  live.clear()
  process.off(signal, onSignal)
  process.kill(process.pid, signal)
}
