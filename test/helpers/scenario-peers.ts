/** The client's part in each of the scenarios of socket-scenarios.ts, on a kernel's sockets. */
import { until } from '../../src/laboratory/index.js'
import type { ClientSocket, Destination, SocketClients } from './socket-clients.js'
import { MUCH, scenarios } from './socket-scenarios.js'

export const FIRST_PORT = 3000
const names = Object.keys(scenarios)
export const portOf = (scenario: string) => FIRST_PORT + names.indexOf(scenario)

/** What the client saw. */
export interface ClientView {
  received: string
  state: ClientSocket['state']
  error: string | undefined
}

interface Peer {
  socket: ClientSocket
  /** Another connection to the same host. */
  connect(scenario: string): Promise<ClientSocket>
}

const peers: Record<string, (peer: Peer) => Promise<void>> = {
  async echo({ socket }) {
    socket.write('hello')
    await socket.untilReceived(/^hello$/)
    await socket.end()
  },
  async clientEndsFirst({ socket }) {
    socket.write('question')
    await socket.end()
  },
  async endsWithPeer({ socket }) {
    socket.write('question')
    await socket.end()
  },
  async serverEndsFirst({ socket }) {
    await socket.untilReceived(/^bye$/)
    socket.write('still here')
    await socket.end()
  },
  async pauses({ socket, connect }) {
    socket.write('first')
    await socket.untilReceived(/^go$/)
    socket.write('second')
    await closed(await connect('wakes'))
    await socket.end()
  },
  async listensLate({ socket, connect }) {
    socket.write('early')
    const over = socket.end()
    await closed(await connect('wakes'))
    await over
  },
  async decodes({ socket }) {
    socket.write('\xe2\x82')
    socket.write('\xac')
    await socket.end()
  },
  async isReset({ socket }) {
    socket.write('question')
    await socket.untilReceived(/^answer$/)
    await socket.reset()
  },
  async sendsMuch({ socket }) {
    await until('all of it', () => socket.received.join('').length === MUCH)
    await socket.end()
  },
  async takesMuch({ socket }) {
    socket.write('y'.repeat(MUCH))
    await socket.end()
  },
  async states({ socket }) {
    await socket.end()
  },
  async counts({ socket }) {
    socket.write('twelve bytes')
    await socket.end()
  },
}

/** Those that begin with what the client says; all others begin by themselves. */
const begins = ['destroys', 'destroysWithError', 'destroysSoon', 'resets']

/** Waits for the end, whoever begins. */
async function waits(socket: ClientSocket, scenario: string): Promise<void> {
  if (begins.includes(scenario)) socket.write('begin')
  await closed(socket)
}

async function closed(socket: ClientSocket): Promise<void> {
  await until('the connection is closed', () => socket.state === 'closed')
}

/** Plays the client's part from a fixed port, so that the addresses are the same in every run. */
export async function playPeer(
  clients: SocketClients,
  scenario: string,
  host: string,
): Promise<ClientView> {
  const to: Destination = {
    host,
    port: portOf(scenario),
    localPort: portOf(scenario),
    // It closes when it was told to.
    allowHalfOpen: scenario === 'serverEndsFirst',
  }
  const socket = await clients.connect(to)
  const connect = (other: string) => clients.connect({ host, port: portOf(other) })
  await (peers[scenario]?.({ socket, connect }) ?? waits(socket, scenario))
  return {
    received: summary(socket.received.join('')),
    state: socket.state,
    error: socket.error?.code,
  }
}

const summary = (text: string) => (text.length > 100 ? `${text.length} bytes` : text)
