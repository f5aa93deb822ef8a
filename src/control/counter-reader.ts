/** Reads the counters of a data flow segment into objects by name. */
import type { ResolvedPort } from '../config/resolved.js'
import { counterNames, gaugeNames, portCounterNames } from '../generated/counters.js'
import { type DropReason, dropReasonNames } from '../generated/drop-reasons.js'
import type { NativeSegment } from '../native.js'
import type { EngineStatus, PortStatus } from './status.js'

type SegmentStatus = Pick<EngineStatus, 'counters' | 'drops' | 'packets' | 'ports'>

export class CounterReader {
  readonly #segment: NativeSegment
  readonly #ports: readonly ResolvedPort[]
  readonly #values: BigUint64Array

  constructor(segment: NativeSegment, ports: readonly ResolvedPort[]) {
    this.#segment = segment
    this.#ports = ports
    const fixed = counterNames.length + gaugeNames.length + dropReasonNames.length
    this.#values = new BigUint64Array(fixed + ports.length * portCounterNames.length)
  }

  /** The order is that of NativeSegment.readCounters. */
  read(): SegmentStatus {
    this.#segment.readCounters(this.#values)
    let at = 0
    const take = <Name extends string>(names: readonly Name[]): Record<Name, number> =>
      Object.fromEntries(names.map((name) => [name, Number(this.#values[at++])])) as Record<
        Name,
        number
      >
    const counters = take([...counterNames, ...gaugeNames])
    const drops = take(dropReasonNames)
    const modes = this.#segment.describePorts()
    const ports = this.#ports.map((port, index) =>
      reportPort(port, modes[index] ?? '', take(portCounterNames)),
    )
    return { counters, drops: withoutZeros(drops), packets: balance(counters, drops), ports }
  }
}

function balance(
  counters: EngineStatus['counters'],
  drops: Record<DropReason, number>,
): EngineStatus['packets'] {
  return {
    received: counters.received,
    forwarded: counters.forwarded,
    delivered: counters.delivered,
    dropped: Object.values(drops).reduce((sum, count) => sum + count, 0),
    waiting:
      counters.waitingPackets +
      counters.waitingFragments +
      counters.neighborPackets +
      counters.handedPackets,
  }
}

function withoutZeros(drops: Record<DropReason, number>): EngineStatus['drops'] {
  return Object.fromEntries(Object.entries(drops).filter(([, count]) => count > 0))
}

function reportPort(
  port: ResolvedPort,
  mode: string,
  counters: PortStatus['counters'],
): PortStatus {
  return {
    name: port.name,
    kind: port.kind,
    device: port.device,
    mode,
    role: port.internal ? 'internal' : 'external',
    addresses: port.addresses.map(({ address, length }) => `${address}/${length}`),
    counters,
  }
}
