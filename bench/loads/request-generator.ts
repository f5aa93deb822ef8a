/** Requests at planned instants, and how long each takes: no slow answer delays the next request. */
import { join } from 'node:path'
import type { Namespace } from '../../src/laboratory/index.js'
import { root } from '../../test/helpers/repository.js'

export const GENERATOR = join(root, 'out/cmake/build/request_generator')

export interface RequestLoad {
  /** Requests a second. */
  rate: number
  seconds: number
  /** Open at the same time, at most. */
  connections: number
  /** Whether each request has a connection of its own; else they are kept alive. */
  connect: boolean
}

/** What the program prints; rates a second, times in microseconds. */
export interface Answers {
  /** Those that were planned. */
  requests: number
  unanswered: number
  /** Refused, broken off, or another answer than was asked for. */
  errors: number
  offered: number
  achieved: number
  p50: number
  p90: number
  p99: number
  p99_9: number
  max: number
  /** The median over the tenths of a second of the p99 of each. */
  median_p99: number
}

export async function requests(
  from: Namespace,
  { address, port, path }: { address: string; port: number; path: string },
  { rate, seconds, connections, connect }: RequestLoad,
): Promise<Answers> {
  const load = [connections, rate, seconds].map(String)
  const options = connect ? ['--connect'] : []
  const args = [...options, address, String(port), path, ...load]
  const { stdout } = await from.exec(GENERATOR, args, { timeoutMs: (seconds + 30) * 1000 })
  return JSON.parse(stdout) as Answers
}

/** Share of requests without their answer. */
export function lossOf({ requests, unanswered, errors }: Answers): number {
  return (unanswered + errors) / requests
}
