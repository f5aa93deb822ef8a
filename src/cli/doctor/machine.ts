/**
 * What the doctor asks of the machine. Reads and tries, changes nothing; the judgement is in
 * machine-checks.ts, which takes a `Machine` as a value so that tests can make one up.
 */
import { readFileSync } from 'node:fs'
import { release } from 'node:os'
import {
  addonFile,
  type CapabilityName,
  capabilities,
  effectiveCapabilities,
  type HostCapabilities,
  trySteering,
  type XdpSupport,
  xdpSupport,
} from '../../index.js'

export interface Machine {
  nodeVersion: string
  kernel: string
  /** The native part, or why it does not load. */
  addon: { file: string } | { error: string }
  /** What this very process may do, here and now. */
  privileges: readonly CapabilityName[]
  /** What the host allows, if need be in namespaces of its own. */
  host: HostCapabilities
  /** Whether the kernel steers packets to several workers, or why not. */
  steering: { works: true } | { error: string }
  /** Bytes that may still be taken, by the machine and by the control group. */
  memoryAvailable: number
}

export async function readMachine(): Promise<Machine> {
  return {
    nodeVersion: process.versions.node,
    kernel: release(),
    addon: readAddon(),
    privileges: effectiveCapabilities(),
    host: await capabilities(),
    steering: readSteering(),
    memoryAvailable: memoryAvailable(text('/proc/meminfo'), cgroupHeadroom()),
  }
}

/** The smaller of what `/proc/meminfo` calls available and of what the control group leaves. */
export function memoryAvailable(meminfo: string, headroom: number): number {
  const kib = /^MemAvailable:\s*(\d+) kB/m.exec(meminfo)?.[1]
  return Math.min(kib === undefined ? Infinity : Number(kib) * 1024, headroom)
}

function cgroupHeadroom(): number {
  const limit = Number(text('/sys/fs/cgroup/memory.max'))
  const used = Number(text('/sys/fs/cgroup/memory.current'))
  return limit > 0 ? limit - used : Infinity
}

function readAddon(): Machine['addon'] {
  try {
    return { file: addonFile() }
  } catch (error) {
    // The sentence goes on with where it was looked for.
    return { error: (error as Error).message.split('\n', 1)[0] ?? '' }
  }
}

function readSteering(): Machine['steering'] {
  try {
    trySteering()
    return { works: true }
  } catch (error) {
    return { error: (error as Error).message.split('\n', 1)[0] ?? '' }
  }
}

/** What the driver of a device says of XDP; nothing is known without the addon. */
export function readXdpSupport(netns: string, device: string): XdpSupport {
  try {
    return xdpSupport(netns, device)
  } catch {
    return 'unknown'
  }
}

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
