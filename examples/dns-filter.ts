/**
 * A DNS filter: questions for names that nobody here shall ask for are refused by the engine, all others
 * go to the server, which sees the client's own address and port. A client that has asked for nothing
 * bad twenty times is trusted: from then on its datagrams pass without a line of JavaScript.
 *
 *   sluice check examples/dns-filter.ts
 */
import type { DatagramSocket, ServiceContext } from 'sluice'
import { defineConfig } from 'sluice'
import { questionName } from './dns.js'

const servers = { 4: '10.1.0.11', 6: '2001:db8:2::11' } as const
const blocked = 'blocked.test'
const trustedAfter = 20

/** The question as its refusal (RFC 1035, 4.1.1): QR is set, and RCODE 5. */
function refusal(question: Buffer): Buffer {
  const answer = Buffer.from(question)
  answer[2] |= 0x80
  answer[3] = (answer[3] & 0x70) | 5
  return answer
}

/** Called for each client's port, with the datagrams that come from there. */
export async function filter(inbound: DatagramSocket, { stack }: ServiceContext): Promise<void> {
  const server = { address: servers[inbound.identity.family], port: 53 }
  const outbound = await stack.connect({ protocol: 'udp', ...server, associateWith: inbound })
  let asked = 0
  outbound.pair?.process({
    c2s(question) {
      const name = questionName(question) ?? blocked
      if (name === blocked || name.endsWith(`.${blocked}`)) {
        inbound.send(refusal(question))
        return undefined
      }
      asked++
      if (asked === trustedAfter) outbound.pair?.unproxy().catch(() => {}) // it is over: so be it
      return question
    },
  })
}

export default defineConfig({
  ports: {
    outside: { kind: 'packet', device: 'eth0', address: ['192.0.2.1/24', '2001:db8:1::1/64'] },
    inside: { kind: 'packet', device: 'eth1', address: ['10.1.0.1/24', '2001:db8:2::1/64'] },
  },

  virtualServers: {
    dns4: { listen: 'udp://192.0.2.100:53', service: filter },
    dns6: { listen: 'udp://[2001:db8:1::100]:53', service: filter },
  },

  // An answer comes at once or never: a question need not be remembered for five minutes.
  timeouts: { udpMs: 10_000 },
})
