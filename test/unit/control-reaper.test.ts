/** Flows of which nothing was heard: asked for by REAP, given up by TIMEOUT, taken back by STATE. */
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { SluiceConfig } from '../../src/config/config.js'
import {
  EndReason,
  QueryReason,
  SsmbError,
  SsmbFlags,
  XlatMask,
} from '../../src/generated/messages.js'
import { type Family, type FarmEndpoints, families, startFarm } from '../helpers/farm.js'
import { stateMessage, statsMessage } from '../helpers/messages.js'

const { connalive, noflow } = SsmbError
const tick = 200
const reapMs = 5000
/** What was heard since the last walk but one may be younger: here a walk takes one tick. */
const found = reapMs + 2 * tick

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  onTestFinished(() => void vi.useRealTimers())
})

/** A farm that asks after five seconds, on time of its own. */
async function startReaped(
  family: Family,
  change: (farm: FarmEndpoints) => Partial<SluiceConfig> = () => ({}),
) {
  const started = await startFarm(family, (farm) => ({ timeouts: { reapMs }, ...change(farm) }))
  const { engine, segment, fromClient } = started
  const pass = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += tick) {
      vi.advanceTimersByTime(tick)
      await segment.quiet()
    }
  }
  const tell = async (...messages: Uint8Array[]) => {
    segment.send(...messages)
    await segment.quiet()
  }
  /** Opens a flow of which nothing is heard until it is asked for. */
  const silent = async (counts: object = {}) => {
    const serial = segment.query(fromClient())
    await segment.repliesTo(serial)
    await tell(statsMessage({ ...fromClient(), serial, ...counts }))
    await pass(found)
    return { ...fromClient(), serial, ...counts }
  }
  const site = () => engine.status().virtualServers[0]
  return { ...started, pass, tell, silent, site }
}

describe.each(families)('IPv%i', (family) => {
  test('FLOWLIFE-10 SSMB-12 a flow of which nothing was heard for five seconds is asked for', async () => {
    const { segment, farm, fromClient, pass } = await startReaped(family)
    const serial = segment.query({ ...fromClient(), tos: 8 })
    await segment.repliesTo(serial)
    await pass(reapMs)
    expect(segment.requests).toEqual([])
    await pass(found - reapMs)
    expect(segment.requests).toEqual([
      {
        kind: 'REAP',
        serial,
        source: farm.client(),
        destination: farm.vip,
        tos: 8,
        idleSecs: 5,
      },
    ])
  })

  test('FLOWLIFE-10 statistics of a flow are a sign of life', async () => {
    const { segment, fromClient, pass, tell } = await startReaped(family)
    const serial = segment.query(fromClient())
    await segment.repliesTo(serial)
    await pass(3000)
    await tell(statsMessage({ ...fromClient(), serial, packetsIn: 1 }))
    await pass(reapMs)
    expect(segment.requests).toEqual([])
    await pass(found - reapMs)
    expect(segment.requests).toHaveLength(1)
  })

  test('FLOWLIFE-11 FLOWLIFE-12 SSMB-35 SSMB-36 a flow in use is kept, counted, and asked for an interval later', async () => {
    const { engine, segment, site, pass, tell, silent } = await startReaped(family)
    const flow = await silent({ packetsIn: 3, bytesIn: 300 })
    await tell(statsMessage({ ...flow, error: connalive, packetsIn: 5, bytesIn: 500 }))
    await pass(reapMs)
    expect(segment.requests).toHaveLength(1)
    expect(site()).toMatchObject({ connections: 1, packets: { in: 5 }, bytes: { in: 500 } })
    expect(engine.status().reaper).toEqual({
      asked: 1,
      alive: 1,
      gone: 0,
      unanswered: 0,
      waiting: 0,
    })
    await pass(found - reapMs)
    expect(segment.requests).toHaveLength(2)
  })

  test('FLOWLIFE-13 while the answer is awaited the flow counts as any other', async () => {
    const { engine, segment, fromClient, silent } = await startReaped(family, ({ vip }) => ({
      virtualServers: { site: { listen: `tcp://${vip}`, pool: 'web', connectionLimit: 1 } },
    }))
    await silent()
    expect(engine.status().reaper.waiting).toBe(1)
    const second = segment.query(fromClient(1))
    expect(await segment.repliesTo(second)).toMatchObject([{ error: SsmbError.connlimit }])
    expect(engine.status().virtualServers[0].connections).toBe(1)
  })

  test('FLOWLIFE-14 STAT-02 the flow was silent there, too: it ends with the totals that are told', async () => {
    const { engine, segment, site, pass, silent } = await startReaped(family)
    const flow = await silent({ packetsIn: 3, bytesIn: 300 })
    segment.end({ ...flow, reason: EndReason.reaped, packetsIn: 4, bytesIn: 400 })
    await segment.quiet()
    await pass(tick)
    expect(site()).toMatchObject({ connections: 0, totalConnections: 1, bytes: { in: 400 } })
    expect(engine.status().reaper).toMatchObject({ gone: 1, waiting: 0 })
  })

  test('FLOWLIFE-14 STAT-06 a flow that is not there has no totals: the zeros take nothing back', async () => {
    const { engine, segment, site, pass, silent } = await startReaped(family)
    const { serial, source, destination } = await silent({ packetsIn: 3, bytesIn: 300 })
    const flow = { serial, source, destination }
    segment.end({ ...flow, reason: EndReason.reaped, error: noflow })
    await pass(tick)
    expect(site()).toMatchObject({
      connections: 0,
      packets: { in: 3, out: 0 },
      bytes: { in: 300, out: 0 },
    })
    expect(engine.status()).toMatchObject({ reaper: { gone: 1 }, bus: { stale: 0 } })
  })

  test('FLOWLIFE-21 FLOWLIFE-15 without an answer: asked three times, deleted, and told so', async () => {
    const { engine, segment, site, pass, silent } = await startReaped(family)
    const flow = await silent({ bytesIn: 300 })
    await pass(3 * tick)
    const kinds = segment.requests.map(({ kind }) => kind)
    expect(kinds).toEqual(['REAP', 'REAP', 'REAP', 'TIMEOUT'])
    const [first, ...others] = segment.requests
    expect(others.map((request) => ({ ...request, kind: 'REAP' }))).toEqual([first, first, first])
    expect(site()).toMatchObject({ connections: 0, totalConnections: 1, bytes: { in: 300 } })
    // An answer that comes late is none about a stranger.
    segment.end({ ...flow, reason: EndReason.reaped, error: noflow })
    await pass(reapMs)
    expect(engine.status()).toMatchObject({
      reaper: { asked: 1, alive: 0, gone: 0, unanswered: 1, waiting: 0 },
      bus: { stale: 0 },
    })
  })

  test('FLOWLIFE-21 what could not be sent was not left unanswered', async () => {
    const { engine, segment, pass, silent } = await startReaped(family)
    await silent()
    segment.room = 0
    await pass(10 * tick)
    expect(engine.status().reaper).toMatchObject({ unanswered: 0, waiting: 1 })
    segment.room = 1e9
    await segment.until(() => segment.requests.length === 2)
  })

  test('STAT-06 DFSMSG-02 SSMB-35 a flow that lives on after TIMEOUT is taken back, and nothing counts twice', async () => {
    const { engine, segment, farm, site, pass, silent, connectionsByNode } =
      await startReaped(family)
    const flow = await silent({ packetsIn: 3, bytesIn: 300 })
    await pass(3 * tick)
    expect(connectionsByNode()).toEqual([0, 0, 0])
    const totals = { packetsIn: 3, bytesIn: 300, packetsOut: 0, bytesOut: 0 }
    segment.send(
      statsMessage({ ...flow, ...totals, error: connalive }),
      stateMessage({ ...flow, ...totals, error: connalive, vsId: 1, nodeId: 1 }),
      statsMessage({ ...flow, ...totals, bytesIn: 350 }),
    )
    await segment.quiet()
    expect(connectionsByNode()).toEqual([1, 0, 0])
    expect(site()).toMatchObject({ connections: 1, totalConnections: 1, bytes: { in: 350 } })
    expect(engine.status().pools[0]).toMatchObject({ totalConnections: 1, bytes: { in: 350 } })
    expect(engine.status().bus.stale).toBe(0)

    // It is the session again: another DSCP finds it, and it ends as any other.
    const other = segment.query({ ...flow, serial: 77, tos: 8, reason: QueryReason.midSession })
    expect(await segment.repliesTo(other)).toMatchObject([{ newDestination: farm.node(1) }])
    for (const serial of [flow.serial, other]) {
      segment.end({ ...flow, ...totals, bytesIn: 0, serial, reason: EndReason.fin })
    }
    await segment.quiet()
    expect(connectionsByNode()).toEqual([0, 0, 0])
  })

  test('STAT-06 the flow that a server began is taken back as its session of the client', async () => {
    const { engine, segment, farm, fromClient } = await startReaped(family)
    const back = { source: farm.node(2), destination: farm.client(), serial: 9 }
    const totals = { packetsIn: 9, bytesIn: 900, packetsOut: 1, bytesOut: 100 }
    const flags = SsmbFlags.outbound
    const whose = { error: connalive, vsId: 1, nodeId: 2, flags, newSource: farm.vip }
    segment.send(stateMessage({ ...back, ...totals, ...whose }))
    segment.send(statsMessage({ ...back, ...totals, bytesIn: 950 }))
    const query = { ...fromClient(), reason: QueryReason.midSession }
    expect(await segment.repliesTo(segment.query(query))).toMatchObject([
      { newDestination: farm.node(2), flags: SsmbFlags.routeByDst | SsmbFlags.resumed },
    ])
    expect(engine.status().virtualServers[0]).toMatchObject({
      connections: 1,
      totalConnections: 0,
      bytes: { in: 0, out: 50 },
    })
    segment.table.push({ ...back, ...totals })
    expect(await engine.flows()).toMatchObject([
      { client: farm.client(), server: farm.node(2), bytes: { in: 100, out: 900 } },
    ])
  })

  test('CS-07 STAT-06 a flow of another DSCP joins its session again; a routed one is taken back', async () => {
    const { engine, segment, farm, fromClient, connectionsByNode } = await startReaped(family)
    await segment.repliesTo(segment.query(fromClient()))
    const lost = { error: connalive, bytesIn: 500 }
    const variant = { ...fromClient(), tos: 8, serial: 8 }
    segment.send(stateMessage({ ...variant, ...lost, vsId: 1, nodeId: 1 }))
    const routed = { source: farm.client(), destination: farm.stranger, serial: 9 }
    segment.send(stateMessage({ ...routed, ...lost }))
    await segment.quiet()
    expect(connectionsByNode()).toEqual([1, 0, 0])
    segment.table.push({ ...routed, bytesIn: 500 })
    expect(await engine.flows()).toMatchObject([
      { server: farm.stranger, virtualServer: null, bytes: { in: 500 } },
    ])
    expect(engine.status().bus.stale).toBe(0)
  })

  test('CS-07 a session that went to another node here is another one', async () => {
    const { segment, fromClient, connectionsByNode } = await startReaped(family)
    await segment.repliesTo(segment.query(fromClient()))
    segment.send(stateMessage({ ...fromClient(), serial: 8, error: connalive, vsId: 1, nodeId: 3 }))
    await segment.quiet()
    expect(connectionsByNode()).toEqual([0, 0, 1])
  })

  test.each([
    ['a virtual server that is not', { vsId: 7, nodeId: 1 }],
    ['a node that is not', { vsId: 1, nodeId: 77 }],
    ['a virtual server without node', { vsId: 1, nodeId: 0 }],
  ])('SSMB-13 a STATE of %s is stale', async (_name, whose) => {
    const { engine, segment, fromClient } = await startReaped(family)
    segment.send(stateMessage({ ...fromClient(), serial: 8, error: connalive, ...whose }))
    await segment.quiet()
    expect(engine.status().bus.stale).toBe(1)
  })

  test('DFS-21 what is told of its own accord is no record of a dump that runs', async () => {
    const { engine, segment, fromClient } = await startReaped(family)
    segment.answersDumps = false
    const first = segment.query(fromClient(1))
    await segment.repliesTo(first)
    const flows = engine.flows()
    const [lost, evicted] = [connalive, SsmbError.evicted]
    const whose = { vsId: 1, nodeId: 1 }
    segment.send(stateMessage({ ...fromClient(2), serial: 2, error: lost, ...whose }))
    segment.send(stateMessage({ ...fromClient(2), serial: 2, error: evicted }))
    segment.send(stateMessage({ ...fromClient(1), serial: first, bytesIn: 10 }))
    expect(await flows).toMatchObject([{ bytes: { in: 10 } }])
  })
})

test('FLOWLIFE-10 a virtual server may let its flows be silent for longer', async () => {
  const { segment, silent } = await startReaped(4, ({ vip }) => ({
    virtualServers: { site: { listen: `tcp://${vip}`, pool: 'web', idleTimeoutMs: 60_000 } },
  }))
  await silent()
  expect(segment.requests).toMatchObject([{ kind: 'REAP', idleSecs: 60 }])
})

test('FLOWLIFE-10 FLOWLIFE-21 many silent flows are asked for in turn, a bounded number at once', async () => {
  const { engine, segment, farm, fromClient, pass } = await startReaped(4)
  const clients = Array.from({ length: 3000 }, (_, n) => ({
    ...fromClient(),
    source: farm.client().replace(/:\d+/, `:${n + 1}`),
  }))
  // So few at once that none waits behind others: none is too late, however busy the machine is.
  while (clients.length > 0) {
    const some = clients.splice(0, 50)
    await segment.repliesTo(...some.map((client) => segment.query(client)))
  }
  await pass(reapMs)
  let waited = 0
  while (engine.status().pools[0].connections > 0) {
    await pass(tick)
    const { waiting } = engine.status().reaper
    expect(waiting).toBeLessThanOrEqual(1024)
    waited = Math.max(waited, waiting)
  }
  expect(waited).toBe(1024)
  expect(engine.status().reaper).toMatchObject({ asked: 3000, unanswered: 3000, waiting: 0 })
  const asked = segment.requests.filter(({ kind }) => kind === 'REAP')
  expect(asked).toHaveLength(9000)
  expect(segment.requests.length - asked.length).toBe(3000)
})

test('FLOWLIFE-22 flows are asked for when each of them should have ended by itself', async () => {
  const { segment, pass } = await startFarm(4, () => ({
    timeouts: { tcpEstablishedMs: 40_000, udpMs: 10_000, otherMs: 10_000, statsIntervalMs: 5000 },
  })).then((started) => ({
    ...started,
    pass: async (ms: number) => {
      vi.advanceTimersByTime(ms)
      await started.segment.quiet()
    },
  }))
  await segment.repliesTo(
    segment.query({ source: '192.0.2.10:1', destination: '192.0.2.100:80', vsId: 1 }),
  )
  // The longest is that of flows that open, four minutes by default.
  await pass(250_000 - tick)
  expect(segment.requests).toEqual([])
  await pass(30_000)
  expect(segment.requests[0]).toMatchObject({ kind: 'REAP', idleSecs: 250 })
})

test('FLOWLIFE-16 the mask of a flow that is taken back is that of a translation', async () => {
  const { segment, fromClient } = await startReaped(4)
  const lost = { serial: 5, error: connalive, vsId: 1, nodeId: 2 }
  segment.send(stateMessage({ ...fromClient(), ...lost }))
  segment.send(stateMessage({ ...fromClient(), ...lost, error: SsmbError.evicted }))
  const again = segment.query({ ...fromClient(), reason: QueryReason.midSession })
  const mask = XlatMask.dstAddr | XlatMask.dstPort | XlatMask.decTtl
  expect(await segment.repliesTo(again)).toMatchObject([{ mask, nodeId: 2 }])
})

test('FLOWLIFE-16 a session that came back is none that opens, however soon it is evicted', async () => {
  vi.useFakeTimers({ toFake: ['performance', 'setInterval', 'clearInterval'] })
  const { segment, farm, fromClient } = await startFarm(4)
  const comesBack = async () => {
    const serial = segment.query({ ...fromClient(), reason: QueryReason.midSession })
    const [{ newDestination }] = await segment.repliesTo(serial)
    return { serial, newDestination }
  }
  const first = segment.query(fromClient())
  await segment.repliesTo(first)
  segment.send(stateMessage({ ...fromClient(), serial: first, error: SsmbError.evicted }))
  const { serial } = await comesBack()
  segment.end({ ...fromClient(), serial, reason: EndReason.overflow })
  await segment.quiet()
  // A handshake may take four minutes by default.
  vi.advanceTimersByTime(300_000)
  expect(await comesBack()).toMatchObject({ newDestination: farm.node(1) })
})
