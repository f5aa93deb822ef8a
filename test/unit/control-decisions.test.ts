import { describe, expect, test } from 'vitest'
import {
  AddVsView,
  QueryReason,
  SsmbError,
  SsmbFlags,
  VsFlags,
  XlatMask,
} from '../../src/generated/messages.js'
import { families, startFarm } from '../helpers/farm.js'
import { noOffsets, testEpoch } from '../helpers/messages.js'

describe.each(families)('IPv%i', (family) => {
  test('CS-05 VS-01 each virtual server is announced with its endpoint and serials', async () => {
    const { segment, farm } = await startFarm(family, ({ vip, otherVip }) => ({
      virtualServers: {
        site: { listen: `tcp://${vip}`, pool: 'web', idleTimeoutMs: 1500 },
        dns: { listen: `udp://${otherVip}`, pool: 'web' },
      },
    }))
    const announced = segment.taken.map((bytes) => {
      const message = new AddVsView(new DataView(bytes.buffer))
      const { msgType, msgLength, serialGlobal, serialBytype, vsId, protocol } = message
      const { virtPort, idleTimeout, flags } = message
      return {
        msgType,
        msgLength,
        serialGlobal,
        serialBytype,
        vsId,
        protocol,
        virtPort,
        idleTimeout,
        flags,
      }
    })
    const common = {
      msgType: 5,
      msgLength: 68,
      flags: VsFlags.translateAddr | VsFlags.translatePort | VsFlags.routeByDstIp,
    }
    expect(announced).toEqual([
      {
        ...common,
        serialGlobal: 1,
        serialBytype: 1,
        vsId: 1,
        protocol: 6,
        virtPort: 80,
        idleTimeout: 2,
      },
      {
        ...common,
        serialGlobal: 2,
        serialBytype: 2,
        vsId: 2,
        protocol: 17,
        virtPort: 81,
        idleTimeout: 0,
      },
    ])
    expect(farm.vip).toContain(family === 4 ? '192.0.2.100' : '2001:db8::100')
  })

  test('CS-01 HS-04 HS-06 a QUERY is answered by the whole translation', async () => {
    const { segment, farm, fromClient } = await startFarm(family)
    const serial = segment.query({ ...fromClient(), tos: 0xb8 })
    expect(await segment.repliesTo(serial)).toEqual([
      {
        serial,
        error: SsmbError.none,
        flags: SsmbFlags.routeByDst,
        source: farm.client(),
        destination: farm.vip,
        protocol: 6,
        tos: 0xb8,
        vlanTci: 0xffff,
        mask: XlatMask.dstAddr | XlatMask.dstPort | XlatMask.decTtl,
        newSourcePort: 0,
        newSource: null,
        newDestination: farm.node(1),
        nextHop: null,
        idleSeconds: 0,
        nodeId: 1,
        vsId: 1,
        offsets: noOffsets,
      },
    ])
  })

  test('VS-02 LB-01 300 sessions over 3 nodes: 100 each, in cyclic order', async () => {
    const { engine, segment, farm, fromClient, connectionsByNode } = await startFarm(family)
    const serials = Array.from({ length: 300 }, (_, n) => segment.query(fromClient(n)))
    const replies = await segment.repliesTo(...serials)
    expect(replies.map((reply) => reply.newDestination)).toEqual(
      serials.map((_, i) => farm.node(1 + (i % 3))),
    )
    expect(connectionsByNode()).toEqual([100, 100, 100])
    expect(engine.status().decisions.assigned).toBe(300)
  })

  test('CS-03 SSMB-09 a whole batch is answered in the turn of the event loop that reads it', async () => {
    const { segment, fromClient } = await startFarm(family)
    const serials = Array.from({ length: 50 }, (_, n) => segment.query(fromClient(n)))
    // Queued behind the wake-up of the first QUERY, in the same phase of the loop.
    await new Promise((resolve) => setImmediate(resolve))
    expect(segment.replies.map((reply) => reply.serial)).toEqual(serials)
  })

  test('ARCH-10 CS-01 what becomes of a flow follows from what its packet holds', async () => {
    const { segment, farm, fromClient } = await startFarm(family, ({ vip }) => ({
      virtualServers: {
        site: {
          listen: `tcp://${vip}`,
          policy: ({ client, dscp }) => {
            if (dscp === 46) return 'web'
            return { reject: client.port % 2 === 0 ? 'reset' : 'drop' }
          },
        },
      },
    }))
    const serials = [
      segment.query({ ...fromClient(0), tos: 46 << 2 }),
      segment.query(fromClient(2)),
      segment.query(fromClient(3)),
    ]
    const replies = await segment.repliesTo(...serials)
    expect(replies.map(({ mask, newDestination }) => ({ mask, newDestination }))).toEqual([
      {
        mask: XlatMask.dstAddr | XlatMask.dstPort | XlatMask.decTtl,
        newDestination: farm.node(1),
      },
      { mask: XlatMask.reset, newDestination: null },
      { mask: XlatMask.drop, newDestination: null },
    ])
  })

  test('HS-03 a UDP flow is decided like one of TCP', async () => {
    const { segment, farm } = await startFarm(family, ({ vip }) => ({
      virtualServers: { dns: { listen: `udp://${vip}`, pool: 'web', idleTimeoutMs: 30_000 } },
    }))
    const query = { source: farm.client(), destination: farm.vip, vsId: 1, protocol: 17 }
    const serial = segment.query({ ...query, reason: QueryReason.udp })
    const [reply] = await segment.repliesTo(serial)
    expect(reply).toMatchObject({ protocol: 17, newDestination: farm.node(1), idleSeconds: 30 })
  })

  test('SSMB-29 a flow of the inside is routed, and stays outbound', async () => {
    const { engine, segment, farm } = await startFarm(family)
    const serial = segment.query({
      source: farm.node(1),
      destination: farm.stranger,
      outbound: true,
    })
    expect(await segment.repliesTo(serial)).toMatchObject([
      {
        error: SsmbError.none,
        flags: SsmbFlags.outbound | SsmbFlags.routeByDst,
        mask: XlatMask.decTtl,
        newSource: null,
        newDestination: null,
        nodeId: 0,
        vsId: 0,
      },
    ])
    expect(engine.status().decisions.routed).toBe(1)
  })

  test('ARCH-09 DFS-13 a flow between stations is bridged, unless its session has a node', async () => {
    const { engine, segment, farm, fromClient } = await startFarm(family, () => ({
      forward: 'bridge',
    }))
    expect(segment.options).toMatchObject({ forwarding: 'bridge' })
    const between = { source: farm.client(), destination: farm.stranger, bridged: true }
    const [bridged] = await segment.repliesTo(segment.query(between))
    expect(bridged).toMatchObject({ error: SsmbError.none, flags: SsmbFlags.bridge, mask: 0 })
    expect(engine.status().decisions.routed).toBe(1)
    // What a node sends in mid-session passes by the segment, which has forgotten the flow.
    await segment.repliesTo(segment.query(fromClient(2)))
    const answer = { source: farm.node(1), destination: farm.client(2), bridged: true }
    const [translated] = await segment.repliesTo(
      segment.query({ ...answer, reason: QueryReason.midSession }),
    )
    expect(translated).toMatchObject({ newSource: farm.vip })
    expect((translated?.flags ?? 0) & SsmbFlags.bridge).toBe(0)
  })

  test('SSMB-32 without forwarding, and for an unknown virtual server, the error is UNKNOWN', async () => {
    const { engine, segment, farm, fromClient } = await startFarm(family, () => ({
      forward: false,
    }))
    const outbound = segment.query({
      source: farm.node(1),
      destination: farm.stranger,
      outbound: true,
      tos: 4,
    })
    const unknown = segment.query({ ...fromClient(), vsId: 99 })
    expect(await segment.repliesTo(outbound, unknown)).toMatchObject([
      {
        error: SsmbError.unknown,
        mask: 0,
        flags: SsmbFlags.outbound,
        source: farm.node(1),
        tos: 4,
      },
      { error: SsmbError.unknown, mask: 0, flags: 0, source: farm.client(), vsId: 99 },
    ])
    expect(engine.status().decisions.unknown).toBe(2)
  })

  test('CS-01 a policy denies one address and lets the others pass', async () => {
    const { engine, segment, farm, fromClient } = await startFarm(family, ({ vip, client }) => ({
      virtualServers: {
        site: {
          listen: `tcp://${vip}`,
          policy: (flow) => {
            if (client(1).includes(String(flow.client.port))) return { reject: 'drop' }
            return flow.client.port === 40_002 ? { reject: 'reset' } : 'web'
          },
        },
      },
    }))
    const serials = [0, 1, 2].map((n) => segment.query(fromClient(n)))
    expect(await segment.repliesTo(...serials)).toMatchObject([
      { mask: XlatMask.dstAddr | XlatMask.dstPort | XlatMask.decTtl, newDestination: farm.node(1) },
      { error: SsmbError.none, mask: XlatMask.drop, newDestination: null, nodeId: 0 },
      { error: SsmbError.none, mask: XlatMask.reset, newDestination: null, nodeId: 0 },
    ])
    expect(engine.status().decisions).toMatchObject({ assigned: 1, rejected: 2 })
    expect(engine.status().virtualServers[0].connections).toBe(1)
  })

  test('SSMB-11 SSMB-12 SSMB-14 the serial of the QUERY is that of the REPLY', async () => {
    const { segment, fromClient } = await startFarm(family)
    const serials = [0x80000001, 0xffffffff, 0x80abcdef, 0x00000007]
    serials.forEach((serial, n) => {
      segment.query({ ...fromClient(n), serial })
    })
    const replies = await segment.repliesTo(...serials)
    expect(replies.map((reply) => reply.serial)).toEqual(serials)
  })

  test('SSMB-07 SSMB-08 a thousand QUERYs, a thousand REPLYs, and no others', async () => {
    const { segment, fromClient } = await startFarm(family)
    const serials = Array.from({ length: 50 }, (_, n) => segment.query(fromClient(n)))
    await segment.repliesTo(...serials)
    await segment.quiet()
    expect(segment.replies.map(({ serial }) => serial)).toEqual(serials)
  })

  test('LB-03 a pool hashes by source, whatever the port', async () => {
    const { segment, fromClient } = await startFarm(family, ({ node }) => ({
      pools: { web: { nodes: [node(1), node(2), node(3)], balance: { hash: 'source' } } },
    }))
    const serials = Array.from({ length: 20 }, (_, n) => segment.query(fromClient(n)))
    const replies = await segment.repliesTo(...serials)
    expect(new Set(replies.map(({ newDestination }) => newDestination)).size).toBe(1)
  })

  test("LB-07 a user's function balances, and sees what each node has", async () => {
    const seen: number[][] = []
    const { segment, farm, fromClient } = await startFarm(family, ({ node }) => ({
      pools: {
        web: {
          nodes: [node(1), node(2), node(3)],
          balance: (_flow, nodes, state) => {
            seen.push([state.last, ...nodes.map(({ connections }) => connections)])
            return nodes[2]
          },
        },
      },
    }))
    const serials = [0, 1].map((n) => segment.query(fromClient(n)))
    const replies = await segment.repliesTo(...serials)
    expect(replies.map((reply) => reply.newDestination)).toEqual([farm.node(3), farm.node(3)])
    expect(seen).toEqual([
      [-1, 0, 0, 0],
      [2, 0, 0, 1],
    ])
  })
})

test('CS-14 an unknown message is counted and the next one is answered', async () => {
  const { engine, segment, fromClient } = await startFarm(4)
  const unknown = new Uint8Array(16)
  unknown[0] = 0xee
  segment.send(unknown)
  await segment.quiet()
  const serial = segment.query(fromClient())
  await segment.repliesTo(serial)
  expect(engine.status().bus).toEqual({ invalid: 1, stale: 0 })
})

test('DFS-19 with others behind it a question is not decided that has waited too long', async () => {
  const { engine, segment, farm, fromClient } = await startFarm(4)
  // The fastest question shows how the clocks differ.
  await segment.repliesTo(segment.query(fromClient()))
  const at = (waitedMs: number) => testEpoch + 60_000 - waitedMs
  segment.query({ ...fromClient(1), at: at(0) })
  const flood = Array.from({ length: 200 }, (_, n) =>
    segment.query({ ...fromClient(2 + n), at: at(300) }),
  )
  const fresh = segment.query({ ...fromClient(1000), at: at(0) })
  await segment.repliesTo(fresh)
  const { late, assigned } = engine.status().decisions
  expect(late).toBeGreaterThan(100)
  // What nobody waits behind is decided however old it is: after a pause of this process, say.
  expect(late).toBeLessThan(200)
  expect(assigned + late).toBe(2 + flood.length + 1)
  expect(engine.status().pools[0].connections).toBe(assigned)
  // One that was passed over has no session: it may ask again.
  const [again] = await segment.repliesTo(
    segment.query({ serial: flood[0], ...fromClient(2), at: at(0) }),
  )
  expect(again.destination).toBe(farm.vip)
})
