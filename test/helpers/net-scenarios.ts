/** The scenarios on node:net, as a program: the same ports of an address, and the same logs. */
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { portOf } from './scenario-peers.js'
import { type Open, play, type Scene, scenarios } from './socket-scenarios.js'

const open: Open = async ({ host, port }) => {
  const socket = connect({ host, port, allowHalfOpen: true })
  await once(socket, 'connect')
  return socket
}

/** Listens at each of these addresses, for each scenario. */
export async function serveScenarios(
  addresses: { listen: string; server: Scene['server'] }[],
): Promise<void> {
  for (const { listen, server } of addresses) {
    for (const scenario of Object.keys(scenarios)) {
      const listener = createServer({ allowHalfOpen: true }, (socket) => {
        play(scenario, socket, { open, server })
      })
      listener.listen(portOf(scenario), listen)
      await once(listener, 'listening')
    }
  }
  console.log('ready')
}
