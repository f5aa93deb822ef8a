/**
 * A web server of the demo, run as a process in a server's network namespace:
 *
 *   node server.js NAME PORT ADDRESS...
 *
 * It answers `/` with its name and the client that it sees, `/bulk/N` with N bytes, `/hash/N` with
 * their hash; prints `listening` once it does, and runs until it is killed.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { content, contentHash } from './content.js'

/** What a server says of itself and of who asked. */
export interface Answer {
  server: string
  client: { address: string; port: number }
}

const [name = '', port = '', ...addresses] = process.argv.slice(2)

function answer(request: IncomingMessage, response: ServerResponse): void {
  const [, what, length] = (request.url ?? '/').split('/')
  if (what === 'bulk') {
    response.setHeader('content-length', Number(length))
    Readable.from(content(Number(length))).pipe(response)
  } else if (what === 'hash') {
    response.end(contentHash(Number(length)))
  } else {
    const { remoteAddress = '', remotePort = 0 } = request.socket
    const said: Answer = { server: name, client: { address: remoteAddress, port: remotePort } }
    response.end(JSON.stringify(said))
  }
}

for (const address of addresses) {
  const server = createServer(answer).listen(Number(port), address)
  await once(server, 'listening')
}
process.stdout.write('listening\n')
