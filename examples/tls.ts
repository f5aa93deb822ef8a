/**
 * TLS ends here, by Node's own `node:tls`; behind it servers get plain HTTP from the client's own
 * address. Key and certificate are files in PEM, named by the environment.
 *
 *   sluice check examples/tls.ts
 *   TLS_KEY=site.key TLS_CERT=site.pem sluice run examples/tls.ts
 */
import { readFileSync } from 'node:fs'
import type { Socket as NetSocket } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls'
import { defineConfig, type ServiceContext, type Socket } from 'sluice'

const servers = { 4: '10.1.0.11', 6: '2001:db8:2::11' } as const

let credentials: SecureContext | undefined

/** Read when the first client comes: the file can be checked where there are none. */
function secureContext(): SecureContext {
  const { TLS_KEY = 'site.key', TLS_CERT = 'site.pem' } = process.env
  credentials ??= createSecureContext({ key: readFileSync(TLS_KEY), cert: readFileSync(TLS_CERT) })
  return credentials
}

export async function terminate(inbound: Socket, { stack }: ServiceContext): Promise<void> {
  // Any Duplex will do (documentation of node:tls), though its types ask for a net.Socket.
  const stream = inbound as unknown as NetSocket
  const secure = new TLSSocket(stream, { isServer: true, secureContext: secureContext() })
  const address = servers[inbound.identity.family]
  const outbound = await stack.connect({ address, port: 80, associateWith: inbound })
  await pipeline(secure, outbound, secure)
}

export default defineConfig({
  ports: {
    outside: { kind: 'packet', device: 'eth0', address: ['192.0.2.1/24', '2001:db8:1::1/64'] },
    inside: { kind: 'packet', device: 'eth1', address: ['10.1.0.1/24', '2001:db8:2::1/64'] },
  },

  virtualServers: {
    site4: { listen: 'tcp://192.0.2.100:443', service: terminate },
    site6: { listen: 'tcp://[2001:db8:1::100]:443', service: terminate },
  },
})
