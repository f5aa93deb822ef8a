/** The scenarios as services: the sockets of the engine have the part of node:net's. */
import type { Socket as NetSocket } from 'node:net'
import type { ServiceFunction } from '../../src/index.js'
import { play, type Scene } from './socket-scenarios.js'

export function scenarioService(scenario: string, server: Scene['server']): ServiceFunction {
  return (inbound, { stack }) => {
    const open: Scene['open'] = async ({ host, port }) => {
      const socket = await stack.connect({ address: host, port, allowHalfOpen: true })
      return socket as unknown as NetSocket
    }
    inbound.allowHalfOpen = true
    play(scenario, inbound as unknown as NetSocket, { open, server })
  }
}
