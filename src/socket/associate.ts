/** Makes a pair of two sockets that were opened independently (SOCK-21). */
import { buffered, inUse, wrongIdentity, wrongState } from './errors.js'
import type { SocketPair } from './pair.js'
import type { Pairs } from './pairs.js'
import { lineOf, Socket } from './socket.js'
import type { Sockets } from './sockets.js'
import type { AssociateOptions, ParkedHandle } from './types.js'

/** @throws as `Stack.associate` says; both sockets are as they were then */
export function associate(
  { pairs, sockets }: { readonly pairs: Pairs; readonly sockets: Sockets },
  inbound: Socket,
  outbound: Socket | ParkedHandle,
  { preserveClient = false, onPeerClose = 'close', adoptBuffered = false }: AssociateOptions,
): SocketPair {
  if (inbound === outbound) {
    throw wrongState('A socket is no pair.', 'Name two sockets.')
  }
  assertFree(inbound, adoptBuffered)
  const isSocket = outbound instanceof Socket
  if (isSocket) assertFree(outbound, adoptBuffered)
  // Looked at before it is taken: whoever throws leaves it where it is.
  const seen = isSocket ? outbound.address() : sockets.parking.find(outbound).identity
  const isClient = seen.address === inbound.remoteAddress && seen.port === inbound.remotePort
  if (preserveClient && !isClient) {
    throw wrongIdentity(
      `The server sees ${seen.address}:${seen.port}, not the client.`,
      'Open the connection with associateWith, or leave preserveClient out.',
    )
  }
  const other = isSocket ? outbound : sockets.parking.redeem(outbound)
  return pairs.join(inbound, other, onPeerClose)
}

function assertFree(socket: Socket, adoptBuffered: boolean): void {
  if (socket.use === 'paired') throw inUse(`Socket ${socket.id}`)
  const line = socket[lineOf]
  if (socket.destroyed || socket.use === 'closed' || line.hasPeerEnded || !socket.writable) {
    throw wrongState(`Socket ${socket.id} is not open both ways.`, 'Take two that are established.')
  }
  if (!adoptBuffered && socket.readableLength + socket.writableLength > 0) {
    throw buffered(`Socket ${socket.id} has bytes that nobody has read, or that wait to be sent.`)
  }
}
