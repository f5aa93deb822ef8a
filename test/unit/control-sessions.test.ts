import { describe, expect, test } from 'vitest'
import {
  EndReason,
  QueryReason,
  SsmbError,
  SsmbFlags,
  XlatMask,
} from '../../src/generated/messages.js'
import { families, startFarm } from '../helpers/farm.js'
import { stateMessage, statsMessage, testEpoch } from '../helpers/messages.js'

const midSession = QueryReason.midSession
const translation = XlatMask.dstAddr | XlatMask.dstPort | XlatMask.decTtl

describe.each(families)('IPv%i', (family) => {
  test('CS-12 STAT-02 a DELETE ends the session: its node has one less, its counts stay', async () => {
    const { engine, segment, fromClient, connectionsByNode } = await startFarm(family)
    const [first, second] = [segment.query(fromClient(0)), segment.query(fromClient(1))]
    await segment.repliesTo(first, second)
    const counts = { packetsIn: 7, bytesIn: 700, packetsOut: 5, bytesOut: 50_000 }
    segment.end({ ...fromClient(0), serial: first, reason: EndReason.fin, ...counts })
    await segment.quiet()
    expect(connectionsByNode()).toEqual([0, 1, 0])
    const { pools, virtualServers } = engine.status()
    const traffic = { packets: { in: 7, out: 5 }, bytes: { in: 700, out: 50_000 } }
    expect(pools[0]).toMatchObject({ connections: 1, totalConnections: 2, ...traffic })
    expect(pools[0].nodes[0]).toMatchObject({ connections: 0, totalConnections: 1, ...traffic })
    expect(virtualServers[0]).toMatchObject({ connections: 1, totalConnections: 2, ...traffic })
  })

  test('STAT-03 STAT-04 totals of STATS are counted once, however often they come', async () => {
    const { engine, segment, fromClient } = await startFarm(family)
    const serial = segment.query(fromClient())
    await segment.repliesTo(serial)
    for (const packetsIn of [3, 3, 10]) {
      segment.send(statsMessage({ ...fromClient(), serial, packetsIn, bytesIn: packetsIn * 100 }))
    }
    segment.end({ ...fromClient(), serial, reason: EndReason.idle, packetsIn: 12, bytesIn: 1200 })
    await segment.quiet()
    expect(engine.status().virtualServers[0]).toMatchObject({
      packets: { in: 12, out: 0 },
      bytes: { in: 1200, out: 0 },
    })
  })

  test('DFS-20 SSMB-13 after its end a signature is a new session with a new choice', async () => {
    const { engine, segment, farm, fromClient } = await startFarm(family)
    const old = segment.query(fromClient())
    await segment.repliesTo(old)
    segment.end({ ...fromClient(), serial: old, reason: EndReason.rst })
    const next = segment.query(fromClient())
    expect(await segment.repliesTo(next)).toMatchObject([
      { newDestination: farm.node(2), flags: SsmbFlags.routeByDst },
    ])

    segment.end({ ...fromClient(), serial: old, reason: EndReason.rst })
    await segment.quiet()
    expect(engine.status().bus.stale).toBe(1)
    expect(engine.status().pools[0].connections).toBe(1)
  })

  test('DFS-03 FLOWLIFE-17 another DSCP in mid-session: same node, RESUMED, counted once', async () => {
    const { engine, segment, farm, fromClient, connectionsByNode } = await startFarm(family)
    const first = segment.query(fromClient())
    await segment.repliesTo(first)
    const second = segment.query({ ...fromClient(), tos: 0x28, reason: midSession, sequence: 99 })
    expect(await segment.repliesTo(second)).toMatchObject([
      {
        flags: SsmbFlags.routeByDst | SsmbFlags.resumed,
        mask: translation,
        newDestination: farm.node(1),
        tos: 0x28,
      },
    ])
    expect(connectionsByNode()).toEqual([1, 0, 0])
    expect(engine.status().decisions).toMatchObject({ assigned: 1, resumed: 1 })
  })

  test('DFS-03 STAT-04 a session with several flows ends with the last, and adds their counts', async () => {
    const { engine, segment, fromClient, connectionsByNode } = await startFarm(family)
    const first = segment.query(fromClient())
    const second = segment.query({ ...fromClient(), tos: 0x28, reason: midSession })
    await segment.repliesTo(first, second)
    segment.end({
      ...fromClient(),
      serial: first,
      reason: EndReason.fin,
      packetsIn: 5,
      bytesIn: 500,
    })
    await segment.quiet()
    expect(connectionsByNode()).toEqual([1, 0, 0])
    segment.end({
      ...fromClient(),
      serial: second,
      reason: EndReason.fin,
      packetsIn: 2,
      bytesIn: 200,
    })
    await segment.quiet()
    expect(connectionsByNode()).toEqual([0, 0, 0])
    expect(engine.status().pools[0]).toMatchObject({ packets: { in: 7 }, bytes: { in: 700 } })
  })

  const evictions = ['DELETE', 'STATE'] as const
  test.each(evictions)(
    'FLOWLIFE-16 CS-02 evicted by %s, a session has its node still',
    async (kind) => {
      const { engine, segment, farm, fromClient, connectionsByNode } = await startFarm(family)
      const first = segment.query(fromClient())
      await segment.repliesTo(first)
      const flow = { ...fromClient(), serial: first, packetsIn: 4, bytesIn: 400 }
      if (kind === 'DELETE') segment.end({ ...flow, reason: EndReason.overflow })
      else segment.send(stateMessage({ ...flow, error: SsmbError.evicted }))
      await segment.quiet()
      expect(connectionsByNode()).toEqual([1, 0, 0])

      const second = segment.query({ ...fromClient(), reason: midSession })
      expect(await segment.repliesTo(second)).toMatchObject([
        { newDestination: farm.node(1), flags: SsmbFlags.routeByDst | SsmbFlags.resumed },
      ])
      segment.end({ ...flow, serial: second, reason: EndReason.fin, packetsIn: 3, bytesIn: 300 })
      await segment.quiet()
      expect(connectionsByNode()).toEqual([0, 0, 0])
      expect(engine.status().pools[0]).toMatchObject({
        totalConnections: 1,
        packets: { in: 7 },
        bytes: { in: 700 },
      })
    },
  )

  test('FLOWLIFE-16 SSMB-24 one that finds no room when it comes back comes back again', async () => {
    const { segment, farm, fromClient, connectionsByNode } = await startFarm(family)
    const first = segment.query(fromClient())
    await segment.repliesTo(first)
    segment.send(stateMessage({ ...fromClient(), serial: first, error: SsmbError.evicted }))
    for (let turn = 0; turn < 2; turn++) {
      const serial = segment.query({ ...fromClient(), reason: midSession })
      expect(await segment.repliesTo(serial)).toMatchObject([
        { newDestination: farm.node(1), flags: SsmbFlags.routeByDst | SsmbFlags.resumed },
      ])
      const noRoom = { reason: 0, error: SsmbError.nores }
      segment.end({ ...fromClient(), serial, ...noRoom })
      await segment.quiet()
      expect(connectionsByNode()).toEqual([1, 0, 0])
    }
  })

  test('CS-04 SSMB-24 one that finds no room to begin is over', async () => {
    const { segment, fromClient, connectionsByNode } = await startFarm(family)
    const serial = segment.query(fromClient())
    await segment.repliesTo(serial)
    segment.end({ ...fromClient(), serial, reason: 0, error: SsmbError.nores })
    await segment.quiet()
    expect(connectionsByNode()).toEqual([0, 0, 0])
  })

  test("FLOWLIFE-16 the server's packet finds its session too: translated back, counted there", async () => {
    const { engine, segment, farm, fromClient } = await startFarm(family)
    const first = segment.query(fromClient())
    await segment.repliesTo(first)
    segment.end({ ...fromClient(), serial: first, reason: EndReason.overflow })
    const fromServer = { source: farm.node(1), destination: farm.client() }
    const second = segment.query({ ...fromServer, outbound: true, reason: midSession, tos: 8 })
    expect(await segment.repliesTo(second)).toMatchObject([
      {
        source: farm.node(1),
        destination: farm.client(),
        tos: 8,
        flags: SsmbFlags.outbound | SsmbFlags.routeByDst | SsmbFlags.resumed,
        mask: XlatMask.srcAddr | XlatMask.srcPort | XlatMask.decTtl,
        newSource: farm.vip,
        newDestination: null,
        nodeId: 1,
        vsId: 1,
      },
    ])
    // Seen from the server its packets are the ones that go in.
    const counts = { packetsIn: 9, bytesIn: 9000, packetsOut: 2, bytesOut: 100 }
    segment.send(statsMessage({ ...fromServer, serial: second, ...counts }))
    await segment.quiet()
    expect(engine.status().virtualServers[0]).toMatchObject({
      connections: 1,
      packets: { in: 2, out: 9 },
      bytes: { in: 100, out: 9000 },
    })
  })

  test('FLOWLIFE-05 FLOWLIFE-16 by the answer to its SYN it comes back as one that opens', async () => {
    const { segment, farm, fromClient, connectionsByNode } = await startFarm(family)
    const first = segment.query(fromClient())
    await segment.repliesTo(first)
    segment.end({ ...fromClient(), serial: first, reason: EndReason.overflow })
    const fromServer = { source: farm.node(1), destination: farm.client(), outbound: true }
    for (let turn = 0; turn < 2; turn++) {
      const serial = segment.query({ ...fromServer, reason: midSession, tcpFlags: 0x12 })
      expect(await segment.repliesTo(serial)).toMatchObject([
        { flags: SsmbFlags.outbound | SsmbFlags.routeByDst, newSource: farm.vip, nodeId: 1 },
      ])
      segment.end({ ...fromServer, serial, reason: EndReason.overflow })
      await segment.quiet()
      expect(connectionsByNode()).toEqual([1, 0, 0])
    }
  })

  test('FLOWLIFE-17 only the node of the session has its way back', async () => {
    const { segment, farm, fromClient } = await startFarm(family)
    await segment.repliesTo(segment.query(fromClient()))
    const fromOther = { source: farm.node(2), destination: farm.client(), outbound: true }
    const serial = segment.query({ ...fromOther, reason: midSession })
    expect(await segment.repliesTo(serial)).toMatchObject([{ mask: XlatMask.decTtl, nodeId: 0 }])
  })

  test('FLOWLIFE-17 a repeated SYN is the same session, one with another number a new one', async () => {
    const { engine, segment, farm, fromClient, connectionsByNode } = await startFarm(family)
    const serials = [1, 1, 2].map((sequence) => segment.query({ ...fromClient(), sequence }))
    const replies = await segment.repliesTo(...serials)
    expect(replies.map(({ newDestination }) => newDestination)).toEqual([1, 1, 2].map(farm.node))
    expect(replies.map(({ flags }) => flags)).toEqual(Array(3).fill(SsmbFlags.routeByDst))
    expect(connectionsByNode()).toEqual([0, 1, 0])
    expect(engine.status().pools[0].totalConnections).toBe(2)
  })

  test('DFS-20 flows of a replaced session that live on under another DSCP end it when they end', async () => {
    const { segment, fromClient, connectionsByNode } = await startFarm(family)
    const old = segment.query({ ...fromClient(), sequence: 1 })
    const marked = segment.query({ ...fromClient(), reason: midSession, tos: 8 })
    const fresh = segment.query({ ...fromClient(), sequence: 2 })
    await segment.repliesTo(old, marked, fresh)
    expect(connectionsByNode()).toEqual([1, 1, 0])
    segment.end({ ...fromClient(), serial: marked, reason: EndReason.idle })
    await segment.quiet()
    expect(connectionsByNode()).toEqual([0, 1, 0])
    segment.end({ ...fromClient(), serial: fresh, reason: EndReason.fin })
    await segment.quiet()
    expect(connectionsByNode()).toEqual([0, 0, 0])
  })

  test('SSMB-10 STAT-06 a refused QUERY that is repeated is refused once more and counted once', async () => {
    let asked = 0
    const { segment, engine, fromClient } = await startFarm(family, ({ vip }) => ({
      virtualServers: {
        site: {
          listen: `tcp://${vip}`,
          policy: () => {
            asked += 1
            return { reject: 'drop' }
          },
        },
      },
    }))
    const serial = segment.query(fromClient(0))
    await segment.repliesTo(serial)
    segment.query({ ...fromClient(0), serial })
    await segment.until(() => segment.replies.length === 2)
    expect(segment.replies.map(({ serial, mask }) => ({ serial, mask }))).toEqual([
      { serial, mask: XlatMask.drop },
      { serial, mask: XlatMask.drop },
    ])
    expect(engine.status().decisions.rejected).toBe(1)
    expect(asked).toBe(1)
  })

  test('SSMB-10 a repeated QUERY has the same answer and counts nothing', async () => {
    const { engine, segment, fromClient } = await startFarm(family)
    const serial = segment.query(fromClient())
    segment.query({ ...fromClient(), serial })
    await segment.until(() => segment.replies.length === 2)
    expect(segment.replies[1]).toEqual(segment.replies[0])
    expect(engine.status().decisions).toMatchObject({ assigned: 1, resumed: 0 })
  })

  test('SSMB-11 a serial that has come round belongs to the new flow', async () => {
    const { segment, farm, fromClient, connectionsByNode } = await startFarm(family)
    const serial = segment.query(fromClient(0))
    await segment.repliesTo(serial)
    segment.query({ ...fromClient(1), serial })
    await segment.until(() => segment.replies.length === 2)
    expect(segment.replies[1]).toMatchObject({
      source: farm.client(1),
      newDestination: farm.node(2),
    })
    expect(connectionsByNode()).toEqual([0, 1, 0])
  })

  test('FLOWLIFE-17 the middle of a session that nobody here opened is reset', async () => {
    const { engine, segment, fromClient } = await startFarm(family)
    const serial = segment.query({ ...fromClient(), reason: midSession })
    expect(await segment.repliesTo(serial)).toMatchObject([{ mask: XlatMask.reset, nodeId: 0 }])
    expect(engine.status().decisions.unknown).toBe(1)
  })

  test('HS-03 UDP from the server finds the session of the client', async () => {
    const { segment, farm } = await startFarm(family, ({ vip }) => ({
      virtualServers: { dns: { listen: `udp://${vip}`, pool: 'web' } },
    }))
    const udp = { protocol: 17, reason: QueryReason.udp }
    const first = segment.query({ source: farm.client(), destination: farm.vip, vsId: 1, ...udp })
    await segment.repliesTo(first)
    const second = segment.query({ source: farm.node(1), destination: farm.client(), ...udp })
    expect(await segment.repliesTo(second)).toMatchObject([{ newSource: farm.vip }])
  })

  test('STAT-05 CS-06 a policy sees when flows were opened, were last active, and how busy they are', async () => {
    const seen: unknown[] = []
    const { segment, farm, fromClient } = await startFarm(family, ({ vip, otherVip }) => ({
      virtualServers: {
        site: { listen: `tcp://${vip}`, pool: 'web' },
        other: {
          listen: `tcp://${otherVip}`,
          policy: ({ activity }) => {
            seen.push(activity.busiest(1), activity.quietest(2))
            return 'web'
          },
        },
      },
    }))
    const opened = testEpoch - 60_000
    const serials = [0, 1, 2].map((n) => segment.query({ ...fromClient(n), at: opened + n }))
    await segment.repliesTo(...serials)
    const traffic = [
      { bytesIn: 1000, lastAt: opened + 20_000 },
      { bytesIn: 9000, lastAt: opened + 30_000 },
      { bytesIn: 100, lastAt: opened + 10_000 },
    ]
    traffic.forEach((counts, n) => {
      segment.send(statsMessage({ ...fromClient(n), serial: serials[n], ...counts }))
    })
    const asking = segment.query({ source: farm.client(9), destination: farm.otherVip, vsId: 2 })
    await segment.repliesTo(asking)
    const port = (n: number) => expect.objectContaining({ port: 40_000 + n })
    expect(seen).toEqual([
      [
        expect.objectContaining({
          client: port(1),
          openedAt: opened + 1,
          lastActiveAt: opened + 30_000,
        }),
      ],
      [
        expect.objectContaining({
          client: port(2),
          lastActiveAt: opened + 10_000,
          virtualServer: 'site',
        }),
        expect.objectContaining({ client: port(0), lastActiveAt: opened + 20_000 }),
      ],
    ])
  })
})
