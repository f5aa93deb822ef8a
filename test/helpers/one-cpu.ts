/** Order on links that have none of their own. */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/**
 * Keeps the workers of an engine in this process on one CPU. A veth hands on what each CPU has sent by itself:
 * a worker that moves to another one overtakes its own packets, and the kernels at the ends count what comes of
 * that against their peers. The main thread is left alone, and with it whatever it starts.
 */
export function keepWorkersOnOneCpu(): void {
  const status = readFileSync('/proc/self/status', 'latin1')
  const cpu = /^Cpus_allowed_list:\s*(\d+)/m.exec(status)?.[1]
  if (cpu === undefined) throw new Error('no CPU is allowed')
  for (const thread of readdirSync('/proc/self/task')) {
    if (thread !== String(process.pid)) execFileSync('taskset', ['-p', '-c', cpu, thread])
  }
}
