/**
 * A policy that looks into the first datagram: names of the company go to its own DNS servers, all
 * others to those that know the world. What is no question gets no answer.
 *
 *   sluice check examples/dns.ts
 */
import { defineConfig, type NewFlow } from 'sluice'

/** The header of a DNS message (RFC 1035, 4.1.1). */
const headerBytes = 12

/** The name that a DNS question asks for, in lower case (RFC 1035, 4.1.2); undefined for anything else. */
export function questionName(message: Uint8Array): string | undefined {
  const isQuestion = message.length > headerBytes && (message[2] & 0x80) === 0
  if (!isQuestion) return undefined
  const labels: string[] = []
  for (let at = headerBytes; at < message.length; ) {
    const length = message[at]
    if (length === 0) return labels.join('.').toLowerCase()
    // A question has no pointers, and what ends before its last label is none.
    if (length > 63) return undefined
    labels.push(String.fromCharCode(...message.subarray(at + 1, at + 1 + length)))
    at += 1 + length
  }
  return undefined
}

/** Each question of a client has a port of its own, as resolvers do it: each is a flow. */
export function byName({ data, client }: NewFlow) {
  const name = questionName(data)
  if (name === undefined) return { reject: 'drop' } as const
  const isOurs = name === 'corp.test' || name.endsWith('.corp.test')
  return `${isOurs ? 'own' : 'world'}${client.family}` as const
}

export default defineConfig({
  ports: {
    outside: { kind: 'packet', device: 'eth0', address: ['192.0.2.1/24', '2001:db8:1::1/64'] },
    inside: { kind: 'packet', device: 'eth1', address: ['10.1.0.1/24', '2001:db8:2::1/64'] },
  },

  pools: {
    own4: { nodes: ['10.1.0.11:53'] },
    world4: { nodes: ['10.1.0.12:53'] },
    own6: { nodes: ['[2001:db8:2::11]:53'] },
    world6: { nodes: ['[2001:db8:2::12]:53'] },
  },

  virtualServers: {
    dns4: { listen: 'udp://192.0.2.100:53', inspect: 'raw', policy: byName },
    dns6: { listen: 'udp://[2001:db8:1::100]:53', inspect: 'raw', policy: byName },
  },

  // An answer comes at once or never: a question need not be remembered for five minutes.
  timeouts: { udpMs: 10_000 },
})
