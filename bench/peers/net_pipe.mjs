/** A TCP proxy as Node.js has it: two sockets and pipe(). Arguments: LISTEN:PORT=SERVER:PORT ... */
import { connect, createServer } from 'node:net'

for (const argument of process.argv.slice(2)) {
  const [listen, server] = argument.split('=').map(endpoint)
  createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const upstream = connect({ ...server, allowHalfOpen: true, noDelay: true })
    const end = () => {
      client.destroy()
      upstream.destroy()
    }
    client.on('error', end).pipe(upstream)
    upstream.on('error', end).pipe(client)
  }).listen(listen)
}

function endpoint(text) {
  const at = text.lastIndexOf(':')
  return { host: text.slice(0, at), port: Number(text.slice(at + 1)) }
}
