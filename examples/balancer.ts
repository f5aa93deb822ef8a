/**
 * A load balancer of one's own: each connection to the next server, and where that does not answer to
 * the one behind it. A pool does the same without a byte of it in JavaScript (examples/site.ts); this
 * one could look at the bytes before it decides.
 *
 *   sluice check examples/balancer.ts
 */
import { defineConfig, type ServiceContext, type Socket } from 'sluice'

const servers = {
  4: ['10.1.0.11', '10.1.0.12', '10.1.0.13'],
  6: ['2001:db8:2::11', '2001:db8:2::12', '2001:db8:2::13'],
}
const turn = { 4: 0, 6: 0 }

/** The first server that answers, beginning with the one whose turn it is. */
async function connect(inbound: Socket, { stack, signal }: ServiceContext): Promise<Socket> {
  const { family } = inbound.identity
  const first = turn[family]++
  let failure: unknown
  for (const index of servers[family].keys()) {
    const address = servers[family][(first + index) % servers[family].length] as string
    const to = { address, port: 80, associateWith: inbound, timeout: 2000 }
    try {
      return await stack.connect({ ...to, signal })
    } catch (error) {
      if (signal.aborted) throw error // the client has gone
      failure = error
    }
  }
  // A service that throws resets its connection: the client is told.
  throw failure
}

export async function balance(inbound: Socket, context: ServiceContext): Promise<void> {
  const outbound = await connect(inbound, context)
  outbound.pair?.process({})
}

export default defineConfig({
  ports: {
    outside: { kind: 'packet', device: 'eth0', address: ['192.0.2.1/24', '2001:db8:1::1/64'] },
    inside: { kind: 'packet', device: 'eth1', address: ['10.1.0.1/24', '2001:db8:2::1/64'] },
  },

  virtualServers: {
    site4: { listen: 'tcp://192.0.2.100:80', service: balance },
    site6: { listen: 'tcp://[2001:db8:1::100]:80', service: balance },
  },
})
