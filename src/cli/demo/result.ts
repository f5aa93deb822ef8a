/**
 * What the demo has shown, as a value: printed by report.ts, or as it is with `--json`.
 */
import type { EngineStatus, Family } from '../../index.js'
import { isBalanced } from '../packet-balance.js'
import type { DownloadLog, VisitLog } from './client.js'
import type { PolicyText } from './farm.js'
import { passedBytes, type Span } from './follow.js'

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

/** A download whose connection was read, let go and taken back. */
export interface Followed extends Download {
  spans: Span[]
}

export interface DemoResult {
  ok: boolean
  ports: 'packet' | 'tap'
  policy: PolicyText
  servers: string[]
  requests: Requests[]
  downloads: Download[]
  followed: Followed[]
  packets: EngineStatus['packets']
  drops: EngineStatus['drops']
}

/** What went wrong, one sentence each; empty when the demo has shown what it promises. */
export function shortcomings({
  requests,
  downloads,
  followed,
  packets,
}: Omit<DemoResult, 'ok'>): string[] {
  return [
    ...requests.flatMap((one) => requestTrouble(one)),
    ...downloads.flatMap((one) => downloadTrouble(one, 'bulk download')),
    ...followed.flatMap((one) => followedTrouble(one)),
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

function downloadTrouble({ family, failure, equal }: Download, what: string): string[] {
  if (failure) return [`The ${what} over IPv${family} failed: ${failure}.`]
  return equal ? [] : [`The ${what} over IPv${family} does not have the hash that it should.`]
}

/** Bytes that JavaScript did not have before the service read again. */
function passedBy(spans: readonly Span[]): number {
  const [first, ...others] = spans
  const again = others.find(({ mode }) => mode === 'proxied')
  return (again?.from ?? 0) - (first?.to ?? 0)
}

function followedTrouble(one: Followed): string[] {
  const route = `The connection that was followed over IPv${one.family}`
  const troubles = downloadTrouble(one, 'followed download')
  if (!one.spans.some(({ mode }) => mode === 'splice')) troubles.push(`${route} was not spliced.`)
  const passed = passedBy(one.spans)
  if (passed !== passedBytes) {
    troubles.push(`${route} came back behind ${passed} bytes, not ${passedBytes}.`)
  }
  return troubles
}
