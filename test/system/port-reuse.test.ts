/** A client's port that is used again while its server remembers it: TIME-WAIT is the server's own. */
import { describe, expect, test } from 'vitest'
import { type Family, until } from '../../src/laboratory/index.js'
import { startClosingServer, timeWaits } from '../helpers/closing-server.js'
import { EngineSite } from '../helpers/engine-site.js'
import { curl, url } from '../helpers/http-clients.js'
import { kernelCounters, tcpComplaints } from '../helpers/kernel-counters.js'
import { pipeTo, processTo, relayTo, SERVER } from '../helpers/services.js'
import { endpoint, listen } from '../helpers/site.js'
import { requireCaptures, requireHost, requireTools } from '../helpers/skip.js'
import { conversations, type TcpSegment } from '../helpers/tcp-streams.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'curl', 'ss')

const HTTP = 80
const LOCAL = 40_000
/** By what has the connections of the virtual server, its port. */
const ports = { pipe: 81, process: 82, relay: 83, translate: 84 }
type Kind = keyof typeof ports

type Conversation = ReturnType<typeof conversations>[number]

const FAMILIES: [Family][] = [[4], [6]]
/** As captures have it. */
const SECOND = 1_000_000_000

/** One server, which every kind of virtual server has behind it. */
function startSite(family: Family): Promise<EngineSite> {
  return EngineSite.start({
    families: [family],
    startServers: (lab) => Promise.all(lab.servers.map((host) => startClosingServer(host, HTTP))),
    services: {
      [ports.pipe]: pipeTo(SERVER, HTTP),
      [ports.process]: processTo(SERVER, HTTP),
      [ports.relay]: relayTo(SERVER, HTTP),
    },
    virtualServers: (_, lab) => ({
      plain: { listen: listen(lab, family, ports.translate), pool: 'web' },
    }),
    more: (lab) => ({
      pools: {
        web: { nodes: lab.serverAddresses(family).map((address) => endpoint(address, HTTP)) },
      },
    }),
  })
}

/** What a kernel counts of connections that did not come to be, or were cut off. */
async function failures(site: EngineSite) {
  const counted: Record<string, number> = {}
  for (const at of [site.client, site.server.namespace]) {
    const counters = await kernelCounters(at)
    const names = ['TcpAttemptFails', 'TcpEstabResets', 'TcpOutRsts', 'TcpExtTCPSynRetrans']
    for (const name of names) counted[name] = (counted[name] ?? 0) + (counters[name] ?? 0)
    Object.assign(counted, await tcpComplaints(at))
  }
  return Object.fromEntries(Object.entries(counted).filter(([, count]) => count > 0))
}

/** The server's kernel has these clients in TIME-WAIT, which is for a minute, and no others. */
async function untilRemembered(site: EngineSite, clients: string[]): Promise<void> {
  const wanted = [...clients].sort()
  await until('the server remembers the clients', async () => {
    const remembered = await timeWaits(site.server, HTTP)
    return JSON.stringify(remembered.sort()) === JSON.stringify(wanted)
  })
}

describe.each(FAMILIES)('IPv%s', (family) => {
  test.each<Kind>(['pipe', 'process', 'relay', 'translate'])(
    'TCPX-50 a client has its port again while the server is in TIME-WAIT: %s',
    async (kind) => {
      await using site = await startSite(family)
      const target = url(site.lab.virtualAddress(family), '/', ports[kind])
      const client = endpoint(site.lab.client.address(family), LOCAL)
      for (let turn = 1; turn <= 3; turn++) {
        const fetched = await curl(site.client, target, { args: ['--local-port', `${LOCAL}`] })
        expect(fetched).toMatchObject({ status: 200, exitCode: 0, client, body: `${client}\n` })
        await untilRemembered(site, [client])
        const { TcpPassiveOpens } = await kernelCounters(site.server.namespace)
        expect(TcpPassiveOpens).toBe(turn)
      }
      expect(await failures(site)).toEqual({})
      await site.end()
    },
  )
})

/** Each opens a connection, which the server closes when it has answered. */
async function ask(site: EngineSite, family: Family, kind: Kind, clients: number): Promise<void> {
  const asking = Array.from({ length: clients }, async (_, index) => {
    const socket = await site.connect(family, ports[kind], { localPort: LOCAL + index })
    socket.write('GET / HTTP/1.1\r\n\r\n')
    const [, seen] = await socket.untilReceived(/\r\n\r\n(.*)\n$/)
    await until('the server has ended', () => socket.state === 'closed')
    expect(socket.error).toBeUndefined()
    expect(seen).toBe(socket.local)
    return socket.local
  })
  await untilRemembered(site, await Promise.all(asking))
}

const flagsOf = ({ tcp }: TcpSegment) => [...tcp.flags].sort().join(' ')

/** The server's TIME-WAIT has answered the SYN by an ACK of its own connection, which a RST ends. */
function expectOpenedAnew({ request, reply }: Conversation): void {
  const [syn, reset, again] = request.segments as [TcpSegment, TcpSegment, TcpSegment]
  expect([syn, reset, again].map(flagsOf)).toEqual(['SYN', 'RST', 'SYN'])
  expect(reset.tcp.sequence).toBe(reply?.segments[0]?.tcp.acknowledgement)
  expect(again.tcp.sequence).toBe(syn.tcp.sequence)
  // Not when its timer says so, which is a second (RFC 6298 2.1).
  expect(Number(again.time - syn.time)).toBeLessThan(SECOND)
  expect(reply?.segments[1]?.tcp.flags).toEqual(new Set(['SYN', 'ACK']))
}

describe.each(FAMILIES)('on the wire, IPv%s', (family) => {
  requireCaptures()

  // The engine and the client's kernel know nothing of each other's numbers: of so many SYNs one half
  // are older than what the server remembers.
  test.each<[Kind, Kind]>([
    ['translate', 'process'],
    ['process', 'translate'],
  ])(
    'TCPX-50 a SYN that the server answers by an ACK goes again behind a RST: %s, then %s',
    async (first, second) => {
      const CLIENTS = 40
      await using site = await startSite(family)
      await ask(site, family, first, CLIENTS)
      await site.untilIdle()
      const capture = await site.captureInside()
      await ask(site, family, second, CLIENTS)
      const opened = conversations(await capture.stop(), HTTP)
      expect(opened).toHaveLength(CLIENTS)
      const anew = opened.filter(({ reply }) => {
        const [answer] = reply?.segments ?? []
        return answer && flagsOf(answer) === 'ACK'
      })
      expect(anew.length).toBeGreaterThan(0)
      for (const conversation of anew) expectOpenedAnew(conversation)
      await site.end()
    },
  )
})
