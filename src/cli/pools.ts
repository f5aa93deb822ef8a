/**
 * `sluice pools`: the nodes of each pool, whether they take new flows, and since when and why.
 */
import type { NodeStatus, PoolStatus } from '../index.js'
import { askEngine } from './admin-client.js'
import type { Command } from './context.js'
import { type EngineAtOptions, engineAt } from './engine-at.js'
import { ExitCode } from './exit-code.js'
import { bytes, count, duration } from './format.js'
import { type Column, table } from './table.js'
import type { Terminal } from './terminal.js'

interface PoolsOptions extends EngineAtOptions {
  json?: boolean
}

export const pools: Command<PoolsOptions> = async (options, { terminal, env }) => {
  const found = await askEngine<PoolStatus[]>(await engineAt(options, env), '/api/v1/pools')
  if (options.json) terminal.printJson(found)
  else printPools(terminal, found, Date.now())
  return ExitCode.ok
}

const columns: Column[] = [
  { head: 'node' },
  { head: 'state' },
  { head: 'for', align: 'right' },
  { head: 'because' },
  { head: 'weight', align: 'right' },
  { head: 'flows', align: 'right' },
  { head: 'limit', align: 'right' },
  { head: 'ever', align: 'right' },
  { head: 'bytes in', align: 'right' },
  { head: 'out', align: 'right' },
  { head: 'response', align: 'right' },
]

/** `now` is in milliseconds since 1970. */
export function printPools(terminal: Terminal, pools: readonly PoolStatus[], now: number): void {
  if (pools.length === 0) terminal.print('No pools.')
  pools.forEach((pool, i) => {
    if (i > 0) terminal.print()
    const { name, balance, available, nodes, refused } = pool
    const refusals = refused > 0 ? `, ${count(refused)} flows refused` : ''
    terminal.print(
      `${terminal.style('bold', name)}  ${balance}, ${count(available)} of ${count(nodes.length)} take flows${refusals}`,
    )
    const rows = nodes.map((node) => row(node, terminal, now))
    terminal.print(table(terminal, columns, rows, 2))
  })
}

const colours = { up: 'green', down: 'red', draining: 'yellow', maintenance: 'yellow' } as const

function row(node: NodeStatus, terminal: Terminal, now: number): string[] {
  const { address, state, since, reason, weight, connectionLimit, responseMs } = node
  return [
    address,
    terminal.style(colours[state], state),
    duration(Math.max(0, now - Date.parse(since))),
    reason,
    String(Number(weight.toPrecision(3))),
    count(node.connections),
    connectionLimit === null ? '' : count(connectionLimit),
    count(node.totalConnections),
    bytes(node.bytes.in),
    bytes(node.bytes.out),
    responseMs === null ? '' : duration(responseMs),
  ]
}
