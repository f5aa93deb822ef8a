/**
 * Who owns what a laboratory made. Namespaces and temporary folders carry their owner in the name,
 *
 *     slab-<pid>-<start>-<serial>-<role>        slab-4711-k3f9x-0-cli
 *
 * so that nothing else has to be kept: whoever comes later can tell the leftovers of a crash from
 * a laboratory in use. `start` is the owner's start time in clock ticks since boot, base 36: a pid
 * is used again, a pid with its start time is not.
 */
import { readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Where `ip netns` keeps the names of network namespaces. */
export const NAMESPACE_FOLDER = '/run/netns'

const OWNED_NAME = /^slab-(\d+)-([0-9a-z]+)-\d+(-|$)/

let serial = 0

/** A prefix that no other laboratory has, of this process or of any other. */
export function nextPrefix(): string {
  return `slab-${process.pid}-${startTime(process.pid)}-${serial++}`
}

/** Names below `folder` that belong to laboratories whose owner is gone. */
export function abandonedNames(folder: string): string[] {
  return list(folder).filter((name) => {
    const owner = OWNED_NAME.exec(name)
    return owner !== null && startTime(Number(owner[1])) !== owner[2]
  })
}

/** Names of namespaces that belong to laboratories of this process with `prefix`. */
export function namespacesOf(prefix: string): string[] {
  return list(NAMESPACE_FOLDER).filter((name) => name.startsWith(`${prefix}-`))
}

export function removeAbandonedFolders(): void {
  for (const name of abandonedNames(tmpdir())) {
    try {
      rmSync(join(tmpdir(), name), { recursive: true, force: true })
    } catch {
      // Another user's: it is theirs to remove.
    }
  }
}

/** Marks, in its environment, a process that a laboratory started outside its namespaces. */
export const OWNER_VARIABLE = 'SLUICE_LABORATORY'

/** Kills what still runs in the named namespaces or bears the mark of their laboratory. */
export function killMembers(namespaces: readonly string[]): void {
  const inodes = new Set(namespaces.map((name) => inodeOf(join(NAMESPACE_FOLDER, name))))
  const marks = new Set(namespaces.map((name) => OWNED_NAME.exec(name)?.[0].replace(/-$/, '')))
  for (const pid of list('/proc').filter((name) => /^\d+$/.test(name))) {
    const inode = namespaceOf(pid)
    const isInside = inode !== undefined && inodes.has(inode)
    if (isInside || marks.has(markOf(pid) ?? 'none')) kill(Number(pid))
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended by itself in between.
  }
}

/** Start time of a process, '' where there is none. */
function startTime(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The second field is the command in parentheses and may hold anything: count after it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const [state, ticks] = [fields[0], fields[19]]
    // A zombie owns nothing any more: it waits for its parent only.
    return state === 'Z' || state === 'X' ? '' : Number(ticks).toString(36)
  } catch {
    return ''
  }
}

function namespaceOf(pid: string): number | undefined {
  try {
    return Number(/\d+/.exec(readlinkSync(`/proc/${pid}/ns/net`))?.[0])
  } catch {
    return undefined
  }
}

function markOf(pid: string): string | undefined {
  try {
    const environment = readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0')
    const entry = environment.find((one) => one.startsWith(`${OWNER_VARIABLE}=`))
    return entry?.slice(OWNER_VARIABLE.length + 1)
  } catch {
    return undefined
  }
}

function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
