/**
 * A proxy of single requests as Node.js has it: its HTTP server, its HTTP client with connections kept,
 * and pipe(). Arguments: LISTEN:PORT=SERVER:PORT ...
 */
import { Agent, createServer, request } from 'node:http'

const agent = new Agent({ keepAlive: true })

for (const argument of process.argv.slice(2)) {
  const [listen, server] = argument.split('=').map(endpoint)
  createServer({ noDelay: true }, (asked, answer) => {
    const { method, url, headers } = asked
    const { connection: _, ...kept } = headers
    const upstream = request({ ...server, method, path: url, headers: kept, agent })
    upstream.on('response', (answered) => {
      const { connection: __, 'keep-alive': ___, ...fields } = answered.headers
      answer.writeHead(answered.statusCode, fields)
      answered.on('error', () => answer.destroy()).pipe(answer)
    })
    upstream.on('error', () => answer.destroy())
    asked.pipe(upstream)
  }).listen(listen)
}

function endpoint(text) {
  const at = text.lastIndexOf(':')
  return { host: text.slice(0, at), port: Number(text.slice(at + 1)) }
}
