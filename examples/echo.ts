/**
 * The smallest service: a function that gets each connection to its virtual server as a stream, with
 * all that a socket of `node:net` has. The engine itself runs TCP; no kernel socket is involved.
 *
 *   sluice check examples/echo.ts
 */
import { defineConfig, type Socket } from 'sluice'

/**
 * What comes goes back (RFC 862). A client that sends and does not read is not read either, and finds
 * the window closed.
 */
export function echo(inbound: Socket): void {
  inbound.pipe(inbound)
}

export default defineConfig({
  ports: {
    outside: { kind: 'packet', device: 'eth0', address: ['192.0.2.1/24', '2001:db8:1::1/64'] },
    inside: { kind: 'packet', device: 'eth1', address: ['10.1.0.1/24', '2001:db8:2::1/64'] },
  },

  virtualServers: {
    echo4: { listen: 'tcp://192.0.2.100:7', service: echo },
    echo6: { listen: 'tcp://[2001:db8:1::100]:7', service: echo },
  },
})
