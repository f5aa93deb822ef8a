/** Packets and bytes of a flow, a session, a node or a virtual server. `in` is client to server. */
import type { Traffic } from './status.js'

export class TrafficTotals {
  packetsIn = 0
  bytesIn = 0
  packetsOut = 0
  bytesOut = 0

  add(more: Readonly<TrafficTotals>): void {
    this.packetsIn += more.packetsIn
    this.bytesIn += more.bytesIn
    this.packetsOut += more.packetsOut
    this.bytesOut += more.bytesOut
  }

  /** Seen from the other side. */
  swap(): void {
    const { packetsIn, bytesIn } = this
    this.packetsIn = this.packetsOut
    this.bytesIn = this.bytesOut
    this.packetsOut = packetsIn
    this.bytesOut = bytesIn
  }
}

export function reportTraffic(totals: Readonly<TrafficTotals>): Traffic {
  return {
    packets: { in: totals.packetsIn, out: totals.packetsOut },
    bytes: { in: totals.bytesIn, out: totals.bytesOut },
  }
}
