/** Answers each connection, when its client has ended, with `<SHA-256> <bytes>` of what came. */
import { createHash } from 'node:crypto'
import { createServer } from 'node:net'

const server = createServer({ allowHalfOpen: true }, async (socket) => {
  // A client may go away as it likes.
  socket.on('error', () => {})
  const hash = createHash('sha256')
  socket.on('data', (chunk) => hash.update(chunk))
  socket.on('end', () => socket.end(`${hash.digest('hex')} ${socket.bytesRead}\n`))
})
server.listen(Number(process.argv[2]), '::', () => console.log('ready'))
