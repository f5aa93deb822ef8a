/**
 * A cache: it reads the request before there is a connection to any server, and needs none where it
 * has the answer itself. One request a connection, and everything is kept for ten seconds: enough to
 * show how, not what HTTP asks of a cache (RFC 9111).
 *
 *   sluice check examples/cache.ts
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, request } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { defineConfig, type ServiceContext, type Socket } from 'sluice'

const servers = { 4: '10.1.0.11', 6: '2001:db8:2::11' } as const
const keepMs = 10_000
const most = 1000

interface Kept {
  status: number
  body: Buffer
  until: number
}

const kept = new Map<string, Kept>()
const clients = new WeakMap<object, () => Promise<Socket>>()

/** Node's own HTTP server, for connections that the service hands to it. */
const server = createServer(async ({ socket, url = '/' }, answer) => {
  const known = kept.get(url)
  const fresh = known && known.until > Date.now()
  const connect = clients.get(socket)
  if (!fresh && connect) await fetch(url, connect)
  const { status, body } = kept.get(url) ?? { status: 502, body: '' }
  // The client's connection is closed when it has everything.
  answer.writeHead(status, { Connection: 'close', 'X-Cache': fresh ? 'hit' : 'miss' }).end(body)
})

/** Gets the answer from the server, which sees the client's own address. */
async function fetch(path: string, connect: () => Promise<Socket>): Promise<void> {
  kept.delete(path)
  try {
    const socket = await connect()
    const asked = request({
      path,
      headers: { Connection: 'close' },
      createConnection: () => socket,
    })
    const [answer] = (await once(asked.end(), 'response')) as [IncomingMessage]
    const body = await buffer(answer)
    if (kept.size >= most) kept.delete(kept.keys().next().value ?? '')
    kept.set(path, { status: answer.statusCode ?? 502, body, until: Date.now() + keepMs })
  } catch {
    // Nothing is kept, and the client is told 502.
  }
}

export function cache(inbound: Socket, { stack }: ServiceContext): void {
  const address = servers[inbound.identity.family]
  clients.set(inbound, () => stack.connect({ address, port: 80, associateWith: inbound }))
  server.emit('connection', inbound)
}

export default defineConfig({
  ports: {
    outside: { kind: 'packet', device: 'eth0', address: ['192.0.2.1/24', '2001:db8:1::1/64'] },
    inside: { kind: 'packet', device: 'eth1', address: ['10.1.0.1/24', '2001:db8:2::1/64'] },
  },

  virtualServers: {
    site4: { listen: 'tcp://192.0.2.100:80', service: cache },
    site6: { listen: 'tcp://[2001:db8:1::100]:80', service: cache },
  },
})
