/** How busy a session is, for policies that look for the busiest and the quietest. */
import type { ActivityRanking, FlowActivity, NodeFigures } from '../policy/new-flow.js'
import { FlowFlags, type FlowTable, type FlowView, SessionState } from './flow-table.js'
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

function activityOf(session: FlowView, now: number): FlowActivity {
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

export class ActivityOfFlows implements ActivityRanking {
  constructor(
    private readonly table: FlowTable,
    private readonly now: () => number,
  ) {}

  busiest(count: number, of?: NodeFigures): FlowActivity[] {
    return this.#all(of)
      .sort((a, b) => b.bytesPerSecond - a.bytesPerSecond)
      .slice(0, count)
  }

  quietest(count: number, of?: NodeFigures): FlowActivity[] {
    return this.#all(of)
      .sort((a, b) => a.lastActiveAt - b.lastActiveAt)
      .slice(0, count)
  }

  #all(of: NodeFigures | undefined): FlowActivity[] {
    const [now, view, activities] = [this.now(), this.table.view(), [] as FlowActivity[]]
    for (const id of this.table.sessions()) {
      const { state, node } = view.at(id)
      if (of !== undefined && of !== node) continue
      if (state === SessionState.open && !view.has(FlowFlags.replaced)) {
        activities.push(activityOf(view, now))
      }
    }
    return activities
  }
}
