/** A session as users see it. */
import { formatEndpoint } from '../bus/address.js'
import { protocolName } from '../protocol.js'
import { eventsIn } from './flow-events.js'
import { FlowFlags, type FlowView } from './flow-table.js'
import { destinationOf, protocolOf, sourceOf } from './signature.js'
import type { FlowRecord } from './status.js'
import { reportTraffic } from './traffic.js'

export function reportFlow(session: FlowView): FlowRecord {
  const { words, signatureAt, node, server } = session
  const listen = formatEndpoint(destinationOf(words, signatureAt))
  return {
    client: formatEndpoint(sourceOf(words, signatureAt)),
    virtualServer: server?.name ?? null,
    listen,
    server: node?.name ?? listen,
    protocol: protocolName(protocolOf(words, signatureAt)),
    mode: !node && session.has(FlowFlags.bridged) ? 'bridge' : 'translate',
    seen: eventsIn(session.seen),
    ...reportTraffic(session.sessionTotals()),
    openedAt: new Date(session.openedAt).toISOString(),
    lastActiveAt: new Date(session.lastActiveAt).toISOString(),
  }
}
