/** Flows of other protocols than TCP and UDP. */
import { describe, expect, test } from 'vitest'
import {
  AddVsView,
  EndReason,
  QueryReason,
  SsmbError,
  VsFlags,
  XlatMask,
} from '../../src/generated/messages.js'
import type { NewFlow } from '../../src/policy/new-flow.js'
import { protocolName, protocolNumber } from '../../src/protocol.js'
import type { FakeSegment } from '../helpers/fake-segment.js'
import { families, startFarm } from '../helpers/farm.js'

const { srcAddr, srcPort, dstAddr, dstPort, decTtl } = XlatMask
const gre = 47
const sctp = 132

/** The first virtual server that it was told of. */
function listening({ taken }: FakeSegment) {
  const bytes = taken.find(([first, second]) => first === 0 && second === AddVsView.code)
  const { protocol, virtPort, flags } = new AddVsView(new DataView((bytes as Uint8Array).buffer))
  return { protocol, virtPort, anyPort: (flags & VsFlags.wildcardPort) !== 0 }
}

describe.each(families)('IPv%i', (family) => {
  const address = (text: string) => (family === 4 ? text : `[${text}]`)
  const vip = address(family === 4 ? '192.0.2.100' : '2001:db8::100')
  const client = address(family === 4 ? '192.0.2.10' : '2001:db8::10')
  const node = address(family === 4 ? '10.1.0.11' : '2001:db8:1::11')
  const own = family === 4 ? '10.1.0.5' : '2001:db8:1::5'
  const icmp = family === 4 ? 1 : 58
  const echo = (identifier: number) => ({
    source: `${client}:${identifier}`,
    destination: vip,
    protocol: icmp,
    reason: QueryReason.other,
    vsId: 1,
  })
  const tunnel = (protocol: number) => ({ ...echo(0), source: client, protocol })

  const start = (listen: string, server: object = {}, nodes = [node]) =>
    startFarm(family, () => ({
      pools: { web: { nodes } },
      virtualServers: { site: { listen, pool: 'web', ...server } },
    }))

  test('SOCK-32 an echo goes to a node, its identifier untouched', async () => {
    const { engine, segment } = await start(`icmp://${vip}`, {}, [`${node}:80`])
    expect(listening(segment)).toEqual({ protocol: icmp, virtPort: 0, anyPort: false })
    const serial = segment.query(echo(4711))
    const [reply] = await segment.repliesTo(serial)
    expect(reply).toMatchObject({ mask: dstAddr | decTtl, newDestination: node })
    segment.table.push({ ...echo(4711), serial })
    const [flow] = [...(await engine.flows())]
    expect(flow).toMatchObject({ client: `${client}:4711`, protocol: 'icmp', listen: vip })
    expect(engine.status().virtualServers).toMatchObject([{ listen: `icmp://${vip}` }])
  })

  test('ARCH-08 an echo leaves by an identifier of ours; what has no port is refused', async () => {
    const { engine, segment } = await start(`ip://${vip}`, { snat: own })
    const asked = [echo(1), echo(2), tunnel(gre), { ...tunnel(sctp), destination: `${vip}:9` }]
    const replies = await segment.repliesTo(...asked.map((fields) => segment.query(fields)))
    const identifiers = replies.slice(0, 2).map(({ newSource }) => newSource?.split(':').at(-1))
    expect(new Set(identifiers).size).toBe(2)
    for (const reply of replies.slice(0, 2)) {
      expect(reply.mask).toBe(srcAddr | srcPort | dstAddr | decTtl)
    }
    for (const reply of replies.slice(2)) {
      expect(reply).toMatchObject({ error: SsmbError.nores, mask: XlatMask.reset })
    }
    expect(engine.status().decisions).toMatchObject({ assigned: 2, exhausted: 2 })
  })

  test('FLOWLIFE-16 an evicted echo goes on, asked for by its reply', async () => {
    const { engine, segment } = await start(`icmp://${vip}`, { snat: own })
    const serial = segment.query(echo(4711))
    const [left] = await segment.repliesTo(serial)
    segment.end({ ...echo(4711), serial, reason: EndReason.overflow })
    const again = segment.query({
      source: node,
      destination: left?.newSource as string,
      protocol: icmp,
      reason: QueryReason.other,
      outbound: true,
    })
    const [back] = await segment.repliesTo(again)
    expect(back).toMatchObject({ newDestination: `${client}:4711` })
    expect(back?.newSource).toBe(vip)
    expect(engine.status().decisions).toMatchObject({ assigned: 1, resumed: 1 })
  })

  test('VS-14 a server of every protocol: ports change where they can, policies see which', async () => {
    const seen: Pick<NewFlow, 'protocol' | 'client' | 'destination'>[] = []
    const policy = ({ protocol, client, destination }: NewFlow) => {
      seen.push({ protocol, client, destination })
      return 'web'
    }
    const { segment } = await start(`ip://${vip}`, { pool: undefined, policy }, [`${node}:8080`])
    expect(listening(segment)).toEqual({ protocol: 0, virtPort: 0, anyPort: true })
    const tcp = { source: `${client}:7`, destination: `${vip}:80`, vsId: 1 }
    const asked = [tcp, { ...tcp, protocol: sctp }, tunnel(gre), tunnel(99), echo(5)]
    const replies = await segment.repliesTo(...asked.map((fields) => segment.query(fields)))
    expect(replies.map(({ mask }) => (mask & dstPort) !== 0)).toEqual([
      true,
      false,
      false,
      false,
      false,
    ])
    expect(seen.map(({ protocol }) => protocol)).toEqual(['tcp', 'sctp', 'gre', 'ip-99', 'icmp'])
    expect(seen[2]).toMatchObject({ client: { port: 0 }, destination: { port: 0 } })
    expect(seen[4]).toMatchObject({ client: { port: 5 }, destination: { port: 0 } })
  })

  test('VS-10 VS-11 packets to a node without a port keep theirs', async () => {
    const { engine, segment, fromClient } = await startFarm(family, (farm) => ({
      pools: { web: { nodes: [node] } },
      virtualServers: { site: { listen: `tcp://${farm.vip}`, pool: 'web' } },
    }))
    const [reply] = await segment.repliesTo(segment.query(fromClient()))
    expect(reply?.mask).toBe(dstAddr | decTtl)
    expect(engine.status().pools[0]?.nodes).toMatchObject([{ address: node }])
  })
})

test('protocols have names where people know them by one', () => {
  const named = { tcp: 6, udp: 17, gre: 47, esp: 50, ah: 51, sctp: 132, 'ip-89': 89 } as const
  for (const [name, number] of Object.entries(named)) {
    expect(protocolName(number)).toBe(name)
    expect(protocolNumber(name as keyof typeof named, 4)).toBe(number)
  }
  expect([protocolName(1), protocolName(58)]).toEqual(['icmp', 'icmp'])
  expect([protocolNumber('icmp', 4), protocolNumber('icmp', 6)]).toEqual([1, 58])
})
