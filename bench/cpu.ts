/** CPU time of the whole machine: what a packet costs in softirqs is on nobody's account. */
import { readFileSync } from 'node:fs'

/** Ticks a second of /proc/stat: USER_HZ, 100 on every Linux. */
const TICKS = 100

/** Runs `load`; returns what it returns and the seconds that all cores together were busy meanwhile. */
export async function withCpuSeconds<T>(load: () => Promise<T>): Promise<[T, number]> {
  const before = busyTicks(readFileSync('/proc/stat', 'utf8'))
  const result = await load()
  return [result, (busyTicks(readFileSync('/proc/stat', 'utf8')) - before) / TICKS]
}

/** user, nice, system, irq and softirq; not idle, iowait and what the hypervisor took (proc_stat(5)). */
export function busyTicks(stat: string): number {
  const fields = /^cpu +(.*)$/m.exec(stat)?.[1]?.split(' ').map(Number)
  if (!fields || fields.length < 7) throw new Error(`/proc/stat says: ${stat.slice(0, 100)}`)
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = fields
  return user + nice + system + irq + softirq
}
