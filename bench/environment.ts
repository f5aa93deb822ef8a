/** The machine and the versions that a figure belongs to. No number is reported without this. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { arch, cpus, loadavg, release, totalmem, version } from 'node:os'
import { congestionControl } from '../src/laboratory/sysctls.js'

export interface Environment {
  date: string
  /** With `+` behind it where the working tree differs. */
  commit: string
  kernel: string
  arch: string
  cpu: string
  cores: number
  memoryGiB: number
  /** Frequency governor, or 'none' where the machine shows none, as virtual ones do. */
  governor: string
  node: string
  compiler: string
  /** Of the kernel's TCP in the laboratories. */
  congestionControl: string
  /** Load average of the last minute at the start: what else ran. */
  load: number
}

export function environment(): Environment {
  const changed = output('git', 'status', '--porcelain', '--untracked-files=no') !== ''
  return {
    date: new Date().toISOString(),
    commit: `${output('git', 'rev-parse', '--short=12', 'HEAD') || 'unknown'}${changed ? '+' : ''}`,
    kernel: `${release()} ${version()}`,
    arch: arch(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    governor: governor(),
    node: process.version,
    compiler: output('c++', '--version').split('\n')[0] || 'unknown',
    congestionControl: congestionControl(),
    load: loadavg()[0] ?? 0,
  }
}

function governor(): string {
  const path = '/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor'
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : 'none'
}

function output(command: string, ...args: string[]): string {
  const { stdout } = spawnSync(command, args, { encoding: 'utf8' })
  return (stdout ?? '').trim()
}
