import { expect, test } from 'vitest'
import { printFlows } from '../../src/cli/flows.js'
import { printStatus } from '../../src/cli/status.js'
import { Terminal } from '../../src/cli/terminal.js'
import type { EngineStatus, FlowRecord } from '../../src/index.js'
import { exampleStatus } from '../helpers/example-status.js'

/** What `print` writes to a terminal without colour. */
function printed(print: (terminal: Terminal) => void): string {
  let text = ''
  const sink = {
    write: (part: string) => {
      text += part
    },
  }
  print(new Terminal(sink, sink, false))
  return text
}

const traffic = { packets: { in: 12, out: 34 }, bytes: { in: 1536, out: 268_435_456 } }
const condition = {
  since: '2026-01-01T00:00:00.000Z',
  reason: 'configured',
  weight: 1,
  connectionLimit: null,
  responseMs: null,
}
const decisions = {
  assigned: 5,
  resumed: 0,
  routed: 0,
  rejected: 0,
  unavailable: 0,
  limited: 0,
  exhausted: 0,
  collided: 0,
  moved: 0,
  unknown: 0,
  late: 0,
  policyErrors: 2,
  policyTimeouts: 0,
  policyNonsense: 0,
  policyOverload: 0,
  pending: 0,
}

test('DFS-21 flows: most recently active first, figures for people', () => {
  const flow = (client: string, lastActiveAt: string): FlowRecord => ({
    client,
    virtualServer: 'site',
    listen: '192.0.2.100:80',
    server: '10.1.0.11:80',
    protocol: 'tcp',
    mode: 'translate',
    seen: ['syn'],
    ...traffic,
    openedAt: '2026-01-01T00:00:00.000Z',
    lastActiveAt,
  })
  const flows = [
    flow('192.0.2.10:40000', '2026-01-01T00:00:10.000Z'),
    flow('192.0.2.10:40001', '2026-01-01T00:01:00.000Z'),
    { ...flow('[2001:db8::1]:53', '2026-01-01T00:00:00.000Z'), virtualServer: null },
  ]
  const now = Date.parse('2026-01-01T00:01:00.500Z')
  expect(printed((terminal) => printFlows(terminal, flows, now))).toMatchInlineSnapshot(`
    "client            virtual server       server        protocol  mode       packets in  out  bytes in      out        age       idle
    192.0.2.10:40001  site 192.0.2.100:80  10.1.0.11:80  tcp       translate          12   34  1.50 KiB  256 MiB  1 min 1 s     500 ms
    192.0.2.10:40000  site 192.0.2.100:80  10.1.0.11:80  tcp       translate          12   34  1.50 KiB  256 MiB  1 min 1 s     50.5 s
    [2001:db8::1]:53  192.0.2.100:80       10.1.0.11:80  tcp       translate          12   34  1.50 KiB  256 MiB  1 min 1 s  1 min 1 s

    3 flows
    "
  `)
})

test('no flows are said to be none', () => {
  expect(printed((terminal) => printFlows(terminal, [], 0))).toBe('No flows.\n')
})

test('status: what serves whom, the ports, the books, and troubles only where there are any', () => {
  const counts = { connections: 3, totalConnections: 1200, ...traffic }
  const status: EngineStatus = {
    ready: true,
    state: 'ready',
    uptimeMs: 11_100_000,
    flows: 3,
    lingering: 1,
    virtualServers: [
      {
        name: 'plain',
        listen: 'tcp://192.0.2.100:80',
        state: 'up',
        pool: 'web',
        terminates: false,
        ...counts,
      },
      {
        name: 'site',
        listen: 'tcp://192.0.2.100:8080',
        state: 'draining',
        pool: null,
        terminates: false,
        ...counts,
      },
    ],
    pools: [
      {
        name: 'web',
        balance: 'round-robin',
        available: 1,
        refused: 0,
        ...counts,
        nodes: [
          { address: '10.1.0.11:80', state: 'up', ...condition, ...counts },
          { address: '10.1.0.12:80', state: 'draining', ...condition, ...counts },
        ],
      },
    ],
    ports: [
      {
        name: 'outside',
        kind: 'packet',
        device: 'eth0',
        mode: 'AF_PACKET, tcx drop',
        role: 'external',
        addresses: ['192.0.2.1/24', '2001:db8:1::1/64'],
        counters: {
          rxFrames: 1000,
          rxBytes: 1,
          rxTruncated: 1,
          rxMissed: 2,
          txFrames: 900,
          txBytes: 1,
          txRefused: 3,
        },
      },
    ],
    packets: { received: 1000, forwarded: 990, delivered: 4, dropped: 6, waiting: 0 },
    drops: { multicast: 6 },
    decisions,
    bus: { invalid: 0, stale: 0 },
    reaper: { asked: 4, alive: 3, gone: 1, unanswered: 0, waiting: 0 },
    sockets: exampleStatus.sockets,
    events: {} as EngineStatus['events'],
    counters: {} as EngineStatus['counters'],
    capabilities: ['CAP_NET_ADMIN'],
    policyRevision: '0123456789ab',
  }
  expect(printed((terminal) => printStatus(terminal, status))).toMatchInlineSnapshot(`
    "ready  up 3 h 5 min, 3 flows, 1 lingering, policy revision 0123456789ab

    virtual server  listens on              state     served by  flows   ever  bytes in      out
    plain           tcp://192.0.2.100:80    up        web            3  1 200  1.50 KiB  256 MiB
    site            tcp://192.0.2.100:8080  draining  policy         3  1 200  1.50 KiB  256 MiB

    pool  balance      node          state     flows   ever  bytes in      out
    web   round-robin  10.1.0.11:80  up            3  1 200  1.50 KiB  256 MiB
                       10.1.0.12:80  draining      3  1 200  1.50 KiB  256 MiB

    port     device       mode                 role      addresses                      frames in  out  lost
    outside  packet eth0  AF_PACKET, tcx drop  external  192.0.2.1/24 2001:db8:1::1/64      1 000  900     6

    packets    received 1 000 = forwarded 990 + delivered 4 + dropped 6
               dropped: multicast 6
    decisions  assigned 5, routed 0, policy errors 2
    reaper     asked 4, alive 3, gone 1, unanswered 0, waiting 0
    sockets    open 5, proxied 1, relay 1, accepted 900, connected 850, failed 2, limited 7, unavailable 8, service failures 3, 4 KiB held
    TIME-WAIT  40 now, 9 ended early, 156 KiB freed
    privileges CAP_NET_ADMIN
    "
  `)
})
