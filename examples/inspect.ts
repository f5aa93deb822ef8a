/**
 * Policies that see what a client says first, and leave the rest to the engine: it moves the bytes, none
 * of which comes to JavaScript.
 *
 *   sluice check examples/inspect.ts
 *
 * Clients in clear go by the path, the host and a cookie of their first request; clients of TLS, whose
 * requests nobody can read, by the name of the server that they want, and back to where their session is;
 * clients of a protocol that only we know by their first line, which may come in pieces.
 */
import { defineConfig, type NewFlow } from 'sluice'

/** What is below /api/ to its own servers, who asks for it to the beta version, others to the stable one. */
export function byRequest({ http, client }: NewFlow) {
  if (http.host === 'admin.test') return { reject: 'reset' } as const
  if (http.path.startsWith('/api/')) return `api${client.family}` as const
  const wantsBeta = http.cookies.version === 'beta' || http.host === 'beta.test'
  return `${wantsBeta ? 'beta' : 'web'}${client.family}` as const
}

/** Who speaks TLS with another name than ours is not served. */
export function byName({ tls, client }: NewFlow) {
  if (tls.serverName === 'api.test') return `secureApi${client.family}` as const
  if (tls.serverName === 'site.test') return `secure${client.family}` as const
  return { reject: 'reset' } as const
}

/** `ROUTE 2` on a line of its own: until that is whole, nothing is decided. */
export function byLine({ data, client }: NewFlow) {
  const [, number] = /^ROUTE (\d)\r?\n/.exec(Buffer.from(data).toString('latin1')) ?? []
  if (number === undefined) return { more: true } as const
  return `${number === '2' ? 'second' : 'first'}${client.family}` as const
}

/** A session is resumed where it was begun: another server does not know it. */
const bySession = { hash: 'tls-session' } as const

export default defineConfig({
  ports: {
    outside: { kind: 'packet', device: 'eth0', address: ['192.0.2.1/24', '2001:db8:1::1/64'] },
    inside: { kind: 'packet', device: 'eth1', address: ['10.1.0.1/24', '2001:db8:2::1/64'] },
  },

  pools: {
    web4: { nodes: ['10.1.0.11:80'] },
    beta4: { nodes: ['10.1.0.12:80'] },
    api4: { nodes: ['10.1.0.13:80'] },
    secure4: { nodes: ['10.1.0.11:443', '10.1.0.12:443'], balance: bySession },
    secureApi4: { nodes: ['10.1.0.13:443'] },
    first4: { nodes: ['10.1.0.11:7'] },
    second4: { nodes: ['10.1.0.12:7'] },
    web6: { nodes: ['[2001:db8:2::11]:80'] },
    beta6: { nodes: ['[2001:db8:2::12]:80'] },
    api6: { nodes: ['[2001:db8:2::13]:80'] },
    secure6: { nodes: ['[2001:db8:2::11]:443', '[2001:db8:2::12]:443'], balance: bySession },
    secureApi6: { nodes: ['[2001:db8:2::13]:443'] },
    first6: { nodes: ['[2001:db8:2::11]:7'] },
    second6: { nodes: ['[2001:db8:2::12]:7'] },
  },

  virtualServers: {
    site4: { listen: 'tcp://192.0.2.100:80', inspect: 'http', policy: byRequest },
    site6: { listen: 'tcp://[2001:db8:1::100]:80', inspect: 'http', policy: byRequest },
    secure4: { listen: 'tcp://192.0.2.100:443', inspect: 'tls', policy: byName },
    secure6: { listen: 'tcp://[2001:db8:1::100]:443', inspect: 'tls', policy: byName },
    toy4: { listen: 'tcp://192.0.2.100:7', inspect: 'raw', policy: byLine },
    toy6: { listen: 'tcp://[2001:db8:1::100]:7', inspect: 'raw', policy: byLine },
  },
})
