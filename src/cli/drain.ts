/**
 * `sluice drain`: no new flows for a node, a virtual server or the whole engine; live ones go on.
 */
import type { EngineStatus } from '../index.js'
import { askEngine, tellEngine } from './admin-client.js'
import type { Command } from './context.js'
import { type EngineAtOptions, engineAt } from './engine-at.js'
import { ExitCode } from './exit-code.js'
import { plural } from './format.js'

interface DrainOptions extends EngineAtOptions {
  /** `[POOL/]ADDRESS:PORT`, or the name of a virtual server. */
  file?: string
  process?: boolean
  timeout?: number
  maintenance?: boolean
  undo?: boolean
  json?: boolean
}

interface Order {
  node?: string
  pool?: string
  virtualServer?: string
  process?: true
  state?: string
}

export const drain: Command<DrainOptions> = async (options, { terminal, env }) => {
  const engine = await engineAt(options, env)
  const order = await tellEngine<Order>(engine, '/api/v1/drain', orderOf(options))
  const status = await askEngine<EngineStatus>(engine, '/api/v1/status')
  const connections = connectionsOf(order, status)
  if (options.json) terminal.printJson({ ...order, connections })
  else terminal.print(inWords(order, connections))
  return ExitCode.ok
}

function orderOf({ file: target = '', process, timeout, maintenance, undo }: DrainOptions) {
  if (process) return { process, ...(timeout !== undefined && { timeoutMs: timeout * 1000 }) }
  const state = maintenance ? 'maintenance' : undo ? 'active' : 'draining'
  const [node = '', pool] = target.split('/').reverse()
  return node.includes(':') ? { node, pool, state } : { virtualServer: target, state }
}

function connectionsOf(order: Order, { pools, virtualServers }: EngineStatus): number {
  const nodes = pools
    .filter(({ name }) => order.pool === undefined || order.pool === name)
    .flatMap((pool) => pool.nodes)
    .filter(({ address }) => address === order.node)
  const servers = virtualServers.filter(({ name }) => order.process || order.virtualServer === name)
  const loads: readonly { connections: number }[] = order.node === undefined ? servers : nodes
  return loads.reduce((sum, { connections }) => sum + connections, 0)
}

function inWords(order: Order, connections: number): string {
  const subject = order.process
    ? 'the engine'
    : (order.node ?? `virtual server ${order.virtualServer}`)
  if (order.state === 'active') return `${subject} takes new flows`
  const end = order.process && connections > 0 ? '; it ends with the last of them' : ''
  return `${subject} takes no new flows, ${plural(connections, 'live flow')} left${end}`
}
