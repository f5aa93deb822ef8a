/** Flows that begin behind an internal port and leave from an address of the engine (`snat`). */
import { describe, expect, test } from 'vitest'
import { parseEndpoint } from '../../src/bus/address.js'
import type { SluiceConfig } from '../../src/config/config.js'
import {
  AddSourceView,
  EndReason,
  QueryReason,
  SourceFlags,
  SsmbError,
  XlatMask,
} from '../../src/generated/messages.js'
import { issuesOf } from '../helpers/config-issues.js'
import { families, farmConfig, startFarm } from '../helpers/farm.js'
import { stateMessage } from '../helpers/messages.js'

const { srcAddr, srcPort, dstAddr, dstPort, decTtl } = XlatMask
const leaves = srcAddr | srcPort | decTtl
const { midSession, open, udp } = QueryReason

describe.each(families)('IPv%i', (family) => {
  const [one, other] = family === 4 ? ['192.0.2.5', '192.0.2.6'] : ['2001:db8::5', '2001:db8::6']
  const at = (address: string, port: number) =>
    family === 4 ? `${address}:${port}` : `[${address}]:${port}`
  const inside = (port: number) => at(family === 4 ? '10.1.0.50' : '2001:db8:1::50', port)
  const far = (n = 0) => at(family === 4 ? '192.0.2.77' : '2001:db8::77', 4000 + n)
  const portOf = (endpoint: string | null | undefined) => parseEndpoint(endpoint ?? '')?.port ?? 0
  const start = async (snat: SluiceConfig['snat'], more: Partial<SluiceConfig> = {}) => {
    const started = await startFarm(family, ({ vip, node }) => ({
      pools: { web: { nodes: [node(1)] } },
      virtualServers: { site: { listen: `tcp://${vip}`, pool: 'web' } },
      ...(snat && { snat }),
      ...more,
    }))
    const { segment } = started
    const query = (source: string, destination: string, protocol = 17) =>
      segment.query({
        ...{ source, destination, protocol, outbound: true },
        reason: protocol === 17 ? udp : open,
      })
    const ask = async (...query_: Parameters<typeof query>) =>
      (await segment.repliesTo(query(...query_)))[0]
    return { ...started, query, ask, decisions: () => started.engine.status().decisions }
  }

  test.each([6, 17])(
    'ARCH-09 RFC 4787 REQ-1 RFC 5382 REQ-1 an endpoint inside has one outside: protocol %i',
    async (protocol) => {
      const { segment, ask, decisions } = await start(one)
      const told = segment.taken.find((message) => message[1] === AddSourceView.code) as Uint8Array
      expect(new AddSourceView(new DataView(told.buffer)).flags).toBe(SourceFlags.outbound)
      const first = await ask(inside(1), far(0), protocol)
      expect(first).toMatchObject({ mask: leaves, newDestination: null })
      expect(first?.newSource).toBe(at(one, portOf(first?.newSource)))
      expect(portOf(first?.newSource)).toBeGreaterThanOrEqual(1024)
      expect(await ask(inside(1), far(1), protocol)).toMatchObject({ newSource: first?.newSource })
      expect((await ask(inside(2), far(0), protocol))?.newSource).not.toBe(first?.newSource)
      expect(decisions()).toMatchObject({ routed: 3, exhausted: 0 })
    },
  )

  test('ARCH-09 what stays inside keeps its endpoint, and so does all without snat', async () => {
    const { farm, ask } = await start(one)
    expect(await ask(inside(1), farm.node(2))).toMatchObject({ mask: decTtl, newSource: null })
    const plain = await start(undefined)
    expect(await plain.ask(inside(1), far())).toMatchObject({ mask: decTtl, newSource: null })
    const ofOther = family === 4 ? '2001:db8::5' : '192.0.2.5'
    const ports = {
      outside: { kind: 'tap', address: ['192.0.2.1/24', '2001:db8::1/64'] },
      inside: { kind: 'tap', address: ['10.1.0.1/24', '2001:db8:1::1/64'] },
    } as const
    const single = await start(ofOther, { ports })
    expect(await single.ask(inside(1), far())).toMatchObject({ mask: decTtl })
  })

  test('ARCH-09 behind a route outside, too', async () => {
    const remote =
      family === 4 ? ['198.51.100.0/24', '192.0.2.254'] : ['2001:db8:f::/48', '2001:db8::fe']
    const [to = '', via = ''] = remote
    const { ask } = await start(one, { routes: [{ to, via }] })
    const destination = at(family === 4 ? '198.51.100.9' : '2001:db8:f::9', 53)
    expect(await ask(inside(1), destination)).toMatchObject({ mask: leaves })
  })

  test('RFC 4787 REQ-3 where endpoints have every port the next one learns it; the last of its flows frees it', async () => {
    const { segment, ask, query, decisions } = await start({ addresses: one, ports: [5000, 5001] })
    const serial = query(inside(1), far(0))
    const [first] = await segment.repliesTo(serial)
    const second = query(inside(1), far(1))
    await segment.repliesTo(second)
    await ask(inside(2), far(0))
    expect(await ask(inside(3), far(0))).toMatchObject({
      error: SsmbError.nores,
      mask: XlatMask.reset,
    })
    expect(decisions()).toMatchObject({ routed: 3, exhausted: 1 })
    const flow = { source: inside(1), protocol: 17, reason: EndReason.idle }
    segment.end({ ...flow, destination: far(0), serial })
    expect(await ask(inside(4), far(0))).toMatchObject({ error: SsmbError.nores })
    segment.end({ ...flow, destination: far(1), serial: second })
    expect(await ask(inside(5), far(0))).toMatchObject({ newSource: first?.newSource })
  })

  test('FLOWLIFE-16 FLOWLIFE-17 an evicted flow has its endpoint again, asked from either side', async () => {
    const { segment, query, decisions } = await start(one)
    const flow = { source: inside(1), destination: far(), outbound: true }
    const serial = query(inside(1), far(), 6)
    const [reply] = await segment.repliesTo(serial)
    const newSource = reply?.newSource as string
    segment.send(stateMessage({ ...flow, serial, error: SsmbError.evicted }))
    const again = segment.query({ ...flow, reason: midSession })
    expect(await segment.repliesTo(again)).toMatchObject([{ mask: leaves, newSource }])
    segment.send(stateMessage({ ...flow, serial: again, error: SsmbError.evicted }))
    const answer = { source: far(), destination: newSource, outbound: true }
    const back = segment.query({ ...answer, reason: midSession })
    expect(await segment.repliesTo(back)).toMatchObject([
      {
        mask: leaves | dstAddr | dstPort,
        newSource: far(),
        newDestination: inside(1),
      },
    ])
    expect(decisions()).toMatchObject({ routed: 1, resumed: 2, unknown: 0 })
  })

  test('FLOWLIFE-18 the middle of a session that nobody knows is refused, from either side', async () => {
    const { segment, decisions } = await start(one)
    const serials = [
      { source: inside(1), destination: far() },
      { source: far(), destination: at(one, 7777) },
    ].map((stray) => segment.query({ ...stray, outbound: true, reason: midSession }))
    expect(await segment.repliesTo(...serials)).toMatchObject([
      { mask: XlatMask.reset },
      { mask: XlatMask.reset },
    ])
    expect(decisions()).toMatchObject({ unknown: 2, routed: 0 })
  })

  test('FLOWLIFE-09 what the ledger had lost keeps its endpoint, told from either side', async () => {
    const { segment, ask } = await start({ addresses: one, ports: [5000, 5001] })
    const whose = { error: SsmbError.connalive, protocol: 17, flags: 1 }
    const newSource = at(one, 5000)
    segment.send(
      stateMessage({ ...whose, serial: 5, source: inside(1), destination: far(0), newSource }),
      stateMessage({
        ...{ ...whose, serial: 6, source: far(1), destination: newSource },
        ...{ newSource: far(1), newDestination: inside(1) },
      }),
    )
    expect(await ask(inside(1), far(2))).toMatchObject({ newSource })
    expect(await ask(inside(2), far(2))).toMatchObject({ newSource: at(one, 5001) })
    expect(await ask(inside(3), far(2))).toMatchObject({ error: SsmbError.nores })
  })

  test('VS-24 an address that the configuration has no more keeps what it has, and gets nothing new', async () => {
    const { engine, segment, ask } = await start(one)
    await ask(inside(1), far(0))
    const changed = farmConfig(family, ({ vip, node }) => ({
      pools: { web: { nodes: [node(1)] } },
      virtualServers: { site: { listen: `tcp://${vip}`, pool: 'web' } },
      snat: other,
    }))
    await engine.reload(changed)
    expect(segment.sources).toEqual([one, other])
    const next = await ask(inside(1), far(1))
    expect(next?.newSource).toBe(at(other, portOf(next?.newSource)))
  })

  test.each<[string, Partial<SluiceConfig>, RegExp]>([
    ['forward', { forward: false }, /forward is false/],
    ['an address inside', { snat: family === 4 ? '10.1.0.9' : '2001:db8:1::9' }, /internal port/],
    ['nowhere', { snat: family === 4 ? '203.0.113.9' : '2001:db8:77::9' }, /no network/],
  ])('what contradicts it is told: %s', (_what, more, problem) => {
    const issues = issuesOf(farmConfig(family, () => ({ snat: one, ...more })))
    expect(issues.snat?.problem).toMatch(problem)
  })

  test('an address has one use', () => {
    const issues = issuesOf(
      farmConfig(family, ({ vip, node }) => ({
        pools: { web: { nodes: [node(1)] } },
        virtualServers: { site: { listen: `tcp://${vip}`, pool: 'web', snat: one } },
        snat: one,
      })),
    )
    expect(issues.snat?.problem).toMatch(/virtualServers.site/)
  })
})
