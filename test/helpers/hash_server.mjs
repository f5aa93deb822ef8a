/**
 * Answers each connection, when its client has ended, with `<SHA-256> <bytes>` of what came. Arguments:
 * PORT, and `paused`: then it reads nothing of a connection until a line comes on its input.
 */
import { createHash } from 'node:crypto'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'

const [, , port, paused] = process.argv
const waiting = []

function digest(socket) {
  const hash = createHash('sha256')
  socket.on('data', (chunk) => hash.update(chunk))
  socket.on('end', () => socket.end(`${hash.digest('hex')} ${socket.bytesRead}\n`))
}

const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
  // A client may go away as it likes.
  socket.on('error', () => {})
  if (paused) waiting.push(socket)
  else digest(socket.resume())
})
createInterface({ input: process.stdin }).on('line', () => {
  for (const socket of waiting.splice(0)) digest(socket.resume())
})
server.listen(Number(port), '::', () => console.log('ready'))
