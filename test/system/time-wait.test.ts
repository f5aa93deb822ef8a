/** What is left of a connection that the engine closed: one flow entry, which answers for it. */
import { describe, expect, test } from 'vitest'
import { HeldConnections } from '../../bench/loads/held-connections.js'
import type { ServiceFunction } from '../../src/index.js'
import { type Family, type Namespace, until } from '../../src/laboratory/index.js'
import { AcceptedSockets, EngineSite } from '../helpers/engine-site.js'
import { kernelCounters, tcpComplaints } from '../helpers/kernel-counters.js'
import type { CapturedFrame } from '../helpers/pcap.js'
import { requireCaptures, requireHost, requireTools } from '../helpers/skip.js'
import { Reading } from '../helpers/socket-reading.js'
import { conversations, type TcpStream } from '../helpers/tcp-streams.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'python3', 'nft', 'ss')

const [CLOSING, ECHO] = [70, 7]
/** Bytes (docs/architecture.md, docs/tcp.md): both entries of a flow and both blocks of a connection; what is left. */
const WHOLE = { 4: 181 + 168 + 152, 6: 181 + 128 + 168 + 152 }
const REMEMBERED = { 4: 64, 6: 96 }
const FAMILIES: [Family][] = [[4], [6]]

/** Ends first, and so has the TIME-WAIT. */
const closing: ServiceFunction = (inbound) => {
  inbound.resume()
  inbound.end()
}

const echo: ServiceFunction = (inbound) => {
  inbound.pipe(inbound)
}

function startSite(family: Family, more: object = {}): Promise<EngineSite> {
  return EngineSite.start({
    families: [family],
    services: { [CLOSING]: closing, [ECHO]: echo },
    more: () => more,
  })
}

/** Opens so many connections, which the engine closes, and waits until all are over. */
async function closeMany(site: EngineSite, count: number, port = CLOSING): Promise<void> {
  const to = { address: site.lab.virtualAddress(), port }
  const { counts } = await HeldConnections.open(site.lab, to, count)
  expect(counts).toEqual({ held: count, failed: 0 })
}

const countersOf = (site: EngineSite) => site.engine.status().counters

/** What there is of connections and of what is left of them. */
function stateOf(site: EngineSite) {
  const { connections, ownTimeWait, streamBuffers, flowEntries, sockets } = countersOf(site)
  return { connections, ownTimeWait, streamBuffers, flowEntries, sockets }
}

describe.each(FAMILIES)('IPv%s', (family) => {
  test('MEM-08 MEM-01 ten thousand closes leave ten thousand flow entries, and no block', async () => {
    const COUNT = 10_000
    await using site = await startSite(family)
    await closeMany(site, COUNT)
    await until(
      () => `all are in TIME-WAIT, and blocks are given back: ${JSON.stringify(stateOf(site))}`,
      () => {
        const { connections, ownTimeWait, streamBuffers } = countersOf(site)
        return ownTimeWait === COUNT && connections === 0 && streamBuffers === 0
      },
      30_000,
    )
    await site.untilIdle()
    expect(site.stack.stats().timeWait).toBe(COUNT)
    expect(countersOf(site).flowEntries).toBe(COUNT)
    await site.end()
  })

  test('MEM-14 five thousand short connections in a pool of a thousand', async () => {
    await using site = await startSite(family, { limits: { connections: 1000 } })
    await closeMany(site, 5000)
    await site.untilIdle()
    await until('blocks are given back', () => countersOf(site).connections === 0)
    expect(await tcpComplaints(site.client)).toEqual({})
    await site.end()
  })

  test('MEM-15 as many whole connections would take six times the memory and more', async () => {
    const CONNECTIONS = 600
    const CLOSED = Math.floor((CONNECTIONS * WHOLE[family]) / REMEMBERED[family])
    const limits = { connections: CONNECTIONS, flows: CONNECTIONS, timeWaits: CLOSED }
    await using site = await startSite(family, { limits })
    await closeMany(site, CLOSED)
    await until('all are remembered', () => countersOf(site).ownTimeWait === CLOSED)
    const to = { address: site.lab.virtualAddress(), port: ECHO }
    const held = await HeldConnections.open(site.lab, to, CONNECTIONS)
    expect(held.counts).toEqual({ held: CONNECTIONS, failed: 0 })
    const refused = () => site.engine.status().drops.connectionsFull ?? 0
    const before = refused()
    const further = site.connect(family, ECHO)
    await until('there is no room for one more', () => refused() > before)
    expect(countersOf(site)).toMatchObject({ connections: CONNECTIONS, ownTimeWait: CLOSED })
    await held.close()
    await (await further).end()
    await site.end()
  })

  test('MEM-09 TIME-WAIT ends after its time, and the entry with it', async () => {
    const more = { timeWaitMs: 1000 }
    await using site = await EngineSite.start({
      families: [family],
      services: {},
      virtualServers: (_, lab) => ({
        short: { listen: listenAt(lab.virtualAddress(), CLOSING), service: closing, ...more },
      }),
    })
    await closeMany(site, 100)
    await until('all were in TIME-WAIT', () => countersOf(site).connectionsAccepted === 100)
    await until('no entry is left', () => {
      const { ownTimeWait, flowEntries } = countersOf(site)
      return ownTimeWait === 0 && flowEntries === 0
    })
    expect(site.stack.stats().timeWait).toBe(0)
    await site.end()
  })

  test('MEM-10 TCPX-49 a new connection from the same port takes the place of the old one at once', async () => {
    await using site = await startSite(family)
    for (let turn = 0; turn < 5; turn++) {
      const client = await site.connect(family, CLOSING, { localPort: 41_000 })
      await until('the engine has ended it', () => client.state === 'closed')
      expect(client.error).toBeUndefined()
      await until('it is in TIME-WAIT, and no other', () => countersOf(site).ownTimeWait === 1)
    }
    expect(countersOf(site).connectionsAccepted).toBe(5)
    await site.end()
  })

  test('MEM-18 a full table gives up the oldest TIME-WAIT, never what is in use', async () => {
    const TIME_WAITS = 1000
    const limits = { flows: TIME_WAITS, timeWaits: TIME_WAITS }
    await using site = await startSite(family, { limits })
    const live = await site.connect(family, ECHO)
    live.write('before')
    await live.untilReceived(/^before$/)
    await closeMany(site, 5 * TIME_WAITS)
    await until('all are over, and no more than these are remembered', () => {
      const { connections, connectionsAccepted, ownTimeWait } = countersOf(site)
      // The client may have its answer while the engine has not heard of that yet.
      const allAccepted = connectionsAccepted === 5 * TIME_WAITS + 1
      return allAccepted && connections === 1 && ownTimeWait === TIME_WAITS
    })
    const { flowsEvicted, timeWaitsEvicted } = countersOf(site)
    expect(flowsEvicted).toBe(0)
    const { endedEarly } = site.engine.status().sockets.timeWait
    expect(endedEarly + timeWaitsEvicted).toBeGreaterThanOrEqual(4 * TIME_WAITS)
    live.write(' and after')
    await live.untilReceived(/^before and after$/)
    await live.end()
    await site.end()
  })
})

const listenAt = (address: string, port: number) =>
  `tcp://${address.includes(':') ? `[${address}]` : address}:${port}`

/** At the client, the ACK of its FIN is lost as often as it comes, until `end`. */
async function loseLastAck(at: Namespace): Promise<() => Promise<unknown>> {
  const chain = 'add chain inet loss in { type filter hook input priority 0; }'
  const flags = 'tcp flags & (fin|syn|rst|psh|ack) == ack'
  const rule = `add rule inet loss in tcp sport ${ECHO} ${flags} drop`
  await at.exec('nft', [`add table inet loss; ${chain}; ${rule}`])
  return () => at.exec('nft', ['delete table inet loss'])
}

async function states(at: Namespace): Promise<string[]> {
  const { stdout } = await at.exec('ss', ['-Htan', `dport = :${ECHO}`])
  const lines = stdout.split('\n').filter(Boolean)
  return lines.map((line) => line.split(/\s+/)[0] ?? '')
}

describe.each(FAMILIES)('on the wire, IPv%s', (family) => {
  requireCaptures()

  test('MEM-11 MEM-13 TCPX-48 a lost last ACK comes again, made from the flow entry alone', async () => {
    const accepted = new AcceptedSockets()
    await using site = await EngineSite.start({
      families: [family],
      services: { [ECHO]: accepted.service },
    })
    const capture = await site.captureOutside()
    const client = await site.connect(family, ECHO, { allowHalfOpen: true })
    const inbound = await accepted.next()
    const reading = new Reading(inbound)
    client.write('request')
    await reading.untilText('request')
    inbound.end('answer') // which acknowledges the request
    await client.untilReceived(/^answer$/)
    const mend = await loseLastAck(site.client)
    await client.end()
    await until('the engine has no block of it', () => {
      const { connections, ownTimeWait } = countersOf(site)
      return connections === 0 && ownTimeWait === 1
    })
    expect(await states(site.client)).toEqual(['LAST-ACK'])
    await until('the client sends its FIN again', async () => {
      return ((await kernelCounters(site.client)).TcpRetransSegs ?? 0) >= 2
    })
    await mend()
    await until('the client has its ACK', async () => (await states(site.client)).length === 0)
    expectLastAcks(await capture.stop())
    expect(await tcpComplaints(site.client)).toEqual({})
    await site.end()
  })
})

/** Every ACK of the client's FIN is the same but for its time. */
function expectLastAcks(frames: CapturedFrame[]): void {
  const [{ request, reply }] = conversations(frames, ECHO) as [
    { request: TcpStream; reply: TcpStream },
  ]
  const fins = request.segments.filter(({ tcp }) => tcp.flags.has('FIN'))
  expect(fins.length).toBeGreaterThanOrEqual(3)
  const behind = ((fins[0]?.tcp.sequence ?? 0) + 1) >>> 0
  const acks = reply.segments.filter(({ tcp }) => tcp.acknowledgement === behind)
  expect(acks.length).toBeGreaterThanOrEqual(3)
  const [first] = acks
  const ours = reply.segments.find(({ tcp }) => tcp.flags.has('FIN'))?.tcp
  const next = ((ours?.sequence ?? 0) + (ours?.payload.length ?? 0) + 1) >>> 0
  for (const { frame, tcp } of acks) {
    expect(tcp.flags).toEqual(new Set(['ACK']))
    expect([tcp.sequence, tcp.window]).toEqual([next, first?.tcp.window])
    expect([frame.ip?.dscp, frame.ip?.ecn]).toEqual([first?.frame.ip?.dscp, first?.frame.ip?.ecn])
    expect(tcp.options.timestamps).toBeDefined()
  }
  // It echoes the newest of the client's.
  const echoes = acks.map(({ tcp }) => tcp.options.timestamps?.echo)
  const sent = fins.map(({ tcp }) => tcp.options.timestamps?.value)
  expect(sent).toEqual(expect.arrayContaining(echoes))
}
