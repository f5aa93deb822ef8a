/** Makes a pair of two sockets that were opened independently (SOCK-21). */
import { buffered, inUse, wrongIdentity, wrongState } from './errors.js'
import type { SocketPair } from './pair.js'
import type { Pairs } from './pairs.js'
import { lineOf, type Socket } from './socket.js'
import type { AssociateOptions } from './types.js'

/** @throws as `Stack.associate` says; both sockets are as they were then */
export function associate(
  pairs: Pairs,
  inbound: Socket,
  outbound: Socket,
  { preserveClient = false, onPeerClose = 'close', adoptBuffered = false }: AssociateOptions,
): SocketPair {
  if (inbound === outbound) {
    throw wrongState('A socket is no pair.', 'Name two sockets.')
  }
  for (const socket of [inbound, outbound]) assertFree(socket, adoptBuffered)
  const seen = inbound.remoteAddress === outbound.localAddress
  if (preserveClient && !(seen && inbound.remotePort === outbound.localPort)) {
    throw wrongIdentity(
      `The server sees ${outbound.localAddress}:${outbound.localPort}, not the client.`,
      'Open the connection with associateWith, or leave preserveClient out.',
    )
  }
  return pairs.join(inbound, outbound, onPeerClose)
}

function assertFree(socket: Socket, adoptBuffered: boolean): void {
  if (socket.use === 'paired') throw inUse(`Socket ${socket.id}`)
  const line = socket[lineOf]
  if (socket.use === 'closed' || line.hasPeerEnded || !socket.writable) {
    throw wrongState(`Socket ${socket.id} is not open both ways.`, 'Take two that are established.')
  }
  if (!adoptBuffered && socket.readableLength + socket.writableLength > 0) {
    throw buffered(`Socket ${socket.id} has bytes that nobody has read, or that wait to be sent.`)
  }
}
