/** Segments of somebody who guesses: sent on, since the ends decide, and none of them ends the flow. */
import { describe, expect, test } from 'vitest'
import { type Family, type Host, type Namespace, until } from '../../src/laboratory/index.js'
import type { DecodedTcp } from '../helpers/frame.js'
import { RawPeer } from '../helpers/raw-peer.js'
import { Site } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { type ClientSocket, SocketClients } from '../helpers/socket-clients.js'
import { ACK, FIN, RST, SYN, tcpFrame } from '../helpers/tcp-frame.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'python3')

type Side = 'client' | 'server'

/** Somebody on the link of one end, who knows its address and L4 port and sends in its name. */
class Attacker {
  private constructor(
    readonly peer: RawPeer,
    private readonly from: { mac: string; address: string; port: number },
    private readonly to: { mac: string; address: string; port: number },
  ) {}

  static async start(site: Site, side: Side, family: Family, socket: ClientSocket) {
    const [server] = site.lab.servers as [Host]
    const at: Namespace = side === 'client' ? site.client : server.namespace
    const device = side === 'client' ? 'ext0' : 'int0'
    const { stdout } = await site.lab.namespace('ctl').exec('ip', ['-j', 'link', 'show', device])
    const mac: string = JSON.parse(stdout)[0].address
    const peer = await RawPeer.start(at, 'eth0')
    const port = Number(socket.local.slice(socket.local.lastIndexOf(':') + 1))
    const client = { address: site.lab.client.address(family), port }
    const server80 = { address: server.address(family), port: 80 }
    const service = { address: site.lab.virtualAddress(family), port: 80 }
    return side === 'client'
      ? new Attacker(peer, { ...client, mac: peer.mac }, { ...service, mac })
      : new Attacker(peer, { ...server80, mac: peer.mac }, { ...client, mac })
  }

  send(flags: number, seq: number, ack: number, payload = ''): void {
    this.peer.send(tcpFrame({ from: this.from, to: this.to, flags, seq, ack, payload }))
  }

  /** The latest segment that came from the other end: it names the next number that is expected. */
  latest(): DecodedTcp | undefined {
    const segments = this.peer.received.flatMap(({ decoded: { ip, tcp } }) => {
      const ours = ip?.source === this.to.address && tcp?.destinationPort === this.from.port
      return tcp && ours ? [tcp] : []
    })
    return segments.at(-1)
  }
}

describe.each<Side>(['client', 'server'])('in the name of the %s', (side) => {
  test('TCPX-36 HS-28 only the exact number ends the flow, as it ends the connection', async () => {
    await using site = await Site.start({ topology: 'two-arm', servers: 1 })
    const clients = await SocketClients.start(site.client)
    for (const family of site.lab.families) {
      const socket = await clients.connect({ host: site.lab.virtualAddress(family), port: 80 })
      const attacker = await Attacker.start(site, side, family, socket)
      await socket.request()
      const {
        acknowledgement: next,
        sequence,
        payload,
      } = await until('a segment came', () => attacker.latest())
      const ack = sequence + payload.length
      const window = 0x1_0000
      const { forwarded: before } = (await site.status()).counters
      // Beside the number, at both edges of a window and beyond, and half of the space away.
      const guesses = [-1, 1, 1000, -window, window - 1, window * 200, 0x7fff_ffff]
      for (const guess of guesses) {
        for (const flags of [RST, RST | ACK, SYN, SYN | ACK])
          attacker.send(flags, next + guess, ack)
      }
      // What would be queued at its end if it lay in the window.
      for (const guess of [-window, window * 200, 0x7fff_ffff]) {
        attacker.send(FIN | ACK, next + guess, ack)
        attacker.send(ACK, next + guess, ack, 'blind data')
      }
      await until('all were sent on', async () => {
        const { forwarded } = (await site.status()).counters
        return forwarded >= before + 4 * guesses.length + 6
      })
      expect((await site.flows()).map(({ client }) => client)).toContain(socket.local)
      expect(await socket.request()).toBe('srv1\n')
      const { counters } = await site.status()
      expect(counters.flowsClosedRst).toBe(family === 4 ? 0 : 1)
      // The attacker may see a segment a little later than the one to whom it is sent.
      await until('the flow has ended', async () => {
        const seen = attacker.latest()
        // Until the client has acknowledged the answer nobody between can tell where it is.
        const settled = side === 'client' || seen?.payload.length === 0
        if (seen && settled) attacker.send(RST, seen.acknowledgement, 0)
        return (await site.status()).counters.flowsClosedRst === counters.flowsClosedRst + 1
      })
      if (side === 'server') await until('the client is told', () => socket.error)
    }
    expect((await site.end()).counters).toMatchObject({ queries: 2, flowsClosedRst: 2 })
  })
})
