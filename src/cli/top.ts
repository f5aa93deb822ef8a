/**
 * `sluice top`: the rates of each virtual server, refreshed until SIGINT.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { EngineStatus } from '../index.js'
import { askEngine } from './admin-client.js'
import type { Command } from './context.js'
import { type EngineAt, type EngineAtOptions, engineAt } from './engine-at.js'
import { ExitCode } from './exit-code.js'
import { bitRate, count } from './format.js'
import { type EngineRates, type Look, ratesBetween } from './rates.js'
import { StopRequest } from './stop-request.js'
import { type Column, table } from './table.js'
import type { Terminal } from './terminal.js'

interface TopOptions extends EngineAtOptions {
  json?: boolean
  once?: boolean
  interval: number
}

/** Cursor home, and everything below it away (ECMA-48 CUP, ED). */
const clearScreen = '\x1b[H\x1b[J'

export const top: Command<TopOptions> = async (options, { terminal, env }) => {
  const engine = await engineAt(options, env)
  const stop = new StopRequest()
  const ended = new AbortController()
  void stop.requested.then(() => ended.abort())
  try {
    let before = await look(engine)
    do {
      await delay(options.interval * 1000, undefined, { signal: ended.signal })
      const after = await look(engine)
      show(terminal, ratesBetween(before, after), options)
      before = after
    } while (!options.once)
  } catch (error) {
    if (!ended.signal.aborted) throw error
  } finally {
    stop.forget()
  }
  return ExitCode.ok
}

async function look(engine: EngineAt): Promise<Look> {
  return { at: Date.now(), status: await askEngine<EngineStatus>(engine, '/api/v1/status?fresh') }
}

function show(terminal: Terminal, rates: EngineRates, { json, once }: TopOptions): void {
  if (json) terminal.printJson(rates)
  else if (once) terminal.print(ratesTable(terminal, rates))
  else terminal.print(clearScreen + ratesTable(terminal, rates))
}

const left = (head: string): Column => ({ head })
const right = (head: string): Column => ({ head, align: 'right' })
const columns = [
  left('virtual server'),
  left('listens on'),
  left('state'),
  right('flows'),
  right('new/s'),
  right('packets/s in'),
  right('out'),
  right('in'),
  right('out'),
]

export function ratesTable(terminal: Terminal, rates: EngineRates): string {
  const { received, forwarded, dropped, flows, virtualServers } = rates
  const busiest = [...virtualServers].sort((a, b) => b.bitsIn + b.bitsOut - a.bitsIn - a.bitsOut)
  const rows = busiest.map((one) => [
    one.name,
    one.listen,
    one.state,
    count(one.connections),
    count(one.newConnections),
    count(one.packetsIn),
    count(one.packetsOut),
    bitRate(one.bitsIn),
    bitRate(one.bitsOut),
  ])
  const line = `${count(flows)} flows; packets/s: received ${count(received)}, forwarded ${count(forwarded)}, dropped ${count(dropped)}`
  return `${line}\n\n${table(terminal, columns, rows)}`
}
