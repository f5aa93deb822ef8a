/**
 * The clients of the demo, run as one process in the clients' network namespace: reads an `Errand`
 * as JSON from stdin and prints a `Log` of what came of it. Each request is a connection of its own.
 */
import { createHash } from 'node:crypto'
import { get, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { Answer } from './server.js'

/** A client: `count` requests from `from`, out of the L4 ports from `firstPort` upwards. */
export interface Visit {
  url: string
  from: string
  firstPort: number
  count: number
}

export interface Errand {
  visits: Visit[]
  downloads: { url: string; bytes: number }[]
}

export interface VisitLog {
  /** How many requests each server answered. */
  answered: Record<string, number>
  /** How many servers saw the client's own address and port. */
  recognized: number
  /** Why requests failed. */
  failures: string[]
}

export interface DownloadLog {
  bytes: number
  seconds: number
  sha256: string
  /** What a server says that the hash should be. */
  expected: string
  /** Why it failed; '' when it did not. */
  failure: string
}

export interface Log {
  visits: VisitLog[]
  downloads: DownloadLog[]
}

/** Path of this program. */
export const clientProgram = fileURLToPath(import.meta.url)

/** Requests under way at once. */
const atOnce = 16
const patienceMs = 10_000

async function visit({ url, from, firstPort, count }: Visit): Promise<VisitLog> {
  const log: VisitLog = { answered: {}, recognized: 0, failures: [] }
  let next = 0
  const visitor = async () => {
    while (next < count) {
      const localPort = firstPort + next++
      try {
        const { server, client } = await ask(url, from, localPort)
        log.answered[server] = (log.answered[server] ?? 0) + 1
        if (client.address === from && client.port === localPort) log.recognized += 1
      } catch (error) {
        log.failures.push((error as Error).message)
      }
    }
  }
  await Promise.all(Array.from({ length: atOnce }, visitor))
  return log
}

async function ask(url: string, localAddress: string, localPort: number): Promise<Answer> {
  return JSON.parse(await text(await open(url, { localAddress, localPort })))
}

async function download({ url, bytes }: Errand['downloads'][number]): Promise<DownloadLog> {
  const log: DownloadLog = { bytes: 0, seconds: 0, sha256: '', expected: '', failure: '' }
  const hash = createHash('sha256')
  try {
    const body = await open(`${url}bulk/${bytes}`)
    const began = performance.now()
    for await (const chunk of body as AsyncIterable<Buffer>) {
      hash.update(chunk)
      log.bytes += chunk.length
    }
    log.seconds = (performance.now() - began) / 1000
    log.expected = await text(await open(`${url}hash/${bytes}`))
  } catch (error) {
    log.failure = (error as Error).message
  }
  log.sha256 = hash.digest('hex')
  return log
}

function open(url: string, local: object = {}): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent: false, timeout: patienceMs, ...local }, resolve)
    request.once('timeout', () => request.destroy(new Error(`no answer from ${url} in time`)))
    request.once('error', reject)
  })
}

async function main(): Promise<void> {
  const { visits, downloads } = JSON.parse(await text(process.stdin)) as Errand
  const log: Log = { visits: [], downloads: [] }
  for (const one of visits) log.visits.push(await visit(one))
  for (const one of downloads) log.downloads.push(await download(one))
  process.stdout.write(JSON.stringify(log))
}

if (process.argv[1] === clientProgram) await main()
