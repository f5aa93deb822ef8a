/** Flows that end or go on otherwise than by their own packets: RESET, eviction with offsets, the middle
 *  of sessions that nobody knows. */
import { describe, expect, test } from 'vitest'
import {
  EndReason,
  QueryReason,
  SsmbError,
  SsmbFlags,
  XlatMask,
} from '../../src/generated/messages.js'
import { families, startFarm } from '../helpers/farm.js'
import { noOffsets, resetMessage, stateMessage } from '../helpers/messages.js'

const { midSession } = QueryReason
const evicted = SsmbError.evicted

const twoServers = ({ vip, otherVip }: { vip: string; otherVip: string }) => ({
  virtualServers: {
    site: { listen: `tcp://${vip}`, pool: 'web' },
    other: { listen: `tcp://${otherVip}`, pool: 'web' },
  },
})

const flagsOfOffsets =
  SsmbFlags.addTcpOffsets | SsmbFlags.addTsOffsets | SsmbFlags.scaleWindow | SsmbFlags.stripSack
const offsets = {
  seqOffset: 1000,
  ackOffset: 0xfffffff0,
  tsvalOffset: 7,
  tsecrOffset: 0,
  wshiftC2s: 2,
  wshiftS2c: -3,
}
/** The same, as they move the packets of the other direction. */
const mirrored = {
  seqOffset: 16,
  ackOffset: 0xfffffc18,
  tsvalOffset: 0,
  tsecrOffset: 0xfffffff9,
  wshiftC2s: -3,
  wshiftS2c: 2,
}

describe.each(families)('IPv%i', (family) => {
  test('FLOWLIFE-06 FLOWLIFE-16 an evicted session gets its old offsets with its old node', async () => {
    const { segment, farm, fromClient } = await startFarm(family)
    const first = segment.query(fromClient())
    await segment.repliesTo(first)
    const flow = { ...fromClient(), serial: first, error: evicted, ...offsets }
    segment.send(stateMessage({ ...flow, flags: flagsOfOffsets }))
    const again = segment.query({ ...fromClient(), reason: midSession })
    expect(await segment.repliesTo(again)).toMatchObject([
      {
        newDestination: farm.node(1),
        flags: SsmbFlags.routeByDst | SsmbFlags.resumed | flagsOfOffsets,
        offsets,
      },
    ])
    // Evicted again and asked for by the server, whose packets are moved the other way.
    segment.send(stateMessage({ ...flow, serial: again, flags: flagsOfOffsets }))
    const back = { source: farm.node(1), destination: farm.client(), outbound: true }
    const third = segment.query({ ...back, reason: midSession })
    expect(await segment.repliesTo(third)).toMatchObject([
      { newSource: farm.vip, offsets: mirrored },
    ])
    // What the data flow segment tells of that flow is about the server's packets, too.
    segment.send(
      stateMessage({
        ...{ ...back, ...mirrored, error: evicted, serial: third },
        flags: flagsOfOffsets | SsmbFlags.outbound,
      }),
    )
    const last = segment.query({ ...fromClient(), reason: midSession })
    expect(await segment.repliesTo(last)).toMatchObject([{ offsets }])
  })

  test('FLOWLIFE-17 a new session of the same signature has no offsets, nor has the next', async () => {
    const { segment, fromClient } = await startFarm(family)
    const first = segment.query(fromClient())
    await segment.repliesTo(first)
    const flow = { ...fromClient(), serial: first, error: evicted, ...offsets }
    segment.send(stateMessage({ ...flow, flags: flagsOfOffsets }))
    const second = segment.query({ ...fromClient(), sequence: 2 })
    const variant = segment.query({ ...fromClient(), tos: 8, reason: midSession })
    for (const { flags, offsets: moved } of await segment.repliesTo(second, variant)) {
      expect([flags & flagsOfOffsets, moved]).toEqual([0, noOffsets])
    }
  })

  test('SSMB-30 what a STATE says of offsets counts only with the flags', async () => {
    const { segment, fromClient } = await startFarm(family)
    const first = segment.query(fromClient())
    await segment.repliesTo(first)
    segment.send(stateMessage({ ...fromClient(), serial: first, error: evicted, ...offsets }))
    const again = segment.query({ ...fromClient(), reason: midSession })
    expect(await segment.repliesTo(again)).toMatchObject([{ offsets: noOffsets }])
  })

  test('CS-09 DFSMSG-05 reset() asks the data flow segment; its DELETEs end the sessions', async () => {
    const { engine, segment, fromClient } = await startFarm(family, twoServers)
    const serials = [0, 1].map((n) => segment.query(fromClient(n)))
    await segment.repliesTo(...serials)
    engine.reset()
    engine.reset('other')
    await segment.until(() => segment.requests.length === 2)
    expect(segment.requests).toEqual([
      { kind: 'RESET', scope: 0 },
      { kind: 'RESET', scope: 2 },
    ])
    serials.forEach((serial, n) => {
      segment.end({ ...fromClient(n), serial, reason: EndReason.reset, bytesIn: 10 })
    })
    await segment.quiet()
    expect(engine.status().virtualServers[0]).toMatchObject({
      connections: 0,
      totalConnections: 2,
      bytes: { in: 20 },
    })
  })

  test('CS-09 FLOWLIFE-16 what was evicted before a reset() does not come back', async () => {
    const { engine, segment, farm, fromClient } = await startFarm(family, twoServers)
    const toOther = { ...fromClient(), destination: farm.otherVip, vsId: 2 }
    for (const flow of [fromClient(), toOther]) {
      const serial = segment.query(flow)
      await segment.repliesTo(serial)
      segment.send(stateMessage({ ...flow, serial, error: evicted }))
    }
    await segment.quiet()
    engine.reset('site')
    const again = [fromClient(), toOther].map((flow) =>
      segment.query({ ...flow, reason: midSession }),
    )
    expect(await segment.repliesTo(...again)).toMatchObject([
      { mask: XlatMask.reset },
      { newDestination: farm.node(2) },
    ])
    expect(engine.status().virtualServers.map(({ connections }) => connections)).toEqual([0, 1])
  })

  test('CS-13 a RESET of the data flow segment empties the ledger; counters and servers stay', async () => {
    const { engine, segment, farm, fromClient, connectionsByNode } = await startFarm(family)
    const [open, dormant] = [0, 1].map((n) => segment.query(fromClient(n)))
    const variant = segment.query({ ...fromClient(0), tos: 8, reason: midSession })
    await segment.repliesTo(open, dormant, variant)
    segment.send(
      stateMessage({ ...fromClient(1), serial: dormant, error: evicted, bytesIn: 70 }),
      resetMessage(0),
    )
    await segment.quiet()
    expect(connectionsByNode()).toEqual([0, 0, 0])
    expect(engine.status().virtualServers[0]).toMatchObject({
      connections: 0,
      totalConnections: 2,
      bytes: { in: 70 },
    })
    expect(await segment.repliesTo(segment.query(fromClient(2)))).toMatchObject([
      { newDestination: farm.node(3) },
    ])
    segment.end({ ...fromClient(0), serial: open, reason: EndReason.fin })
    await segment.quiet()
    expect(engine.status().bus.stale).toBe(1)
  })

  test('CS-13 of one virtual server, or of none that is known', async () => {
    const { engine, segment, farm, fromClient } = await startFarm(family, twoServers)
    const toOther = { ...fromClient(), destination: farm.otherVip, vsId: 2 }
    await segment.repliesTo(segment.query(fromClient()), segment.query(toOther))
    segment.send(resetMessage(2), resetMessage(99))
    await segment.quiet()
    expect(engine.status().virtualServers.map(({ connections }) => connections)).toEqual([1, 0])
    expect(engine.status().bus).toEqual({ invalid: 0, stale: 1 })
  })

  test('CS-13 a decision that comes after a RESET has nobody to answer', async () => {
    let decide: (pool: string) => void = () => {}
    const { engine, segment, fromClient } = await startFarm(family, ({ vip }) => ({
      virtualServers: {
        site: {
          listen: `tcp://${vip}`,
          policy: () => new Promise<string>((resolve) => (decide = resolve)),
        },
      },
    }))
    segment.query(fromClient())
    await segment.quiet()
    segment.send(resetMessage(0))
    await segment.quiet()
    decide('web')
    await segment.quiet()
    expect(segment.replies).toEqual([])
    expect(engine.status().pools[0]).toMatchObject({ connections: 0, totalConnections: 0 })
  })

  test('FLOWLIFE-18 the middle of a session that nobody knows: RST, silence, or a server', async () => {
    const kinds = ['reset', 'drop', 'route'] as const
    const { engine, segment, farm } = await startFarm(family, (endpoints) => ({
      virtualServers: Object.fromEntries(
        kinds.map((kind, n) => [
          kind,
          {
            listen: `tcp://${endpoints.vip.replace(/\d+$/, `${80 + n}`)}`,
            pool: 'web',
            midSession: kind,
          },
        ]),
      ),
    }))
    const serials = kinds.map((_, n) =>
      segment.query({
        source: farm.client(),
        destination: farm.vip.replace(/\d+$/, `${80 + n}`),
        vsId: n + 1,
        reason: midSession,
      }),
    )
    expect(await segment.repliesTo(...serials)).toMatchObject([
      { mask: XlatMask.reset, nodeId: 0 },
      { mask: XlatMask.drop, nodeId: 0 },
      // Not RESUMED: it counts as open only when its server answers.
      { newDestination: farm.node(1), nodeId: 1, flags: SsmbFlags.routeByDst },
    ])
    expect(engine.status().decisions).toMatchObject({ unknown: 2, assigned: 1, resumed: 0 })
  })
})

test('CS-09 reset() of a virtual server that is not names those that are', async () => {
  const { engine } = await startFarm(4, twoServers)
  expect(() => engine.reset('sight')).toThrow(
    expect.objectContaining({
      code: 'ERR_SLUICE_VIRTUAL_SERVER',
      remedy: expect.stringContaining('site, other'),
    }),
  )
  await engine.stop()
  expect(() => engine.reset()).toThrow(expect.objectContaining({ code: 'ERR_SLUICE_STOPPED' }))
})
