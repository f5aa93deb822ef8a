/**
 * `decisions-overload`: what becomes of the decisions when ten times as many flows begin as the
 * control segment can decide. A policy that works for a while makes that a rate which generator and
 * worker carry with ease, so that nothing but the decisions is short.
 */
import { Laboratory } from '../../src/laboratory/index.js'
import { SluiceProcess } from '../../test/helpers/sluice-process.js'
import { DISCARD, FirstPackets, lossOf, unavailable } from '../loads/first-packets.js'
import type { MeasureOptions, Sample, Subject, Trial } from '../trial.js'

/** How long the policy works for each flow, in milliseconds: at most 10 000 flows a second. */
const WORK_MS = 0.1
const SUSTAINABLE = 8_000
/** Until every queue is as full as it gets. */
const WARM_UP_SECONDS = 3

const atRate = (rate: number) => `${rate} flows/s offered`

export const decisionsOverload: Trial = {
  name: 'decisions-overload',
  about:
    `First packets of flows that a policy has decided in time, of one that works ${WORK_MS} ms for ` +
    'each; offered at what it sustains and at ten times that. Loss: planned and not arrived.',
  metrics: [
    { name: 'arrived', unit: '1/s', better: 'higher' },
    { name: 'median delay of arrived', unit: 'µs', better: 'lower' },
  ],
  runs: 3,
  laboratory: true,
  subjects: async () => [subject(SUSTAINABLE), subject(10 * SUSTAINABLE)],
  comparisons: [{ subject: atRate(10 * SUSTAINABLE), peer: atRate(SUSTAINABLE) }],
}

function subject(rate: number): Subject {
  return {
    name: atRate(rate),
    unavailable: () => unavailable([]),
    measure: (options) => measure(rate, options),
  }
}

async function measure(rate: number, { seconds }: MeasureOptions): Promise<Sample[]> {
  await using lab = await Laboratory.create({ topology: 'two-arm', servers: 1, families: [4] })
  const virtual = lab.virtualAddress()
  await SluiceProcess.start(
    lab,
    `function policy() {
      const until = performance.now() + ${WORK_MS}
      while (performance.now() < until) {}
      return 'sink'
    }
    export default {
      ports: ${JSON.stringify(lab.ports())},
      pools: { sink: { nodes: ['${lab.serverAddresses()[0]}:${DISCARD}'] } },
      virtualServers: { sink: { listen: 'udp://${virtual}:${DISCARD}', policy } },
    }`,
  )
  const packets = await FirstPackets.towards(lab, virtual)
  const load = (duration: number) => ({ rate, seconds: duration, flows: rate * duration })
  await packets.offer(load(WARM_UP_SECONDS))
  const arrivals = await packets.offer(load(seconds))
  return [
    { metric: 'arrived', value: arrivals.arrived / seconds, loss: lossOf(arrivals) },
    { metric: 'median delay of arrived', value: arrivals.p50_of_arrived, loss: null },
  ]
}
