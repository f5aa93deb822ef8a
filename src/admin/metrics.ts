/** What `/metrics` says of an engine: each counter of docs/counters.md, and what the control segment
 *  knows. */
import type { EngineStatus, NodeStatus, Traffic } from '../control/status.js'
import { counterNames, counterTexts, gaugeNames, portCounterNames } from '../generated/counters.js'
import { dropReasonNames } from '../generated/drop-reasons.js'
import type { Labels, Metric, Sample } from './exposition.js'

/** `receivedBytes` as `received_bytes`. */
const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** A metric with one sample for each item. */
function each<Item>(
  type: Metric['type'],
  name: string,
  help: string,
  items: readonly Item[],
  read: (item: Item) => readonly Sample[],
): Metric {
  return { type, name: `sluice_${name}`, help, samples: items.flatMap(read) }
}

function one(type: Metric['type'], name: string, help: string, value: number): Metric {
  return each(type, name, help, [value], () => [[{}, value]])
}

/** @param version of the package */
export function metricsOf(status: EngineStatus, version: string): Metric[] {
  const revision = status.policyRevision ?? ''
  return [
    each('gauge', 'info', 'What runs; always 1', [status], () => [
      [{ version, policy_revision: revision }, 1],
    ]),
    one('gauge', 'ready', 'Whether packets flow and new flows are taken', Number(status.ready)),
    one('gauge', 'uptime_seconds', 'Time since the start', status.uptimeMs / 1000),
    ...segmentMetrics(status),
    ...portMetrics(status),
    ...decisionMetrics(status),
    ...reaperMetrics(status),
    ...socketMetrics(status),
    ...eventMetrics(status),
    ...virtualServerMetrics(status),
    ...nodeMetrics(status),
    ...processMetrics(),
  ]
}

function segmentMetrics({ counters, drops, bus }: EngineStatus): Metric[] {
  return [
    ...counterNames.map((name) =>
      one('counter', `${snake(name)}_total`, counterTexts[name], counters[name]),
    ),
    ...gaugeNames.map((name) => one('gauge', snake(name), counterTexts[name], counters[name])),
    each('counter', 'dropped_packets_total', 'Packets dropped', dropReasonNames, (name) => [
      [{ reason: snake(name) }, drops[name] ?? 0],
    ]),
    each(
      'counter',
      'bus_unusable_messages_total',
      'Messages of the data flow segment that the control segment could not use',
      Object.entries(bus),
      ([reason, value]) => [[{ reason }, value]],
    ),
  ]
}

function reaperMetrics({ reaper }: EngineStatus): Metric[] {
  const { waiting, ...results } = reaper
  const help = 'Silent flows that the data flow segment was asked about, and what it said'
  return [
    each('counter', 'reaper_flows_total', help, Object.entries(results), ([result, value]) => [
      [{ result }, value],
    ]),
    one('gauge', 'reaper_waiting', 'Flows whose answer is awaited', waiting),
  ]
}

function socketMetrics({ sockets }: EngineStatus): Metric[] {
  const { accepted, connected, failed, refused, pairs, timeWait } = sockets
  const results = {
    accepted,
    connected,
    failed,
    ...refused,
    service_failure: sockets.serviceFailures,
  }
  const help = 'Connections that end at the engine, by what became of them'
  const pairHelp = 'Pairs of a connection of a client and one to a server'
  return [
    one('gauge', 'sockets_open', 'Connections that end at the engine now', sockets.open),
    each('counter', 'sockets_total', help, Object.entries(results), ([result, value]) => [
      [{ result }, value],
    ]),
    each('gauge', 'socket_pairs', pairHelp, Object.entries(pairs), ([mode, value]) => [
      [{ mode }, value],
    ]),
    one('gauge', 'socket_held_bytes', 'Bytes of sockets in JavaScript', sockets.bytesHeld),
    each(
      'counter',
      'stream_unusable_messages_total',
      'Stream messages of the data flow segment that could not be used',
      Object.entries(sockets.unusable),
      ([reason, value]) => [[{ reason }, value]],
    ),
    ...timeWaitMetrics(timeWait),
  ]
}

function timeWaitMetrics(timeWait: EngineStatus['sockets']['timeWait']): Metric[] {
  const { entries, told, bytesFreed, adjusted, endedEarly } = timeWait
  return [
    one('gauge', 'time_wait_entries', 'Connections that are remembered in TIME-WAIT', entries),
    one('counter', 'time_wait_total', 'Connections that came to TIME-WAIT', told),
    one('counter', 'time_wait_freed_bytes_total', 'Memory that they gave back then', bytesFreed),
    one('counter', 'time_wait_adjusted_total', 'Given another time than the usual', adjusted),
    one('counter', 'time_wait_ended_early_total', 'Ended early to keep to the budget', endedEarly),
  ]
}

function eventMetrics({ events }: EngineStatus): Metric[] {
  const help =
    'What the control segment has seen of flows: packets that it was asked about, and ends'
  return [
    each('counter', 'flow_events_total', help, Object.entries(events), ([event, value]) => [
      [{ event: snake(event) }, value],
    ]),
  ]
}

function portMetrics({ ports }: EngineStatus): Metric[] {
  return portCounterNames.map((name) =>
    each('counter', `port_${snake(name)}_total`, `${name} of a port`, ports, (port) => [
      [{ port: port.name, device: port.device }, port.counters[name]],
    ]),
  )
}

const failures = ['policyErrors', 'policyTimeouts', 'policyNonsense', 'policyOverload'] as const

function decisionMetrics({ decisions }: EngineStatus): Metric[] {
  const { pending, ...counts } = decisions
  const results = Object.entries(counts).filter(([name]) => !failures.includes(name as never))
  return [
    each('counter', 'decisions_total', 'New flows by what became of them', results, (entry) => [
      [{ result: snake(entry[0]) }, entry[1]],
    ]),
    each(
      'counter',
      'policy_failures_total',
      'Flows that took the fallback for a failure of their policy',
      failures,
      (name) => [[{ failure: snake(name).replace('policy_', '') }, decisions[name]]],
    ),
    one('gauge', 'decisions_pending', 'Flows that wait for an asynchronous policy', pending),
  ]
}

/** What virtual servers and nodes have in common; traffic is as of the last statistics. */
function loadMetrics<Item extends Traffic & Pick<NodeStatus, 'connections' | 'totalConnections'>>(
  subject: string,
  items: readonly Item[],
  labels: (item: Item) => Labels,
): Metric[] {
  const directions = (item: Item, figures: Traffic['bytes']): Sample[] => [
    [{ ...labels(item), direction: 'in' }, figures.in],
    [{ ...labels(item), direction: 'out' }, figures.out],
  ]
  const help = (what: string) => `${what}; in is from clients to servers`
  return [
    each('gauge', `${subject}_connections`, 'Live flows', items, (item) => [
      [labels(item), item.connections],
    ]),
    each('counter', `${subject}_assigned_total`, 'Flows that it was given', items, (item) => [
      [labels(item), item.totalConnections],
    ]),
    each('counter', `${subject}_packets_total`, help('Packets'), items, (item) =>
      directions(item, item.packets),
    ),
    each('counter', `${subject}_bytes_total`, help('Bytes of IP packets'), items, (item) =>
      directions(item, item.bytes),
    ),
  ]
}

function virtualServerMetrics({ virtualServers }: EngineStatus): Metric[] {
  const labels = ({ name, listen }: (typeof virtualServers)[number]) => ({
    virtual_server: name,
    listen,
  })
  return [
    each('gauge', 'virtual_server_up', 'Whether it takes new flows', virtualServers, (server) => [
      [labels(server), Number(server.state === 'up')],
    ]),
    ...loadMetrics('virtual_server', virtualServers, labels),
  ]
}

function nodeMetrics({ pools }: EngineStatus): Metric[] {
  const nodes = pools.flatMap(({ name, nodes }) => nodes.map((node) => ({ ...node, pool: name })))
  const labels = ({ pool, address }: (typeof nodes)[number]) => ({ pool, node: address })
  return [
    each('gauge', 'node_up', 'Whether it is in the state up', nodes, (node) => [
      [labels(node), Number(node.state === 'up')],
    ]),
    each('gauge', 'node_weight', 'Its weight now', nodes, (node) => [[labels(node), node.weight]]),
    ...loadMetrics('node', nodes, labels),
    each('counter', 'pool_refused_total', 'Flows that no node took', pools, (pool) => [
      [{ pool: pool.name }, pool.refused],
    ]),
  ]
}

/** Under the names that every client library gives them. */
function processMetrics(): Metric[] {
  const { user, system } = process.cpuUsage()
  const metric = (type: Metric['type'], name: string, help: string, value: number): Metric => ({
    type,
    name: `process_${name}`,
    help,
    samples: [[{}, value]],
  })
  return [
    metric('counter', 'cpu_seconds_total', 'Processor time', (user + system) / 1e6),
    metric('gauge', 'resident_memory_bytes', 'Resident memory', process.memoryUsage.rss()),
    metric('gauge', 'start_time_seconds', 'Start, since 1970', performance.timeOrigin / 1000),
  ]
}
