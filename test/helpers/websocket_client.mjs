// Node's own WebSocket client (node --experimental-websocket): says what it is told, line by line, and
// what it hears; at the end of its input it closes. Arguments: URL.
import { createInterface } from 'node:readline'

const client = new WebSocket(process.argv[2])
client.addEventListener('open', () => {
  console.log('open')
  const lines = createInterface({ input: process.stdin })
  lines.on('line', (line) => client.send(line))
  lines.on('close', () => client.close(1000, 'done'))
})
client.addEventListener('message', ({ data }) => console.log(`heard ${data}`))
client.addEventListener('error', () => console.log('failed'))
client.addEventListener('close', ({ code, reason, wasClean }) => {
  console.log(`closed ${code} ${reason} ${wasClean}`)
  process.exit()
})
