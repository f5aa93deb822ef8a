/**
 * Node's own HTTP server over the engine's sockets: it takes any stream, and so do the frameworks
 * that are built on it.
 *
 *   sluice check examples/http.ts
 */
import { createServer } from 'node:http'
import { defineConfig, type Socket } from 'sluice'

const server = createServer(async ({ method, url, socket }, answer) => {
  const { remoteAddress, remotePort } = socket
  answer.writeHead(200, { 'Content-Type': 'text/plain' })
  answer.end(`${method} ${url} from ${remoteAddress} port ${remotePort}\n`)
})

/** It never listens by itself: the engine accepts, and hands the connections over. */
export function http(inbound: Socket): void {
  server.emit('connection', inbound)
}

export default defineConfig({
  ports: {
    outside: { kind: 'packet', device: 'eth0', address: ['192.0.2.1/24', '2001:db8:1::1/64'] },
    inside: { kind: 'packet', device: 'eth1', address: ['10.1.0.1/24', '2001:db8:2::1/64'] },
  },

  virtualServers: {
    site4: { listen: 'tcp://192.0.2.100:80', service: http },
    site6: { listen: 'tcp://[2001:db8:1::100]:80', service: http },
  },
})
