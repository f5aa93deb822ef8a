/** curl in a laboratory's client namespace. */
import type { Namespace } from '../../src/laboratory/index.js'
import { TRANSFER_MS } from './transfer-size.js'

export interface Fetched {
  /** Of the answer; 0 where there was none. */
  status: number
  body: string
  /** curl's exit code; 0 where the transfer was complete. */
  exitCode: number
  /** The client's own end of the connection, as nginx logs it: `192.0.2.10:40000`. */
  client: string
  bytes: number
  connections: number
}

export interface FetchOptions {
  /** Writes the body there instead of returning it. */
  output?: string
  /** More arguments for curl. */
  args?: string[]
  timeoutMs?: number
}

/** Marks the line of figures that follows the body. */
const FIGURES = '\n--figures--'

/** `http://ADDRESS[:PORT]PATH`, with brackets where they belong. */
export function url(address: string, path = '/', port = 80): string {
  const host = address.includes(':') ? `[${address}]` : address
  return `http://${host}${port === 80 ? '' : `:${port}`}${path}`
}

/** Fetches and gives the SHA-256 of the body, which may be larger than memory, in its place. */
export async function curlSha256(
  from: Namespace,
  target: string,
  args: string[] = [],
): Promise<Fetched> {
  const limits = `--connect-timeout 10 --max-time ${TRANSFER_MS / 1000}`
  const options = `-sS -g ${limits} ${args.join(' ')} -w '%{stderr}%{json}'`
  const script = `curl ${options} '${target}' | sha256sum`
  const { stdout, stderr, code } = await from.tryExec('bash', ['-o', 'pipefail', '-c', script], {
    timeoutMs: TRANSFER_MS + 10_000,
  })
  const [line = '{}'] = /^\{.*\}$/m.exec(stderr) ?? []
  const figures = JSON.parse(line) as Record<string, number | string>
  return {
    ...fetched([figures]),
    body: stdout.split(' ', 1)[0] ?? '',
    exitCode: code ?? -1,
  }
}

/** Fetches and returns what came, also where the transfer failed. */
export async function curl(
  from: Namespace,
  target: string | string[],
  options: FetchOptions = {},
): Promise<Fetched> {
  const targets = Array.isArray(target) ? target : [target]
  const seconds = (options.timeoutMs ?? 30_000) / 1000
  // -g: an IPv6 address in brackets is no pattern. The figures come once for each transfer.
  const args = ['-sS', '-g', '--max-time', String(seconds), '-w', `${FIGURES}%{json}\n`]
  const outputs = targets.flatMap((one) => (options.output ? [one, '-o', options.output] : [one]))
  const result = await from.tryExec('curl', [...args, ...(options.args ?? []), ...outputs], {
    timeoutMs: (seconds + 5) * 1000,
  })
  const parts = result.stdout.split(FIGURES)
  const figures = parts.slice(1).map((part) => {
    const [line = '{}'] = part.split('\n', 1)
    return JSON.parse(line) as Record<string, number | string>
  })
  return { ...fetched(figures), body: parts[0] ?? '', exitCode: result.code ?? -1 }
}

/** What curl's figures say, one object for each transfer. */
function fetched(figures: Record<string, number | string>[]) {
  const last = figures.at(-1) ?? {}
  const address = String(last.local_ip ?? '')
  return {
    status: Number(last.http_code ?? 0),
    client: `${address.includes(':') ? `[${address}]` : address}:${last.local_port}`,
    bytes: figures.reduce((sum, one) => sum + Number(one.size_download), 0),
    connections: figures.reduce((sum, one) => sum + Number(one.num_connects), 0),
  }
}
