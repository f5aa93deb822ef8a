/** How busy a session is, for policies that look for the busiest and the quietest. */
import type { FlowActivity } from '../policy/new-flow.js'
import type { FlowView } from './flow-table.js'
import { sourceOf } from './signature.js'

/** It moved so many bytes more, the last of them then (milliseconds since 1970). */
export function noteActivity(session: FlowView, bytes: number, lastActiveAt: number): void {
  if (lastActiveAt > session.lastActiveAt) {
    session.recentSince = session.lastActiveAt
    session.recentBytes = 0
    session.lastActiveAt = lastActiveAt
  }
  session.recentBytes += bytes
}

export function activityOf(session: FlowView, now: number): FlowActivity {
  const seconds = Math.max(now - session.recentSince, 1) / 1000
  return {
    client: sourceOf(session.words, session.signatureAt),
    virtualServer: session.server?.name ?? null,
    node: session.node?.name ?? null,
    openedAt: session.openedAt,
    lastActiveAt: session.lastActiveAt,
    bytesPerSecond: session.recentBytes / seconds,
  }
}
