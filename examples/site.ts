/**
 * The smallest useful set-up: one virtual server, three real ones, each connection to the next.
 *
 *   sluice check examples/site.ts
 *   sluice doctor examples/site.ts       does this machine have what the file asks for?
 *   sluice run examples/site.ts          as root, with devices of these names
 *
 * Clients connect to 192.0.2.100 and never learn which server answers. The servers see the client's
 * own address; all they need is a route back to it through the engine (10.1.0.1).
 */
import { defineConfig } from 'sluice'

export default defineConfig({
  // Where packets come in and go out. The addresses are the engine's own on each link: take them
  // away from the kernel, which must not answer for them.
  ports: {
    outside: { kind: 'packet', device: 'eth0', address: ['192.0.2.1/24', '2001:db8:1::1/64'] },
    inside: { kind: 'packet', device: 'eth1', address: ['10.1.0.1/24', '2001:db8:2::1/64'] },
  },

  // Which real servers there are, and whose turn it is.
  pools: {
    web: {
      nodes: ['10.1.0.11:80', '10.1.0.12:80', '10.1.0.13:80'],
      balance: 'round-robin',
    },
    web6: {
      nodes: ['[2001:db8:2::11]:80', '[2001:db8:2::12]:80', '[2001:db8:2::13]:80'],
      balance: 'round-robin',
    },
  },

  // What clients connect to.
  virtualServers: {
    site: { listen: 'tcp://192.0.2.100:80', pool: 'web' },
    site6: { listen: 'tcp://[2001:db8:1::100]:80', pool: 'web6' },
  },
})
