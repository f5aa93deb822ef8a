/**
 * A policy: an ordinary function that looks at a new connection and says where it goes. It is asked
 * once for each connection, never for a packet, and may take its time: the engine keeps the first
 * packets until it has answered. `sluice demo` runs this very file in a laboratory.
 *
 *   sluice check examples/policy.ts
 *   sluice demo
 *
 * The site has three servers. Two run the stable version, the third the beta version. Testers get
 * the beta; of everybody else's connections one in ten does, as a canary.
 */
import { defineConfig, type NewFlow } from 'sluice'

const testers = new Set(['192.0.2.11', '2001:db8:1::11'])

/** Stands in for what you would ask: a database, a feature-flag service, a file. Hence `async`. */
async function isTester(address: string): Promise<boolean> {
  return testers.has(address)
}

/** The name of a pool is the whole answer: 'beta4', say. TypeScript knows which names there are. */
async function stableOrBeta({ client }: NewFlow) {
  const canary = client.port % 10 === 0
  const version = canary || (await isTester(client.address)) ? 'beta' : 'stable'
  return `${version}${client.family}` as const
}

export default defineConfig({
  ports: {
    outside: { kind: 'packet', device: 'eth0', address: ['192.0.2.1/24', '2001:db8:1::1/64'] },
    inside: { kind: 'packet', device: 'eth1', address: ['10.1.0.1/24', '2001:db8:2::1/64'] },
  },

  // Servers of IPv4 for clients of IPv4, and so for IPv6: the engine does not change one into the
  // other.
  pools: {
    all4: { nodes: ['10.1.0.11:80', '10.1.0.12:80', '10.1.0.13:80'] },
    stable4: { nodes: ['10.1.0.11:80', '10.1.0.12:80'] },
    beta4: { nodes: ['10.1.0.13:80'] },
    all6: { nodes: ['[2001:db8:2::11]:80', '[2001:db8:2::12]:80', '[2001:db8:2::13]:80'] },
    stable6: { nodes: ['[2001:db8:2::11]:80', '[2001:db8:2::12]:80'] },
    beta6: { nodes: ['[2001:db8:2::13]:80'] },
  },

  virtualServers: {
    // Nobody decides here: each connection goes to the next server.
    plain4: { listen: 'tcp://192.0.2.100:80', pool: 'all4' },
    plain6: { listen: 'tcp://[2001:db8:1::100]:80', pool: 'all6' },
    // Here the function above does.
    site4: { listen: 'tcp://192.0.2.100:8080', policy: stableOrBeta },
    site6: { listen: 'tcp://[2001:db8:1::100]:8080', policy: stableOrBeta },
  },
})
