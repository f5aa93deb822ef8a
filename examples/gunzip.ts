/**
 * A service may pass on more, fewer and other bytes than it got: clients send compressed what their
 * server wants plain.
 *
 *   sluice check examples/gunzip.ts
 */
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { defineConfig, type ServiceContext, type Socket } from 'sluice'

const servers = { 4: '10.1.0.11', 6: '2001:db8:2::11' } as const

export async function gunzip(inbound: Socket, { stack }: ServiceContext): Promise<void> {
  const address = servers[inbound.identity.family]
  const outbound = await stack.connect({ address, port: 9000, associateWith: inbound })
  // What is no gzip makes the pipeline throw, and a service that throws resets its connection.
  await Promise.all([
    pipeline(inbound, createGunzip(), outbound),
    pipeline(outbound, inbound), // answers go as they are
  ])
}

export default defineConfig({
  ports: {
    outside: { kind: 'packet', device: 'eth0', address: ['192.0.2.1/24', '2001:db8:1::1/64'] },
    inside: { kind: 'packet', device: 'eth1', address: ['10.1.0.1/24', '2001:db8:2::1/64'] },
  },

  virtualServers: {
    upload4: { listen: 'tcp://192.0.2.100:9000', service: gunzip },
    upload6: { listen: 'tcp://[2001:db8:1::100]:9000', service: gunzip },
  },
})
