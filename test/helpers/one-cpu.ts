/** Order on links that have none of their own. */
import { readFileSync } from 'node:fs'

/**
 * `cpus` of an engine with one worker: a veth hands on what each CPU has sent by itself, so a worker that moves to
 * another one overtakes its own packets, and the kernels at the ends count what comes of that against their peers.
 */
export function oneCpu(): [number] {
  const status = readFileSync('/proc/self/status', 'latin1')
  const [, cpu] = /^Cpus_allowed_list:\s*(\d+)/m.exec(status) ?? []
  if (cpu === undefined) throw new Error('no CPU is allowed')
  return [Number(cpu)]
}
