/** FLOWLIFE-20: a ledger that is kept by watching the bus of a control segment equals its ledger. */
import fc from 'fast-check'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { DuplicateLedger } from '../../src/cluster/duplicate-ledger.js'
import { resolveConfig } from '../../src/config/resolve.js'
import {
  AppType,
  EndReason,
  QueryReason,
  SsmbError,
  SsmbFlags,
  TcpState,
  XlatMask,
} from '../../src/generated/messages.js'
import type { FakeSegment } from '../helpers/fake-segment.js'
import { type Family, families, farmConfig } from '../helpers/farm.js'
import { entriesOf } from '../helpers/ledger-entries.js'
import { appQueryMessage, resetMessage, stateMessage, statsMessage } from '../helpers/messages.js'
import { type Change, startControl } from '../helpers/virtual-control.js'

const tick = 200
const reapMs = 5000

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  onTestFinished(() => void vi.useRealTimers())
})

/** Three virtual servers: by a pool, by a policy that refuses some, and UDP that leaves from `snat`. */
const site =
  (family: Family): Change =>
  ({ node, vip, otherVip }) => ({
    timeouts: { reapMs },
    limits: { flows: 16 },
    pools: {
      web: { nodes: [node(1), node(2), node(3)], onDown: 'reset', passive: { fall: 1 } },
    },
    virtualServers: {
      plain: { listen: `tcp://${vip}`, pool: 'web' },
      chosen: {
        listen: `tcp://${otherVip}`,
        midSession: 'route',
        policy: async ({ client }) => (client.port % 3 === 0 ? { reject: 'drop' } : 'web'),
      },
      hidden: {
        listen: `udp://${vip}`,
        pool: 'web',
        snat: family === 4 ? '10.1.0.5' : '2001:db8:1::5',
      },
    },
  })

interface Asked {
  readonly serial: number
  readonly source: string
  readonly destination: string
  readonly tos: number
  readonly protocol: number
  readonly vsId: number
  readonly outbound?: boolean
  bytes: number
}

async function watched(family: Family, change: Change = site(family)) {
  const { control, segment, clock, farm } = await startControl(family, change)
  const resolved = (changed: Change) => resolveConfig(farmConfig(family, changed))
  const duplicate = new DuplicateLedger(resolved(change), clock)
  const forget = control.watch(duplicate)
  const live: Asked[] = []
  const settle = async () => {
    for (let turn = 0; turn < 4; turn++) await segment.quiet()
  }
  return {
    ...{ control, segment, clock, farm, duplicate, forget, live, settle },
    /** A packet of a flow that the data flow segment has asks nothing. */
    ask: (fields: Omit<Asked, 'serial' | 'bytes'> & { sequence?: number; reason?: number }) => {
      const same = ['source', 'destination', 'tos', 'protocol'] as const
      if (live.some((flow) => same.every((key) => flow[key] === fields[key]))) return
      live.push({ ...fields, serial: segment.query(fields), bytes: 0 })
    },
    /** Both have every message: they are to have the same. */
    compare: async () => {
      await settle()
      expect(entriesOf(duplicate.ledger)).toEqual(entriesOf(control.ledger))
      const figures = ({ pools, servers }: Pick<DuplicateLedger, 'pools' | 'servers'>) => [
        [...pools].flatMap(({ nodes }) => nodes.map(({ id, connections }) => [id, connections])),
        [...servers].map(({ id, connections, traffic }) => [id, connections, { ...traffic }]),
      ]
      expect(figures(duplicate)).toEqual(figures(control))
    },
    reload: async (changed: Change) => {
      duplicate.reload(resolved(changed))
      await control.deployment.reload(resolved(changed))
    },
    /** A tick of the reaper for each 200 ms. */
    pass: async (ms: number) => {
      for (let passed = 0; passed < ms; passed += tick) {
        await clock.advance(tick)
        vi.advanceTimersByTime(tick)
        await segment.quiet()
      }
      control.ledger.sweep()
      duplicate.sweep()
    },
  }
}

type World = Awaited<ReturnType<typeof watched>>

/** Of the client `n` to one of the virtual servers. */
const fromClient = ({ farm }: World, n: number, vsId: number) => ({
  source: farm.client(n),
  destination: vsId === 2 ? farm.otherVip : farm.vip,
  protocol: vsId === 3 ? 17 : 6,
  vsId,
})

/** What the server sends of a flow, once that is known. */
function fromServer(segment: FakeSegment, flow: Asked) {
  const reply = segment.replies.find(({ serial }) => serial === flow.serial)
  if (!reply?.newDestination || flow.outbound) return undefined
  const { newDestination: source, newSource } = reply
  return { source, destination: newSource ?? flow.source, outbound: true, vsId: 0 }
}

const kinds = [
  ...['syn', 'syn', 'syn', 'segment', 'answer', 'stats', 'stats', 'fin', 'rst', 'overflow'],
  ...['evicted', 'lost', 'reset', 'resetAll', 'time', 'pause', 'pause'],
] as const

const step = fc.record({
  kind: fc.constantFrom(...kinds),
  client: fc.nat(4),
  vsId: fc.integer({ min: 1, max: 3 }),
  tos: fc.constantFrom(0, 8),
  sequence: fc.integer({ min: 1, max: 2 }),
  pick: fc.nat(100),
})
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/** Takes out one of the flows that live, and of which the answer is there. */
function pickOf(world: World, pick: number): Asked | undefined {
  const answered = world.live.filter(({ serial }) =>
    world.segment.replies.some((reply) => reply.serial === serial && reply.mask & XlatMask.decTtl),
  )
  const flow = answered[pick % Math.max(1, answered.length)]
  if (flow) world.live.splice(world.live.indexOf(flow), 1)
  return flow
}

const offsets = { seqOffset: 1000, ackOffset: 7, tsvalOffset: 3 }

async function apply(world: World, { kind, client, vsId, tos, sequence, pick }: Step) {
  const { segment, control, ask, live } = world
  const asked = fromClient(world, client, vsId)
  const isUdp = vsId === 3
  if (kind === 'syn') ask({ ...asked, tos, sequence, reason: isUdp ? 3 : QueryReason.open })
  else if (kind === 'segment') {
    ask({ ...asked, tos, reason: isUdp ? 3 : QueryReason.midSession })
  } else if (kind === 'time') await world.pass(pick * tick)
  else if (kind === 'pause') await world.settle()
  else if (kind === 'reset') {
    await world.settle()
    segment.send(resetMessage(vsId))
    live.splice(0, live.length, ...live.filter((flow) => flow.vsId !== vsId))
  } else if (kind === 'resetAll') {
    control.resetFlows()
    await world.settle()
    for (const flow of live.splice(0)) segment.end({ ...flow, reason: EndReason.reset })
  } else {
    // Of what is taken back while its signature asks anew the order is lost.
    if (kind === 'lost') await world.settle()
    const flow = pickOf(world, pick)
    if (flow) tell(world, kind, flow)
  }
}

function tell(world: World, kind: Step['kind'], flow: Asked): void {
  const { segment, ask, live } = world
  flow.bytes += 100
  const told = { ...flow, bytesIn: flow.bytes, lastAt: world.clock.now() }
  const flags = SsmbFlags.addTcpOffsets | (flow.outbound ? SsmbFlags.outbound : 0)
  if (kind === 'fin') segment.end({ ...told, reason: EndReason.fin })
  else if (kind === 'rst') segment.end({ ...told, reason: EndReason.rst })
  else if (kind === 'overflow') segment.end({ ...told, reason: EndReason.overflow })
  else if (kind === 'evicted') {
    segment.send(stateMessage({ ...told, ...offsets, error: SsmbError.evicted, flags }))
  } else {
    live.push(flow)
    if (kind === 'stats') segment.send(statsMessage(told))
    const isGivenUp = segment.requests.some(
      (request) =>
        request.kind === 'TIMEOUT' && 'serial' in request && request.serial === flow.serial,
    )
    if (kind === 'lost' && isGivenUp) {
      const reply = segment.replies.find(({ serial }) => serial === flow.serial)
      const [newSource, newDestination] = [reply?.newSource, reply?.newDestination]
      const becomes = { ...(newSource && { newSource }), ...(newDestination && { newDestination }) }
      const xlat = { vsId: reply?.vsId ?? 0, nodeId: reply?.nodeId ?? 0, ...becomes }
      segment.send(stateMessage({ ...told, ...xlat, error: SsmbError.connalive }))
    }
    const answer = kind === 'answer' && fromServer(segment, flow)
    if (answer)
      ask({ ...answer, protocol: flow.protocol, tos: 0, reason: flow.protocol === 17 ? 3 : 2 })
  }
}

const first = { client: 0, vsId: 1, tos: 0, sequence: 1, pick: 0 } as const

describe.each(families)('IPv%i', (family) => {
  test('FLOWLIFE-20 through any life of its flows', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const world = await watched(family)
        for (const each of steps) await apply(world, each)
        await world.compare()
        world.control.stop()
      }),
      { numRuns: 150 },
    )
  })

  test('FLOWLIFE-20 open, evicted with offsets, resumed by either side, closed', async () => {
    const world = await watched(family)
    const { segment, duplicate, live, settle, compare } = world
    const entry = () => entriesOf(duplicate.ledger)
    await apply(world, { ...first, kind: 'syn' })
    await compare()
    expect(entry()).toMatchObject([{ node: [1, 'web', world.farm.node(1)], isDormant: false }])
    await apply(world, { ...first, kind: 'evicted' })
    await compare()
    expect(entry()).toMatchObject([{ isDormant: true, totals: { bytesIn: 100 }, flows: [] }])
    await apply(world, { ...first, kind: 'segment' })
    await settle()
    const [resumed] = live
    if (!resumed) throw new Error('it asks again')
    expect(entry()).toMatchObject([
      { isDormant: false, flows: [{ offsets: { seq: 1000, ack: 7 } }] },
    ])
    await apply(world, { ...first, kind: 'answer' })
    await compare()
    const answer = { flags: ['live', 'outbound', 'resumes', 'fromServer'] }
    expect(entry()).toMatchObject([
      { flows: expect.arrayContaining([expect.objectContaining(answer)]) },
    ])
    for (const flow of live) segment.end({ ...flow, bytesIn: 300, reason: EndReason.fin })
    await compare()
    expect(entry()).toEqual([])
  })

  test('FLOWLIFE-20 trap 4 moved to another port, at once or where it is asked for again', async () => {
    const world = await watched(family, ({ node, vip, otherVip }) => ({
      pools: { web: { nodes: [node(1)] } },
      virtualServers: {
        plain: { listen: `tcp://${vip}`, pool: 'web', preservePort: family === 6 },
        other: { listen: `tcp://${otherVip}`, pool: 'web', preservePort: family === 6 },
      },
    }))
    const { segment, duplicate, compare } = world
    const asked = [1, 2].map((vsId) => fromClient(world, 0, vsId))
    const [serial] = asked.map((fields) => segment.query(fields))
    await compare()
    expect(entriesOf(duplicate.ledger)).toHaveLength(family === 4 ? 2 : 1)
    for (let turn = 0; turn < 2; turn++) {
      segment.query({ ...fromClient(world, 0, 1), serial: Number(serial), again: true })
      await compare()
    }
    expect(JSON.stringify(entriesOf(duplicate.ledger)).includes('another')).toBe(family === 4)
  })

  test('FLOWLIFE-20 given up by TIMEOUT, and taken back by STATE', async () => {
    const world = await watched(family)
    const { segment, duplicate, compare, pass } = world
    await apply(world, { ...first, kind: 'syn' })
    await pass(reapMs + 5 * tick)
    expect(segment.requests.map(({ kind }) => kind)).toEqual(['REAP', 'REAP', 'REAP', 'TIMEOUT'])
    await compare()
    expect(duplicate.ledger.size).toBe(0)
    await apply(world, { ...first, kind: 'lost' })
    await compare()
    expect(duplicate.ledger.size).toBe(1)
  })

  test('FLOWLIFE-20 redirected: a session of a node that went down goes on with another', async () => {
    const world = await watched(family)
    const { segment, control, duplicate, ask, live, settle, compare } = world
    const chosen = { ...fromClient(world, 1, 2), tos: 0 }
    ask({ ...chosen, sequence: 1 })
    await settle()
    for (const n of [0, 1, 2]) ask({ ...fromClient(world, n, 1), tos: 0, sequence: 1 })
    await settle()
    await apply(world, { ...first, kind: 'evicted' })
    await settle()
    expect(entriesOf(duplicate.ledger)).toContainEqual(expect.objectContaining({ isDormant: true }))
    // The node refuses a connection. That its sessions without flows end then is told to nobody.
    const [refused] = live.splice(2, 1)
    const rst = { reason: EndReason.rst, tcpState: TcpState.ended, packetsIn: 1 }
    segment.end({ ...(refused as Asked), ...rst, packetsOut: 1, bytesOut: 40 })
    await settle()
    expect(control.pools.report()[0]?.nodes[0]?.state).toBe('down')
    ask({ ...chosen, reason: QueryReason.midSession })
    await compare()
    const last = segment.replies.at(-1)
    expect(segment.replies[0]?.nodeId).toBe(1)
    expect(last?.nodeId).not.toBe(1)
    const entry = { node: [last?.nodeId, 'web', last?.newDestination], server: [2, 'chosen'] }
    expect(entriesOf(duplicate.ledger)).toContainEqual(expect.objectContaining(entry))
  })

  test('FLOWLIFE-20 RESET, and another configuration', async () => {
    const world = await watched(family)
    const { duplicate, ask, reload, compare } = world
    for (const vsId of [1, 2, 3])
      ask({ ...fromClient(world, 1, vsId), tos: 0, reason: vsId === 3 ? 3 : 1 })
    await compare()
    expect(duplicate.ledger.size).toBe(3)
    await apply(world, { ...first, kind: 'reset', vsId: 2 })
    await compare()
    expect(duplicate.ledger.size).toBe(2)
    await reload((farm) => {
      const { virtualServers, ...rest } = site(family)(farm)
      return {
        ...rest,
        virtualServers: { late: { listen: `tcp://${farm.otherVip}`, pool: 'web' } },
      }
    })
    ask({ ...fromClient(world, 2, 2), vsId: 4, tos: 0, sequence: 1 })
    await compare()
    expect(entriesOf(duplicate.ledger)).toContainEqual(
      expect.objectContaining({ server: [4, 'late'] }),
    )
    await apply(world, { ...first, kind: 'resetAll' })
    await compare()
    expect(duplicate.ledger.size).toBe(0)
  })

  test('FLOWLIFE-20 HS-12 a flow whose client is read on is entered when it is decided', async () => {
    const world = await watched(family, ({ vip }) => ({
      virtualServers: {
        toy: {
          listen: `tcp://${vip}`,
          inspect: 'raw',
          policy: ({ data }) => (data.length < 5 ? { more: true } : 'web'),
        },
      },
    }))
    const { segment, duplicate, compare } = world
    const flow = { ...fromClient(world, 0, 1), serial: segment.nextSerial() }
    const question = { ...flow, reason: QueryReason.open, type: AppType.raw }
    for (const [length, sessions] of [
      [3, 0],
      [4, 0],
      [5, 1],
    ] as const) {
      segment.send(appQueryMessage({ ...question, data: new Uint8Array(length) }))
      await compare()
      expect(duplicate.ledger.size).toBe(sessions)
    }
    segment.end({ ...flow, reason: EndReason.fin })
    await compare()
    expect(duplicate.ledger.size).toBe(0)
  })

  test('FLOWLIFE-20 who watches no more sees no more, and memory for what is never answered is bounded', async () => {
    const world = await watched(family)
    const { segment, duplicate, forget, compare, settle } = world
    for (let n = 0; n < 100; n++) segment.query({ ...fromClient(world, n, 9), vsId: 9 })
    await compare()
    forget()
    await apply(world, { ...first, kind: 'syn' })
    await settle()
    expect(duplicate.ledger.size).toBe(0)
  })
})
