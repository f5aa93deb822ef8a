/**
 * Answers what a client sends first, in HTTP, with the client's endpoint, and closes: the TIME-WAIT is
 * this host's. The answer ends with the connection, so that no client closes sooner. Arguments: PORT.
 */
import { createServer, isIPv6 } from 'node:net'

const [, , port] = process.argv

function endpoint({ remoteAddress, remotePort }) {
  const address = remoteAddress.replace(/^::ffff:/, '')
  return isIPv6(address) ? `[${address}]:${remotePort}` : `${address}:${remotePort}`
}

const server = createServer((socket) => {
  // A client may go away as it likes.
  socket.on('error', () => {})
  socket.once('data', () => socket.end(`HTTP/1.1 200 OK\r\n\r\n${endpoint(socket)}\n`))
})
server.listen(Number(port), '::', () => console.log('ready'))
