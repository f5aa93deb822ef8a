/**
 * `decisions-delay`: what a decision in TypeScript costs the first packet of a flow, by the real
 * engine between two network namespaces. The same datagrams of flows that are known show what the
 * way costs without a decision.
 */
import { Laboratory, type TopologyName } from '../../src/laboratory/index.js'
import { SluiceProcess } from '../../test/helpers/sluice-process.js'
import { DISCARD, FirstPackets, lossOf, unavailable } from '../loads/first-packets.js'
import type { MeasureOptions, Sample, Subject, Trial } from '../trial.js'

/** Each of them the first of a flow of its own. */
const MODERATE = 5_000
/** About half of what engine and generator sustain on two cores: at 150 000 there is loss. */
const HIGH = 50_000
/** Known flows, where flows are known. */
const KNOWN = 1_000
/** Until the compiler has seen every path. */
const WARM_UP_SECONDS = 1

export const decisionsDelay: Trial = {
  name: 'decisions-delay',
  about:
    'From the planned departure of a datagram (open loop) to its arrival behind the forwarder, each ' +
    'the first of its flow and decided by a policy function; beside it datagrams of ' +
    `${KNOWN} known flows. Loss: planned and not arrived, which is in the delays as that of the whole run.`,
  metrics: [
    { name: 'median delay', unit: 'µs', better: 'lower' },
    { name: 'p99 delay', unit: 'µs', better: 'lower' },
  ],
  runs: 3,
  laboratory: true,
  subjects: async () => SUBJECTS,
  comparisons: [
    { subject: `packet, new, ${MODERATE}/s`, peer: `nftables DNAT, new, ${MODERATE}/s` },
    { subject: `packet, new, ${HIGH}/s`, peer: `nftables DNAT, new, ${HIGH}/s` },
  ],
}

interface Forwarder {
  name: string
  topology: TopologyName
  /** Puts itself between client and server; returns the address that the datagrams are for. */
  enter(lab: Laboratory): Promise<string>
}

const PACKET: Forwarder = { name: 'packet', topology: 'two-arm', enter: sluice }
const TAP: Forwarder = { name: 'tap', topology: 'tap', enter: sluice }
const NFTABLES: Forwarder = {
  name: 'nftables DNAT',
  topology: 'two-arm',
  async enter(lab) {
    await lab.kernelNat()
    return lab.virtualAddress()
  },
}

const SUBJECTS: Subject[] = [
  ...[PACKET, TAP].flatMap((forwarder) => [
    subject(forwarder, MODERATE, 'new'),
    subject(forwarder, MODERATE, 'known'),
  ]),
  subject(NFTABLES, MODERATE, 'new'),
  subject(PACKET, HIGH, 'new'),
  subject(PACKET, HIGH, 'known'),
  subject(NFTABLES, HIGH, 'new'),
]

function subject(forwarder: Forwarder, rate: number, flows: 'new' | 'known'): Subject {
  return {
    name: `${forwarder.name}, ${flows}, ${rate}/s`,
    unavailable: () => unavailable(forwarder.topology === 'tap' ? ['tun'] : []),
    measure: (options) => measure(forwarder, rate, flows === 'known', options),
  }
}

async function sluice(lab: Laboratory): Promise<string> {
  const virtual = lab.virtualAddress()
  await SluiceProcess.start(
    lab,
    `export default {
      ports: ${JSON.stringify(lab.ports())},
      pools: { sink: { nodes: ['${lab.serverAddresses()[0]}:${DISCARD}'] } },
      virtualServers: { sink: { listen: 'udp://${virtual}:${DISCARD}', policy: () => 'sink' } },
    }`,
  )
  return virtual
}

async function measure(
  { topology, enter }: Forwarder,
  rate: number,
  known: boolean,
  { seconds }: MeasureOptions,
): Promise<Sample[]> {
  await using lab = await Laboratory.create({ topology, servers: 1, families: [4] })
  const packets = await FirstPackets.towards(lab, await enter(lab))
  const load = (duration: number) => ({
    rate,
    seconds: duration,
    flows: known ? KNOWN : rate * duration,
  })
  await packets.offer(load(WARM_UP_SECONDS), known)
  const arrivals = await packets.offer(load(seconds), known)
  const loss = lossOf(arrivals)
  return [
    { metric: 'median delay', value: arrivals.p50, loss },
    { metric: 'p99 delay', value: arrivals.p99, loss },
  ]
}
