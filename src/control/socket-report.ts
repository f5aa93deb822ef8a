/** Connections that end at the engine as users see flows: a client's with its server's is one. */
import { formatEndpoint } from '../bus/address.js'
import { DatagramSocket } from '../socket/datagram-socket.js'
import { Socket } from '../socket/socket.js'
import type { Sockets } from '../socket/sockets.js'
import type { PairMode } from '../socket/types.js'
import type { FlowRecord, Traffic } from './status.js'

/** Each record made when it is asked for. */
export function* reportSockets(sockets: Sockets): Generator<FlowRecord> {
  for (const { end } of sockets) {
    // An outbound one stands with its client's.
    const isSocket = end instanceof Socket || end instanceof DatagramSocket
    if (isSocket && end.pair?.outbound !== end) yield reportSocket(end)
  }
}

function reportSocket(socket: Socket | DatagramSocket): FlowRecord {
  const { pair, virtualServer = null } = socket
  const [here, there] = [endpointText(socket, 'local'), endpointText(socket, 'remote')]
  // What was opened from here is its own client.
  const isClients = virtualServer !== null
  const record = {
    virtualServer,
    protocol: socket instanceof Socket ? 'tcp' : 'udp',
    seen: [],
    openedAt: new Date(socket.openedAt).toISOString(),
    lastActiveAt: new Date(socket.lastActiveAt).toISOString(),
  } as const
  const { bytesRead, bytesWritten } = socket
  if (!isClients) {
    const traffic = payload(bytesWritten, bytesRead)
    return { ...record, client: here, listen: there, server: there, mode: 'socket', ...traffic }
  }
  const server = pair ? endpointText(pair.outbound, 'remote') : here
  const { c2s, s2c } = pair?.stats().bytes ?? { c2s: bytesRead, s2c: bytesWritten }
  const traffic = payload(Number(c2s), Number(s2c))
  const mode = pair ? modeOf(pair.mode) : 'socket'
  return { ...record, client: there, listen: here, server, mode, ...traffic }
}

const modeOf = (mode: PairMode) => (mode === 'relay' || mode === 'splice' ? mode : 'proxied')

/** Of the bytes of a stream; packets are the data flow segment's business. */
function payload(bytesIn: number, bytesOut: number): Traffic {
  return { packets: { in: 0, out: 0 }, bytes: { in: bytesIn, out: bytesOut } }
}

function endpointText(socket: Socket | DatagramSocket, side: 'local' | 'remote'): string {
  if (side === 'remote') return formatEndpoint(socket.identity)
  const { localAddress: address, localPort: port, localFamily } = socket
  return formatEndpoint({ address, port, family: localFamily === 'IPv6' ? 6 : 4 })
}
