/**
 * `stream`: a service through which everything passes, in JavaScript and in the engine, beside what
 * one would write or configure for that: `net.pipe` of Node and HAProxy.
 */
import { enterHaproxy } from '../peers/proxies.js'
import { passing } from '../services.js'
import type { Trial } from '../trial.js'
import { HTTP_PORT, IPERF_PORT, subjectsOf, VARIANTS, type Variant } from '../variants.js'
import { METRICS, plainLoad } from './plain.js'

const PORTS = [HTTP_PORT, IPERF_PORT]
const KINDS = ['packet', 'tap'] as const
const WAYS = ['pipe', 'process', 'transform', 'pull', 'relay'] as const

const SPLICING: Variant = {
  name: 'HAProxy, splice',
  topology: 'two-arm',
  needs: ['netns'],
  tools: ['haproxy'],
  enter: (lab) => enterHaproxy(lab, PORTS, { splice: true }),
}

/** Here the goals are ratios to them, so they run as often as we do. */
const peers = VARIANTS.filter(({ name }) => ['Node net pipe', 'HAProxy'].includes(name)).map(
  (variant): Variant => ({ ...variant, runs: undefined }),
)

export const stream: Trial = {
  name: 'stream',
  about:
    'The loads of `plain` through two connections, each end to end: a service that pipes, one that ' +
    'lets its pair pass everything on, one with transforms that change nothing, one that asks for ' +
    'piece after piece (pull), and one that lets the engine do it all (relay), beside proxies in the ' +
    'same place.',
  metrics: METRICS,
  runs: 5,
  laboratory: true,
  subjects: async () =>
    subjectsOf(
      [
        ...KINDS.flatMap((kind) => WAYS.map((way) => passing(kind, way, PORTS))),
        ...peers,
        SPLICING,
      ],
      plainLoad(1),
    ),
  comparisons: KINDS.flatMap((kind) => [
    ...['Node net pipe', 'HAProxy'].flatMap((peer) =>
      ['pipe', 'process', 'transform'].map((way) => ({ subject: `sluice ${kind} ${way}`, peer })),
    ),
    // Push beside pull (BUF-19): in the engine, and both in JavaScript.
    ...['process', 'transform'].map((way) => ({
      subject: `sluice ${kind} ${way}`,
      peer: `sluice ${kind} pull`,
    })),
    ...['HAProxy, splice', 'HAProxy'].map((peer) => ({ subject: `sluice ${kind} relay`, peer })),
  ]),
}
