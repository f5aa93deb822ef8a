/**
 * A filter: it stands between clients and their server, sees every byte, here to count them, and passes
 * them on. The server sees the client's own address and port, as if nobody stood in between.
 *
 *   sluice check examples/count.ts
 */
import { Transform } from 'node:stream'
import { defineConfig, type ServiceContext, type Socket } from 'sluice'

const servers = { 4: '10.1.0.11', 6: '2001:db8:2::11' } as const

/** Passes on what it counts. A filter that changes bytes differs in what it hands on. */
function counter(counted: (bytes: number) => void): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      counted(chunk.length)
      done(null, chunk)
    },
  })
}

export async function count(inbound: Socket, { stack }: ServiceContext): Promise<void> {
  const { family, address, port } = inbound.identity
  const bytes = { up: 0, down: 0 }
  inbound.once('close', () => console.log(`${address} port ${port}: ${JSON.stringify(bytes)}`))

  // `associateWith` makes the two connections a pair, and gives this one the client's address.
  const server = { address: servers[family], port: 80 }
  const outbound = await stack.connect({ ...server, associateWith: inbound })
  outbound.pair?.process({
    c2s: counter((more) => (bytes.up += more)),
    s2c: counter((more) => (bytes.down += more)),
  })
}

export default defineConfig({
  ports: {
    outside: { kind: 'packet', device: 'eth0', address: ['192.0.2.1/24', '2001:db8:1::1/64'] },
    inside: { kind: 'packet', device: 'eth1', address: ['10.1.0.1/24', '2001:db8:2::1/64'] },
  },

  virtualServers: {
    site4: { listen: 'tcp://192.0.2.100:80', service: count },
    site6: { listen: 'tcp://[2001:db8:1::100]:80', service: count },
  },
})
