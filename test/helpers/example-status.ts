/** What an engine with one virtual server and two nodes tells of itself. */
import { flowEvents } from '../../src/control/flow-events.js'
import { counterNames, gaugeNames, portCounterNames } from '../../src/generated/counters.js'
import type { EngineStatus, FlowRecord } from '../../src/index.js'

/** Each name with its place, so that no two figures are the same. */
const numbered = <Name extends string>(names: readonly Name[]) =>
  Object.fromEntries(names.map((name, i) => [name, i + 1])) as Record<Name, number>

const load = {
  connections: 3,
  totalConnections: 1200,
  packets: { in: 10, out: 20 },
  bytes: { in: 1500, out: 300_000 },
}

const node = {
  ...load,
  since: '2026-11-21T09:00:00.000Z',
  reason: 'configured',
  weight: 1,
  connectionLimit: null,
  responseMs: null,
}

export const exampleStatus: EngineStatus = {
  ready: true,
  state: 'ready',
  uptimeMs: 61_000,
  flows: 3,
  lingering: 1,
  virtualServers: [
    {
      name: 'site',
      listen: 'tcp://192.0.2.100:80',
      state: 'up',
      pool: 'web',
      terminates: false,
      ...load,
    },
  ],
  pools: [
    {
      name: 'web',
      balance: 'round-robin',
      available: 1,
      refused: 2,
      ...load,
      nodes: [
        { address: '10.1.0.11:80', state: 'up', ...node },
        { address: '[2001:db8::12]:80', state: 'draining', ...node },
      ],
    },
  ],
  ports: [
    {
      name: 'outside',
      kind: 'packet',
      device: 'eth0',
      mode: 'AF_PACKET',
      role: 'external',
      addresses: ['192.0.2.1/24'],
      counters: numbered(portCounterNames),
    },
  ],
  drops: { land: 3 },
  packets: { received: 100, forwarded: 90, delivered: 7, dropped: 3, waiting: 0 },
  decisions: {
    assigned: 1200,
    resumed: 0,
    routed: 0,
    rejected: 4,
    unavailable: 0,
    limited: 0,
    exhausted: 0,
    collided: 0,
    moved: 0,
    unknown: 0,
    late: 0,
    policyErrors: 5,
    policyTimeouts: 0,
    policyNonsense: 0,
    policyOverload: 0,
    pending: 6,
  },
  bus: { invalid: 0, stale: 1 },
  reaper: { asked: 9, alive: 5, gone: 2, unanswered: 1, waiting: 1 },
  sockets: {
    ...{ open: 5, accepted: 900, connected: 850, failed: 2, bytesHeld: 4096, serviceFailures: 3 },
    refused: { limited: 7, unavailable: 8 },
    pairs: { proxied: 1, draining: 0, relay: 1, splice: 0, reproxying: 0 },
    unusable: { invalid: 0, stale: 0 },
    timeWait: {
      ...{ entries: 40, budget: 1000, told: 500, bytesFreed: 160_000, adjusted: 6, endedEarly: 9 },
    },
  },
  events: numbered(flowEvents),
  counters: numbered([...counterNames, ...gaugeNames]),
  capabilities: [],
  policyRevision: '0123456789ab',
}

export const exampleFlow: FlowRecord = {
  client: '192.0.2.10:40000',
  virtualServer: 'site',
  listen: '192.0.2.100:80',
  server: '10.1.0.11:80',
  protocol: 'tcp',
  mode: 'translate',
  seen: ['syn', 'resumed'],
  openedAt: '2026-11-21T09:00:00.000Z',
  lastActiveAt: '2026-11-21T09:00:01.000Z',
  packets: { in: 4, out: 3 },
  bytes: { in: 400, out: 3000 },
}
