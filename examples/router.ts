/**
 * Each request of a connection to a server of its own: what is below /api/ to one pool, what a cookie
 * asks for to another, the rest to a third. Heads are read here, bodies pass in the engine, counted to
 * the byte, and the servers' connections are used again.
 *
 *   sluice check examples/router.ts
 */
import { defineConfig, httpRouter, type RoutedRequest } from 'sluice'

export function route({ target, headers }: RoutedRequest): string {
  if (target.startsWith('/api/')) return 'api'
  return /(^|; *)beta=1(;|$)/.test(headers.cookie ?? '') ? 'beta' : 'web'
}

const router = httpRouter(route, { park: { ttl: 30_000, maxUses: 1000 } })

export default defineConfig({
  ports: {
    outside: { kind: 'packet', device: 'eth0', address: ['192.0.2.1/24', '2001:db8:1::1/64'] },
    inside: { kind: 'packet', device: 'eth1', address: ['10.1.0.1/24', '2001:db8:2::1/64'] },
  },

  pools: {
    web: { nodes: ['10.1.0.11:80'] },
    api: { nodes: ['10.1.0.12:80'] },
    beta: { nodes: ['10.1.0.13:80'] },
  },

  virtualServers: {
    site: { listen: 'tcp://192.0.2.100:80', service: router },
  },
})
