/**
 * `sluice flows`: the flows of a running engine, most recently active first.
 */
import type { FlowRecord } from '../index.js'
import { askEngine } from './admin-client.js'
import type { Command } from './context.js'
import { type EngineAtOptions, engineAt } from './engine-at.js'
import { ExitCode } from './exit-code.js'
import { bytes, count, duration, plural } from './format.js'
import { type Column, table } from './table.js'
import type { Terminal } from './terminal.js'

interface FlowsOptions extends EngineAtOptions {
  json?: boolean
}

export const flows: Command<FlowsOptions> = async (options, { terminal, env }) => {
  const records = await askEngine<FlowRecord[]>(await engineAt(options, env), '/api/v1/flows')
  if (options.json) terminal.printJson(records)
  else printFlows(terminal, records, Date.now())
  return ExitCode.ok
}

const columns: Column[] = [
  { head: 'client' },
  { head: 'virtual server' },
  { head: 'server' },
  { head: 'protocol' },
  { head: 'mode' },
  { head: 'packets in', align: 'right' },
  { head: 'out', align: 'right' },
  { head: 'bytes in', align: 'right' },
  { head: 'out', align: 'right' },
  { head: 'age', align: 'right' },
  { head: 'idle', align: 'right' },
]

/** `now` is in milliseconds since 1970. */
export function printFlows(terminal: Terminal, records: readonly FlowRecord[], now: number): void {
  if (records.length === 0) {
    terminal.print('No flows.')
    return
  }
  const byActivity = [...records].sort((a, b) => b.lastActiveAt.localeCompare(a.lastActiveAt))
  terminal.print(
    table(
      terminal,
      columns,
      byActivity.map((record) => row(record, now)),
    ),
  )
  terminal.print(`\n${plural(records.length, 'flow')}`)
}

function row(record: FlowRecord, now: number): string[] {
  const { client, virtualServer, listen, server, protocol, mode, packets, bytes: octets } = record
  const since = (moment: string) => duration(Math.max(0, now - Date.parse(moment)))
  return [
    client,
    virtualServer === null ? listen : `${virtualServer} ${listen}`,
    server,
    protocol,
    mode,
    count(packets.in),
    count(packets.out),
    bytes(octets.in),
    bytes(octets.out),
    since(record.openedAt),
    since(record.lastActiveAt),
  ]
}
