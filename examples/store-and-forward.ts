/**
 * Takes what clients PUT at once, whether there is a server or not, and brings it to the server as soon
 * as there is one. The client is told that it is stored, and is gone when it arrives.
 *
 *   sluice check examples/store-and-forward.ts
 */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { createServer, type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { defineConfig, type ServiceContext, type Socket, type Stack } from 'sluice'

const servers = { 4: '10.1.0.11', 6: '2001:db8:2::11' } as const
const againMs = 500

const folder = mkdtemp(join(tmpdir(), 'stored-'))
/** Node's own HTTP server, for connections that a service hands to it. */
const clients = new WeakMap<object, { inbound: Socket; stack: Stack }>()
const server = createServer(async (incoming, answer) => {
  const file = join(await folder, randomUUID())
  try {
    await pipeline(incoming, createWriteStream(file))
  } catch {
    await rm(file, { force: true }) // the client left in the middle of it
    answer.destroy()
    return
  }
  answer.writeHead(202).end('stored\n')
  const client = clients.get(incoming.socket)
  if (client) void forward(client.stack, servers[client.inbound.identity.family], incoming, file)
})

export function storeAndForward(inbound: Socket, { stack }: ServiceContext): void {
  clients.set(inbound, { inbound, stack })
  server.emit('connection', inbound)
}

/** Tries until the server has it, or the engine is stopped. */
async function forward(stack: Stack, address: string, { url }: IncomingMessage, file: string) {
  for (;;) {
    try {
      await put(stack, address, url ?? '/', file)
      return await rm(file)
    } catch (error) {
      if ((error as { code?: string }).code === 'ERR_SLUICE_STOPPED') return
      await delay(againMs, undefined, { ref: false })
    }
  }
}

async function put(stack: Stack, address: string, path: string, file: string): Promise<void> {
  const headers = { 'Content-Length': (await stat(file)).size }
  const socket = await stack.connect({ address, port: 80 }) // from an address of the engine
  const outgoing = request({ method: 'PUT', path, headers, createConnection: () => socket })
  const [[answer]] = await Promise.all([
    once(outgoing, 'response') as Promise<[IncomingMessage]>,
    pipeline(createReadStream(file), outgoing),
  ])
  socket.destroy()
  if (answer.statusCode !== 200) throw new Error(`the server says ${answer.statusCode}`)
}

export default defineConfig({
  ports: {
    outside: { kind: 'packet', device: 'eth0', address: ['192.0.2.1/24', '2001:db8:1::1/64'] },
    inside: { kind: 'packet', device: 'eth1', address: ['10.1.0.1/24', '2001:db8:2::1/64'] },
  },

  virtualServers: {
    drop4: { listen: 'tcp://192.0.2.100:80', service: storeAndForward },
    drop6: { listen: 'tcp://[2001:db8:1::100]:80', service: storeAndForward },
  },
})
