/** Flows that leave from addresses of the engine (`snat`). */
import { describe, expect, test } from 'vitest'
import { parseEndpoint } from '../../src/bus/address.js'
import type { VirtualServerConfig } from '../../src/config/config.js'
import {
  EndReason,
  QueryReason,
  SsmbError,
  SsmbFlags,
  XlatMask,
} from '../../src/generated/messages.js'
import { type FarmEndpoints, families, farmConfig, startFarm } from '../helpers/farm.js'
import { stateMessage } from '../helpers/messages.js'

const midSession = QueryReason.midSession
const { srcAddr, srcPort, dstAddr, dstPort, decTtl } = XlatMask
const whole = srcAddr | srcPort | dstAddr | dstPort | decTtl

const portOf = (endpoint: string | null) => parseEndpoint(endpoint ?? '')?.port ?? 0

describe.each(families)('IPv%i', (family) => {
  const [one, other] = family === 4 ? ['10.1.0.5', '10.1.0.6'] : ['2001:db8:1::5', '2001:db8:1::6']
  const at = (address: string, port: number) =>
    family === 4 ? `${address}:${port}` : `[${address}]:${port}`
  const own = family === 4 ? '10.1.0.1' : '2001:db8:1::1'

  const change =
    (server: Partial<VirtualServerConfig>, more: object = {}) =>
    (farm: FarmEndpoints) => ({
      pools: { web: { nodes: [farm.node(1)] } },
      virtualServers: { site: { listen: `tcp://${farm.vip}`, pool: 'web', ...server } as const },
      ...more,
    })
  const start = (server: Partial<VirtualServerConfig>, more: object = {}) =>
    startFarm(family, change(server, more))

  test('ARCH-08 a flow leaves from an address of ours, each from a port of its own', async () => {
    const { segment, farm, fromClient } = await start({ snat: one })
    expect(segment.sources).toEqual([one])
    const serials = [0, 1, 2].map((n) => segment.query(fromClient(n)))
    const replies = await segment.repliesTo(...serials)
    for (const reply of replies) {
      expect(reply).toMatchObject({ mask: whole, newDestination: farm.node(1) })
      expect(reply.newSource).toBe(at(one, portOf(reply.newSource)))
      expect(portOf(reply.newSource)).toBeGreaterThanOrEqual(1024)
    }
    expect(new Set(replies.map(({ newSource }) => newSource)).size).toBe(3)
  })

  test('ARCH-08 without preserveClient it is the own address towards the nodes', async () => {
    const { segment, fromClient } = await start({ preserveClient: false })
    const [reply] = await segment.repliesTo(segment.query(fromClient()))
    expect(reply?.newSource).toBe(at(own, portOf(reply?.newSource ?? null)))
  })

  test('trap 6 ARCH-08 a flow takes a port whose answers come to the worker that asks', async () => {
    const { segment, fromClient } = await start({ snat: one }, { workers: 2 })
    const asked = Array.from({ length: 40 }, (_, n) => {
      const serial = (0x80000000 | ((n % 2) << 24) | (n + 1)) >>> 0
      return segment.query({ ...fromClient(n), serial })
    })
    const replies = await segment.repliesTo(...asked)
    expect(replies.map(({ newSource }) => portOf(newSource) % 2)).toEqual(
      asked.map((_, n) => n % 2),
    )
  })

  test('ARCH-08 flows beyond the ports are refused and counted; the next address takes over', async () => {
    const ports = [5000, 5003] as const
    const { engine, segment, fromClient } = await start({
      snat: { addresses: [one, other], ports },
    })
    const serials = Array.from({ length: 10 }, (_, n) => segment.query(fromClient(n)))
    const replies = await segment.repliesTo(...serials)
    const taken = replies.slice(0, 8).map(({ newSource }) => newSource)
    const all = [one, other].flatMap((address) =>
      [5000, 5001, 5002, 5003].map((port) => at(address, port)),
    )
    expect(new Set(taken)).toEqual(new Set(all))
    expect(replies.slice(8)).toMatchObject([
      { error: SsmbError.nores, mask: XlatMask.reset },
      { error: SsmbError.nores, mask: XlatMask.reset },
    ])
    expect(engine.status().decisions).toMatchObject({ assigned: 8, exhausted: 2 })
    segment.end({ ...fromClient(0), serial: serials[0] as number, reason: EndReason.rst })
    expect(await segment.repliesTo(segment.query(fromClient(11)))).toMatchObject([
      { newSource: taken[0] },
    ])
  })

  test('trap 4 ARCH-08 one node behind two virtual servers: their flows differ in their source', async () => {
    const { segment, fromClient, farm } = await startFarm(family, (farm) => ({
      pools: { web: { nodes: [farm.node(1)] } },
      virtualServers: {
        site: { listen: `tcp://${farm.vip}`, pool: 'web', snat: one },
        also: { listen: `tcp://${farm.otherVip}`, pool: 'web', snat: one },
      },
    }))
    const second = { ...fromClient(0), destination: farm.otherVip, vsId: 2 }
    const serials = [segment.query(fromClient(0)), segment.query(second)]
    const [a, b] = await segment.repliesTo(...serials)
    expect([a?.newDestination, b?.newDestination]).toEqual([farm.node(1), farm.node(1)])
    expect(a?.newSource).not.toBe(b?.newSource)
  })

  test.each([
    ['the server closed first', EndReason.fin, SsmbFlags.serverWaits, true],
    ['the client closed first', EndReason.fin, 0, false],
    ['it was reset', EndReason.rst, 0, false],
    ['it was silent', EndReason.idle, 0, true],
  ])(
    'trap 3 TCPX-36 a port is taken again last where %s: %#',
    async (_why, reason, flags, cools) => {
      const { segment, fromClient } = await start({ snat: { addresses: one, ports: [5000, 5001] } })
      const serial = segment.query(fromClient(0))
      const [first] = await segment.repliesTo(serial)
      const second = segment.query(fromClient(1))
      const [between] = await segment.repliesTo(second)
      segment.end({ ...fromClient(1), serial: second, reason: EndReason.rst })
      segment.end({ ...fromClient(0), serial, reason, flags })
      // In turn it is the first one's again.
      const [next] = await segment.repliesTo(segment.query(fromClient(2)))
      expect(next?.newSource).toBe(cools ? between?.newSource : first?.newSource)
      const [last] = await segment.repliesTo(segment.query(fromClient(3)))
      expect(last?.newSource).toBe(cools ? first?.newSource : between?.newSource)
    },
  )

  test('FLOWLIFE-16 FLOWLIFE-17 an evicted flow has its endpoint again, asked from either side', async () => {
    const { engine, segment, farm, fromClient } = await start({ snat: one })
    const serial = segment.query(fromClient())
    const [{ newSource } = { newSource: null }] = await segment.repliesTo(serial)
    segment.send(stateMessage({ ...fromClient(), serial, error: SsmbError.evicted }))
    const again = segment.query({ ...fromClient(), reason: midSession })
    expect(await segment.repliesTo(again)).toMatchObject([
      { newSource, newDestination: farm.node(1), mask: whole },
    ])
    segment.send(stateMessage({ ...fromClient(), serial: again, error: SsmbError.evicted }))
    const answer = { source: farm.node(1), destination: newSource as string, outbound: true }
    const back = segment.query({ ...answer, reason: midSession })
    expect(await segment.repliesTo(back)).toMatchObject([
      { newSource: farm.vip, newDestination: farm.client(), mask: whole },
    ])
    expect(engine.status().decisions).toMatchObject({ assigned: 1, resumed: 2, unknown: 0 })
    segment.end({ ...answer, serial: back, reason: EndReason.rst })
    await segment.quiet()
    expect(engine.status().virtualServers[0]?.connections).toBe(0)
  })

  test('FLOWLIFE-09 what the ledger had lost keeps its endpoint, told from either side', async () => {
    const { segment, farm, fromClient } = await start({
      snat: { addresses: one, ports: [5000, 5001] },
    })
    const whose = { error: SsmbError.connalive, vsId: 1, nodeId: 1 }
    segment.send(stateMessage({ ...fromClient(0), serial: 5, ...whose, newSource: at(one, 5000) }))
    const answer = {
      source: farm.node(1),
      destination: at(one, 5001),
      serial: 6,
      flags: SsmbFlags.outbound,
    }
    const becomes = { newSource: farm.vip, newDestination: farm.client(1) }
    segment.send(stateMessage({ ...answer, ...whose, ...becomes }))
    const again = segment.query({ ...fromClient(1), reason: midSession })
    expect(await segment.repliesTo(again)).toMatchObject([{ newSource: at(one, 5001) }])
    expect(await segment.repliesTo(segment.query(fromClient(2)))).toMatchObject([
      { error: SsmbError.nores },
    ])
  })

  test('FLOWLIFE-18 what comes to an endpoint that no flow has is refused, not routed', async () => {
    const { engine, segment, farm } = await start({ snat: one })
    const stray = { source: farm.node(1), destination: at(one, 7777), outbound: true }
    const [serial, udp] = [
      segment.query({ ...stray, reason: midSession }),
      segment.query({ ...stray, protocol: 17, reason: QueryReason.udp }),
    ]
    expect(await segment.repliesTo(serial, udp)).toMatchObject([
      { mask: XlatMask.reset },
      { mask: XlatMask.reset },
    ])
    expect(engine.status().decisions).toMatchObject({ unknown: 2, routed: 0 })
  })

  test('VS-24 an address that the configuration has no more goes with its last flow', async () => {
    const { engine, segment, farm, fromClient } = await start({ snat: one })
    const serial = segment.query(fromClient())
    await segment.repliesTo(serial)
    await engine.reload(farmConfig(family, change({ snat: other })))
    expect(segment.sources).toEqual([one, other])
    const [next] = await segment.repliesTo(segment.query(fromClient(1)))
    expect(next?.newSource).toBe(at(other, portOf(next?.newSource ?? null)))
    await engine.reload(farmConfig(family, change({ snat: one })))
    expect(segment.sources).toEqual([one, other])
    expect(farm.node(1)).toBe(next?.newDestination)
  })
})
