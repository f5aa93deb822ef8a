/**
 * `sluice status`: what a running engine does.
 */
import type { EngineStatus, Traffic } from '../index.js'
import { askEngine } from './admin-client.js'
import type { Command } from './context.js'
import { type EngineAtOptions, engineAt } from './engine-at.js'
import { ExitCode } from './exit-code.js'
import { bytes, count, duration, plural } from './format.js'
import { balanceLines } from './packet-balance.js'
import { type Column, table } from './table.js'
import type { Terminal } from './terminal.js'

interface StatusOptions extends EngineAtOptions {
  json?: boolean
}

export const status: Command<StatusOptions> = async (options, { terminal, env }) => {
  const engine = await askEngine<EngineStatus>(await engineAt(options, env), '/api/v1/status')
  if (options.json) terminal.printJson(engine)
  else printStatus(terminal, engine)
  return ExitCode.ok
}

export function printStatus(terminal: Terminal, engine: EngineStatus): void {
  const state = engine.ready
    ? terminal.style('green', 'ready')
    : terminal.style('yellow', engine.state)
  const revision = engine.policyRevision ?? 'none'
  terminal.print(
    `${state}  up ${duration(engine.uptimeMs)}, ${plural(engine.flows, 'flow')}, ` +
      `${count(engine.lingering)} lingering, policy revision ${revision}`,
  )
  printVirtualServers(terminal, engine)
  printPools(terminal, engine)
  printPorts(terminal, engine)
  printPackets(terminal, engine)
  printDecisions(terminal, engine)
  printReaper(terminal, engine)
  printSockets(terminal, engine)
  terminal.print(`privileges ${inWords(engine.capabilities)}`)
}

const left = (head: string): Column => ({ head })
const right = (head: string): Column => ({ head, align: 'right' })
const traffic = [right('flows'), right('ever'), right('bytes in'), right('out')]

const trafficOf = ({
  connections,
  totalConnections,
  bytes: octets,
}: Traffic & { connections: number; totalConnections: number }) => [
  count(connections),
  count(totalConnections),
  bytes(octets.in),
  bytes(octets.out),
]

function printVirtualServers(terminal: Terminal, { virtualServers }: EngineStatus): void {
  if (virtualServers.length === 0) return
  const rows = virtualServers.map((one) => [
    one.name,
    one.listen,
    one.state,
    one.pool ?? (one.terminates ? 'service' : 'policy'),
    ...trafficOf(one),
  ])
  const columns = [
    left('virtual server'),
    left('listens on'),
    left('state'),
    left('served by'),
    ...traffic,
  ]
  terminal.print(`\n${table(terminal, columns, rows)}`)
}

function printPools(terminal: Terminal, { pools }: EngineStatus): void {
  if (pools.length === 0) return
  const rows = pools.flatMap((pool) =>
    pool.nodes.map((node, index) => [
      index === 0 ? pool.name : '',
      index === 0 ? pool.balance : '',
      node.address,
      node.state,
      ...trafficOf(node),
    ]),
  )
  const columns = [left('pool'), left('balance'), left('node'), left('state'), ...traffic]
  terminal.print(`\n${table(terminal, columns, rows)}`)
}

function printPorts(terminal: Terminal, { ports }: EngineStatus): void {
  const rows = ports.map(({ name, kind, device, mode, role, addresses, counters }) => [
    name,
    `${kind} ${device}`,
    mode,
    role,
    addresses.join(' '),
    count(counters.rxFrames),
    count(counters.txFrames),
    count(counters.rxMissed + counters.rxTruncated + counters.txRefused),
  ])
  const columns = [left('port'), left('device'), left('mode'), left('role'), left('addresses')]
  columns.push(right('frames in'), right('out'), right('lost'))
  terminal.print(`\n${table(terminal, columns, rows)}`)
}

function printPackets(terminal: Terminal, { packets, drops }: EngineStatus): void {
  const [equation, ...reasons] = balanceLines(terminal, packets, drops)
  terminal.print(`\npackets    ${equation}`)
  for (const line of reasons) terminal.print(`           ${line}`)
}

/** Decisions that were made, and those troubles that there were. */
function printDecisions(terminal: Terminal, { decisions }: EngineStatus): void {
  const { assigned, routed, ...others } = decisions
  const worthTelling = Object.entries({ ...others }).filter(([, number]) => number > 0)
  const parts = Object.entries({ assigned, routed })
    .concat(worthTelling)
    .map(([name, number]) => `${words(name)} ${count(number)}`)
  terminal.print(`decisions  ${parts.join(', ')}`)
}

/** Flows of which nothing was heard, where there were any. */
function printReaper(terminal: Terminal, { reaper }: EngineStatus): void {
  if (reaper.asked === 0) return
  const parts = Object.entries(reaper).map(([name, number]) => `${words(name)} ${count(number)}`)
  terminal.print(`reaper     ${parts.join(', ')}`)
}

/** Connections that end at the engine, where there were any. */
function printSockets(terminal: Terminal, { sockets }: EngineStatus): void {
  const { open, accepted, connected, failed, refused, pairs, bytesHeld, timeWait } = sockets
  if (accepted + connected + failed === 0) return
  const troubles = { failed, ...refused, serviceFailures: sockets.serviceFailures }
  const figures = Object.entries({ open, ...pairs, accepted, connected, ...troubles })
    .filter(([name, number]) => number > 0 || name === 'open')
    .map(([name, number]) => `${words(name)} ${count(number)}`)
  terminal.print(`sockets    ${figures.join(', ')}, ${bytes(bytesHeld)} held`)
  if (timeWait.told === 0) return
  const { entries, endedEarly, bytesFreed } = timeWait
  terminal.print(
    `TIME-WAIT  ${count(entries)} now, ${count(endedEarly)} ended early, ${bytes(bytesFreed)} freed`,
  )
}

function inWords(capabilities: EngineStatus['capabilities']): string {
  if (capabilities.length === 0) return 'none left'
  const most = 5
  const rest = capabilities.length - most
  return `${capabilities.slice(0, most).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`
}

/** `policyErrors` as `policy errors`. */
function words(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
}
