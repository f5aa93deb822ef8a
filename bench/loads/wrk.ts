/** wrk: many connections that fetch one object for a stated time. */
import type { Namespace } from '../../src/laboratory/index.js'

export interface WrkOptions {
  seconds: number
  /** Open at the same time. */
  connections: number
  headers?: Record<string, string>
}

export interface WrkResult {
  /** Answered in all. */
  requests: number
  /** Read in all, of answers that were not whole at the end, too. */
  bytes: number
  /** That it took, as wrk has it. */
  seconds: number
  requestsPerSecond: number
  /** Share of requests that failed: refused, broken off, too late, or with another status. */
  loss: number
}

export async function wrk(from: Namespace, url: string, options: WrkOptions): Promise<WrkResult> {
  const { seconds, connections, headers = {} } = options
  // One thread: on a small machine more of them only take turns with what is measured.
  const args = ['-t', '1', '-c', String(connections), '-d', `${seconds}s`]
  for (const [name, value] of Object.entries(headers)) args.push('-H', `${name}: ${value}`)
  const { stdout } = await from.exec('wrk', [...args, url])
  return parseWrk(stdout)
}

export function parseWrk(text: string): WrkResult {
  const requests = number(/(\d+) requests in/, text)
  const [, seconds, read, unit = ''] = /in ([\d.]+)s, ([\d.]+)([KMGT]?)B read/.exec(text) ?? []
  const perSecond = number(/Requests\/sec:\s+([\d.]+)/, text)
  if (perSecond === undefined || requests === undefined) throw new Error(`wrk said: ${text}`)
  const errors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text)
  const broken = (errors?.slice(1) ?? []).reduce((sum, count) => sum + Number(count), 0)
  const refused = number(/Non-2xx or 3xx responses: (\d+)/, text) ?? 0
  const asked = requests + broken
  return {
    requests,
    seconds: Number(seconds),
    bytes: Number(read) * 1024 ** ' KMGT'.indexOf(unit || ' '),
    requestsPerSecond: perSecond,
    loss: asked === 0 ? 1 : (broken + refused) / asked,
  }
}

function number(pattern: RegExp, text: string): number | undefined {
  const match = pattern.exec(text)
  return match ? Number(match[1]) : undefined
}
