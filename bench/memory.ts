/** Memory that is really there: reserved and untouched does not count. */
import { readFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Resident bytes of a process, exactly; `self` for this one. */
export function residentBytes(pid: number | 'self'): number {
  return kilobytesOf('Rss', readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')) * 1024
}

/** What the kernel's objects take that it cannot give up at will; flows that it tracks are of these. */
export function kernelObjectBytes(): number {
  return kilobytesOf('SUnreclaim', readFileSync('/proc/meminfo', 'utf8')) * 1024
}

/** What live JavaScript objects of this process take, typed arrays included. */
export function heapBytes(): number {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  // The bytes of array buffers that one collection frees leave `external` with the next.
  collect()
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** A row `NAME: 123 kB` of a file of /proc. @throws where it has none. */
export function kilobytesOf(name: string, text: string): number {
  const match = new RegExp(`^${name}: +(\\d+) kB$`, 'm').exec(text)
  if (!match) throw new Error(`no ${name} in: ${text.slice(0, 100)}`)
  return Number(match[1])
}
