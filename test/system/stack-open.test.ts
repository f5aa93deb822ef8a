/** A stack without a configuration: it listens and connects with real peers. */
import { describe, expect, test } from 'vitest'
import { Stack } from '../../src/index.js'
import { type Host, Laboratory, type TopologyName, until } from '../../src/laboratory/index.js'
import { startEcho } from '../helpers/servers.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { SocketClients } from '../helpers/socket-clients.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter')

const ECHO = 7

/** A stack in the place of the engine of a laboratory. */
async function openStack(lab: Laboratory): Promise<Stack> {
  const ports = Object.values(lab.ports())
  const stack = await Stack.open({
    interfaces: ports.map((port) => ({
      name: port.device,
      netns: port.netns,
      ...(port.kind === 'tap'
        ? { kind: 'tap', hostAddress: port.hostAddress }
        : { kind: 'af_packet' }),
    })),
    addresses: ports.flatMap((port) =>
      (port.address ?? []).map((text) => {
        const [address = '', prefix] = text.split('/')
        return { address, prefix: Number(prefix), interface: port.device }
      }),
    ),
    memory: { connections: 100, poolBytes: 16 << 20 },
  })
  await lab.afterStart()
  return stack
}

describe.each<[TopologyName]>([['two-arm'], ['tap']])('over %s', (topology) => {
  if (topology === 'tap') requireHost('tun')

  test('SOCK-02 SOCK-09 it answers clients, and asks servers from its own address', async () => {
    await using lab = await Laboratory.create({ topology, servers: 1 })
    const [server] = lab.servers as [Host]
    await startEcho(lab, [server], ECHO)
    await using stack = await openStack(lab)
    const clients = await SocketClients.start(lab.client.namespace)
    for (const family of lab.families) {
      const address = lab.virtualAddress(family)
      await using listening = await stack.listen({ address, port: ECHO })
      expect(listening.address()).toEqual({ address, port: ECHO, family })
      const client = await clients.connect({ host: address, port: ECHO })
      client.write('question')
      for await (const inbound of listening) {
        const to = { address: server.address(family), port: ECHO }
        const outbound = await stack.connect(to)
        expect(outbound.pair).toBeUndefined()
        expect(outbound.remoteAddress).toBe(to.address)
        outbound.end('asked')
        let answer = ''
        for await (const chunk of outbound) answer += chunk
        inbound.end(answer)
        break
      }
      // The echo server tells whom it sees.
      const [text] = await client.untilReceived(/^.+$/m)
      const own = Object.values(lab.ports()).flatMap((port) => port.address ?? [])
      expect(own.some((one) => text.includes(one.split('/')[0] as string))).toBe(true)
      await client.end()
    }
    expect(stack.stats()).toMatchObject({ bytesHeld: 0, pairs: { proxied: 0 } })
  })

  test('a connection to an endpoint on which nobody listens any more is refused', async () => {
    await using lab = await Laboratory.create({ topology, servers: 1 })
    await using stack = await openStack(lab)
    const clients = await SocketClients.start(lab.client.namespace)
    for (const family of lab.families) {
      const address = lab.virtualAddress(family)
      const code = 'ERR_SLUICE_ADDR_IN_USE'
      const first = await stack.listen({ address, port: ECHO }, (socket) => socket.pipe(socket))
      await expect(stack.listen({ address, port: ECHO })).rejects.toMatchObject({ code })
      const client = await clients.connect({ host: address, port: ECHO })
      // The client is connected before the server is told; what it is told later is reset.
      await until('the server has it', () => stack.stats().sockets === 1)
      await first.close()
      // What it gave goes on.
      client.write('still')
      await client.untilReceived(/^still$/)
      await client.end()
      await using again = await stack.listen({ address, port: ECHO }, (socket) => {
        socket.end('again')
      })
      expect(again.listening).toBe(true)
      const second = await clients.connect({ host: address, port: ECHO })
      await second.untilReceived(/^again$/)
      await second.end()
    }
  })
})
