/** Flows of one client's endpoint that come to one node by several virtual servers (trap 4). */
import { describe, expect, test } from 'vitest'
import type { SluiceConfig, VirtualServerConfig } from '../../src/config/config.js'
import {
  EndReason,
  QueryReason,
  SsmbError,
  SsmbFlags,
  XlatMask,
} from '../../src/generated/messages.js'
import { type FarmEndpoints, families, startFarm } from '../helpers/farm.js'
import { stateMessage } from '../helpers/messages.js'

const { srcAddr, srcPort, dstAddr, dstPort, decTtl } = XlatMask
const plain = dstAddr | dstPort | decTtl
const moved = plain | srcPort

describe.each(families)('IPv%i', (family) => {
  /** Virtual servers 1 and 2 share a pool with so many nodes. */
  const start = async (
    count: number,
    server: Partial<VirtualServerConfig> = {},
    pool: object = {},
    more: Partial<SluiceConfig> = {},
  ) => {
    const nodes = (farm: FarmEndpoints) =>
      Array.from({ length: count }, (_, index) => farm.node(index + 1))
    const started = await startFarm(family, (farm) => ({
      pools: { web: { nodes: nodes(farm), ...pool } },
      virtualServers: {
        site: { listen: `tcp://${farm.vip}`, pool: 'web', ...server } as const,
        also: { listen: `tcp://${farm.otherVip}`, pool: 'web', ...server } as const,
        names: { listen: `udp://${farm.vip}`, pool: 'web', ...server } as const,
        others: { listen: `udp://${farm.otherVip}`, pool: 'web', ...server } as const,
      },
      ...more,
    }))
    const { farm } = started
    const to = (vsId: number, n = 0) => ({
      source: farm.client(n),
      destination: vsId % 2 === 1 ? farm.vip : farm.otherVip,
      vsId,
      protocol: vsId > 2 ? 17 : 6,
      reason: vsId > 2 ? QueryReason.udp : QueryReason.open,
    })
    const ask = async (...queries: Parameters<typeof started.segment.query>[0][]) => {
      const serials = queries.map((query) => started.segment.query(query))
      return started.segment.repliesTo(...serials)
    }
    return { ...started, to, ask, decisions: () => started.engine.status().decisions }
  }

  test.each([
    ['TCP', 1, 2],
    ['UDP', 3, 4],
  ])(
    'trap 4 SOCK-10 the client keeps its address, %s leaves from another port',
    async (_, a, b) => {
      const { farm, ask, to, decisions } = await start(1)
      const [first, second] = await ask(to(a), to(b))
      expect(first).toMatchObject({ mask: plain, newDestination: farm.node(1), newSourcePort: 0 })
      expect(second).toMatchObject({ mask: moved, newDestination: farm.node(1), newSource: null })
      expect(second?.newSourcePort).toBeGreaterThanOrEqual(1024)
      expect(second?.newSourcePort).not.toBe(40_000)
      expect(decisions()).toMatchObject({ assigned: 2, moved: 1, collided: 0 })
    },
  )

  test('trap 4 SOCK-10 what another node can tell apart goes there, from its own port', async () => {
    const { farm, ask, to, decisions } = await start(2)
    const [, , third] = await ask(to(1), to(1, 1), to(2))
    expect(third).toMatchObject({ mask: plain, newDestination: farm.node(2) })
    expect(decisions()).toMatchObject({ assigned: 3, moved: 0 })
  })

  test.each<[string, object, Partial<VirtualServerConfig>]>([
    ['a hash', { balance: { hash: 'source' } }, {}],
    ['a function', { balance: (_: unknown, [node]: unknown[]) => node }, {}],
    [
      'a policy',
      {},
      { pool: undefined, policy: ({ pools }) => ({ node: pools.web.nodes[0].name }) },
    ],
  ])('trap 4 SOCK-10 %s keeps a flow at its node', async (_what, pool, server) => {
    const { ask, to } = await start(3, server, pool)
    const [first, second] = await ask(to(1), to(2))
    expect(second).toMatchObject({ mask: moved, newDestination: first?.newDestination })
  })

  test('trap 4 SSMB-37 with preservePort a flow that nobody could tell apart is refused', async () => {
    const { engine, segment, ask, to, decisions } = await start(2, { preservePort: true })
    const serials = [to(1), to(1, 1), to(2), to(2, 1)].map((query) => segment.query(query))
    const replies = await segment.repliesTo(...serials)
    expect(replies.map(({ mask }) => mask)).toEqual(Array(4).fill(plain))
    const one = await start(1, { preservePort: true })
    const [, refused] = await one.ask(one.to(1), one.to(2))
    expect(refused).toMatchObject({ error: SsmbError.inuse, mask: XlatMask.reset })
    expect(one.decisions()).toMatchObject({ assigned: 1, collided: 1, moved: 0 })
    expect(decisions()).toMatchObject({ assigned: 4, collided: 0, moved: 0 })
    // What has ended is in nobody's way.
    segment.end({ ...to(1), serial: serials[0] as number, reason: EndReason.fin })
    segment.end({ ...to(1, 1), serial: serials[1] as number, reason: EndReason.fin })
    await segment.quiet()
    expect(engine.status().pools[0]?.connections).toBe(2)
    expect(await ask(to(1))).toMatchObject([{ mask: plain }])
  })

  test('trap 6 RFC 6056 another port is random, and on the worker that asks', async () => {
    const { segment, to } = await start(1, {}, {}, { workers: 2 })
    const ports = new Set<number>()
    for (let n = 0; n < 20; n++) {
      const serials = [1, 2].map(
        (vsId) => (0x80000000 | ((n % 2) << 24) | (2 * n + vsId + 1)) >>> 0,
      )
      const asked = [1, 2].map((vsId, i) => segment.query({ ...to(vsId, n), serial: serials[i] }))
      const [, second] = await segment.repliesTo(...asked)
      expect(second?.newSourcePort).toSatisfy((port: number) => port % 2 === n % 2)
      ports.add(second?.newSourcePort ?? 0)
    }
    expect(ports.size).toBeGreaterThan(15)
  })

  test('trap 4 RFC 4787 REQ-3 a privileged port stays one', async () => {
    const { farm, ask, to } = await start(1)
    const source = farm.client().replace(/\d+$/, '700')
    const [, second] = await ask({ ...to(1), source }, { ...to(2), source })
    expect(second?.newSourcePort).toBeGreaterThanOrEqual(512)
    expect(second?.newSourcePort).toBeLessThan(1024)
  })

  test('trap 4 a port that a flow was given is its own: the client has it no more itself', async () => {
    const { farm, ask, to } = await start(1)
    const [, second] = await ask(to(1), to(2))
    const source = farm.client().replace(/\d+$/, String(second?.newSourcePort))
    expect(await ask({ ...to(1), source })).toMatchObject([{ mask: moved }])
  })

  test('trap 4 FLOWLIFE-16 an evicted flow has its port again, asked from either side', async () => {
    const { engine, segment, farm, ask, to } = await start(1)
    await ask(to(1))
    const serial = segment.query(to(2))
    const [reply] = await segment.repliesTo(serial)
    const port = reply?.newSourcePort ?? 0
    segment.send(stateMessage({ ...to(2), serial, error: SsmbError.evicted }))
    const again = segment.query({ ...to(2), reason: QueryReason.midSession })
    expect(await segment.repliesTo(again)).toMatchObject([{ mask: moved, newSourcePort: port }])
    segment.send(stateMessage({ ...to(2), serial: again, error: SsmbError.evicted }))
    const answer = {
      source: farm.node(1),
      destination: farm.client().replace(/\d+$/, String(port)),
    }
    const back = segment.query({ ...answer, outbound: true, reason: QueryReason.midSession })
    expect(await segment.repliesTo(back)).toMatchObject([
      {
        mask: srcAddr | srcPort | dstAddr | dstPort | decTtl,
        newSource: farm.otherVip,
        newDestination: farm.client(),
      },
    ])
    expect(engine.status().decisions).toMatchObject({ assigned: 2, moved: 1, resumed: 2 })
  })

  test('trap 4 FLOWLIFE-09 what the ledger had lost keeps its port', async () => {
    const { segment, farm, ask, to } = await start(1)
    const newSource = farm.client().replace(/\d+$/, '41000')
    const whose = { error: SsmbError.connalive, vsId: 2, nodeId: 1, newDestination: farm.node(1) }
    segment.send(stateMessage({ ...to(2), serial: 5, ...whose, newSource }))
    expect(await ask({ ...to(2), reason: QueryReason.midSession })).toMatchObject([
      { newSourcePort: 41_000 },
    ])
    expect(await ask({ ...to(1), source: newSource })).toMatchObject([{ mask: moved }])
  })

  test('trap 4 ARCH-09 so does what is only routed', async () => {
    const { farm, ask, to, decisions } = await start(1)
    const direct = { source: farm.client(), destination: farm.node(1), outbound: true }
    const [, routed] = await ask(to(1), direct)
    expect(routed).toMatchObject({ mask: decTtl | srcPort, newDestination: null })
    expect(decisions()).toMatchObject({ routed: 1, assigned: 1, moved: 1 })
  })

  describe('where the data flow segment knows of a flow that the ledger does not', () => {
    const another = SsmbFlags.another

    test('trap 4 the flow is decided again, once, and counted once', async () => {
      const { engine, segment, farm, to, decisions } = await start(1)
      const serial = segment.query(to(1))
      await segment.repliesTo(serial)
      for (let question = 0; question < 2; question++)
        segment.query({ ...to(1), serial, again: true })
      await segment.until(() => segment.replies.length === 3)
      const [, second, third] = segment.replies
      expect(second).toMatchObject({ mask: moved, newDestination: farm.node(1) })
      expect(Number(second?.flags) & another).toBe(another)
      expect(third).toEqual(second)
      expect(decisions()).toMatchObject({ assigned: 1, moved: 1 })
      const [pool] = engine.status().pools
      expect(pool?.nodes[0]).toMatchObject({ connections: 1, totalConnections: 1 })
      expect(engine.status().virtualServers[0]).toMatchObject({ totalConnections: 1 })
      segment.end({ ...to(1), serial, reason: EndReason.fin })
      await segment.quiet()
      expect(engine.status().pools[0]?.connections).toBe(0)
    })

    test('trap 4 with preservePort it goes to another node, or is refused', async () => {
      for (const count of [2, 1]) {
        const { engine, segment, farm, to, decisions } = await start(count, { preservePort: true })
        const serial = segment.query(to(1))
        await segment.repliesTo(serial)
        segment.query({ ...to(1), serial, again: true })
        await segment.until(() => segment.replies.length === 2)
        const [, second] = segment.replies
        if (count === 2) {
          expect(second).toMatchObject({ mask: plain, newDestination: farm.node(2) })
          expect(engine.status().pools[0]?.nodes).toMatchObject([
            { connections: 0, totalConnections: 0 },
            { connections: 1, totalConnections: 1 },
          ])
        } else {
          expect(second).toMatchObject({ error: SsmbError.inuse, mask: XlatMask.reset })
          expect(decisions()).toMatchObject({ assigned: 0, collided: 1 })
          expect(engine.status().pools[0]?.connections).toBe(0)
        }
      }
    })

    test('trap 4 what leaves from an address of ours takes another port of it', async () => {
      const snat = family === 4 ? '10.1.0.5' : '2001:db8:1::5'
      const { segment, to } = await start(1, { snat })
      const serial = segment.query(to(1))
      await segment.repliesTo(serial)
      segment.query({ ...to(1), serial, again: true })
      await segment.until(() => segment.replies.length === 2)
      const [first, second] = segment.replies
      expect(second?.newSource).not.toBe(first?.newSource)
    })

    test('trap 4 a session in its middle cannot move', async () => {
      const { engine, segment, to, decisions } = await start(1)
      const serial = segment.query(to(1))
      await segment.repliesTo(serial)
      segment.send(stateMessage({ ...to(1), serial, error: SsmbError.evicted }))
      const middle = { ...to(1), reason: QueryReason.midSession }
      const again = segment.query(middle)
      await segment.repliesTo(again)
      segment.query({ ...middle, serial: again, again: true })
      await segment.until(() => segment.replies.length === 3)
      expect(segment.replies[2]).toMatchObject({ error: SsmbError.inuse, mask: XlatMask.reset })
      expect(decisions()).toMatchObject({ assigned: 1, collided: 1 })
      expect(engine.status().pools[0]?.connections).toBe(0)
    })
  })
})
