/**
 * What the demo has shown, as a value: printed by report.ts, or as it is with `--json`.
 */
import type { EngineStatus, Family } from '../../index.js'
import { isBalanced } from '../packet-balance.js'
import type { DownloadLog, VisitLog } from './client.js'
import type { PolicyText } from './farm.js'

export interface RequestsAbout {
  family: Family
  client: string
  /** What kind of client the policy sees in it. */
  role: 'anybody' | 'tester'
  /** Address and L4 port that the client asked. */
  virtualServer: string
  count: number
}

export interface Requests extends RequestsAbout, VisitLog {
  /** Who decided: the name of a balance algorithm, or `policy`. */
  decidedBy: string
}

export interface Download extends DownloadLog {
  family: Family
  bitsPerSecond: number
  equal: boolean
}

export interface DemoResult {
  ok: boolean
  ports: 'packet' | 'tap'
  policy: PolicyText
  servers: string[]
  requests: Requests[]
  downloads: Download[]
  packets: EngineStatus['packets']
  drops: EngineStatus['drops']
}

/** What went wrong, one sentence each; empty when the demo has shown what it promises. */
export function shortcomings({ requests, downloads, packets }: Omit<DemoResult, 'ok'>): string[] {
  return [
    ...requests.flatMap((one) => requestTrouble(one)),
    ...downloads.flatMap((one) => downloadTrouble(one)),
    ...(isBalanced(packets) ? [] : ['The packets received and the packets accounted for differ.']),
  ]
}

function requestTrouble({
  client,
  virtualServer,
  count,
  failures,
  recognized,
}: Requests): string[] {
  const route = `from ${client} to ${virtualServer}`
  const [first] = failures
  if (first) return [`${failures.length} of ${count} requests ${route} failed: ${first}.`]
  if (recognized === count) return []
  return [
    `${count - recognized} of ${count} requests ${route} reached a server under another address.`,
  ]
}

function downloadTrouble({ family, failure, equal }: Download): string[] {
  if (failure) return [`The bulk download over IPv${family} failed: ${failure}.`]
  return equal ? [] : [`The bulk download over IPv${family} does not have the hash that it should.`]
}
