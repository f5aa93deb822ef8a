/**
 * What `sluice run` has to say, in words or as one JSON object on each line.
 */
import type { EngineStatus } from '../index.js'
import { plural } from './format.js'
import type { Terminal } from './terminal.js'

type Port = EngineStatus['ports'][number]
type VirtualServer = EngineStatus['virtualServers'][number]

export interface ReadyEvent {
  event: 'ready'
  pid: number
  /** Path of the administration socket, null for none. */
  socket: string | null
  policyRevision: string | null
  ports: Pick<Port, 'name' | 'kind' | 'device' | 'addresses'>[]
  virtualServers: Pick<VirtualServer, 'name' | 'listen'>[]
}

export type RunEvent =
  | ReadyEvent
  | { event: 'reloaded'; policyRevision: string }
  | { event: 'reloadRefused' }
  | { event: 'stopping'; signal: string }

export function readyEvent(status: EngineStatus, socketPath: string | undefined): ReadyEvent {
  return {
    event: 'ready',
    pid: process.pid,
    socket: socketPath ?? null,
    policyRevision: status.policyRevision,
    ports: status.ports.map(({ name, kind, device, addresses }) => ({
      name,
      kind,
      device,
      addresses,
    })),
    virtualServers: status.virtualServers.map(({ name, listen }) => ({ name, listen })),
  }
}

/** In words only `ready` is data, which a script may wait for; the rest are messages. */
export function announce(event: RunEvent, terminal: Terminal, json: boolean): void {
  if (json) terminal.printJson(event)
  else if (event.event === 'ready') terminal.print(inWords(event))
  else terminal.note(inWords(event))
}

function inWords(event: RunEvent): string {
  switch (event.event) {
    case 'ready':
      return `ready: ${readyInWords(event)}`
    case 'reloaded':
      return `reloaded: policy revision ${event.policyRevision}`
    case 'reloadRefused':
      return 'The old configuration stays in force.'
    case 'stopping':
      return `${event.signal}: stopping`
  }
}

function readyInWords({ ports, virtualServers, socket }: ReadyEvent): string {
  const counts = [plural(ports.length, 'port'), plural(virtualServers.length, 'virtual server')]
  return `${counts.join(', ')}${socket ? `, administration on ${socket}` : ''}`
}
