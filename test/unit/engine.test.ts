import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { resolveConfig } from '../../src/config/resolve.js'
import { Engine } from '../../src/engine.js'
import type { SluiceError } from '../../src/errors.js'
import { counterNames, gaugeNames, portCounterNames } from '../../src/generated/counters.js'
import { dropReasonNames } from '../../src/generated/drop-reasons.js'
import { CsmbError, EndReason, QueryReason, StateReqView } from '../../src/generated/messages.js'
import { FakeSegment } from '../helpers/fake-segment.js'
import { families, farmConfig, startFarm } from '../helpers/farm.js'
import { testEpoch } from '../helpers/messages.js'

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: SluiceError) => error,
  )

function fakeTimeouts(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
}

describe('start', () => {
  test('ARCH-03 the segment gets ports, routes, limits and time-outs, all resolved', async () => {
    const { segment, farm } = await startFarm(4, () => ({
      routes: [{ to: '0.0.0.0/0', via: '192.0.2.254' }],
      timeouts: { udpMs: 4000 },
      limits: { flows: 1000 },
      forward: false,
    }))
    expect(segment.options).toMatchObject({
      ports: [
        {
          name: 'outside',
          kind: 'tap',
          device: 'outside',
          addresses: [farm.ports.outside.address],
          hostAddresses: [],
          netns: '',
          mac: '',
          mtu: 1500,
          internal: false,
          offloads: true,
          capture: '',
        },
        { name: 'inside', internal: true },
      ],
      routes: [{ to: '0.0.0.0/0', via: '192.0.2.254' }],
      forwarding: 'none',
      synCookies: 'auto',
      limits: { flows: 1000, waitingFlows: 16_384 },
      timeouts: { udp: 4000, tcpEstablished: 7_440_000 },
    })
  })

  test('is ready only when every virtual server is acknowledged', async () => {
    const { engine } = await startFarm(4)
    expect(engine.status().ready).toBe(true)
  })

  test('takes a resolved configuration', async () => {
    const segment = new FakeSegment()
    await using engine = await Engine.start(resolveConfig(farmConfig(6)), { segment })
    expect(engine.status().virtualServers[0].listen).toBe('tcp://[2001:db8::100]:80')
  })

  test('a wrong configuration starts nothing', async () => {
    const segment = new FakeSegment()
    const error = await failure(Engine.start({ ports: {} }, { segment }))
    expect(error?.code).toBe('ERR_SLUICE_CONFIG')
    expect(segment.options).toBeUndefined()
  })

  test('a virtual server that is refused ends the start, and nothing runs', async () => {
    const segment = new FakeSegment()
    segment.acknowledgeWith = CsmbError.vsExists
    const error = await failure(Engine.start(farmConfig(4), { segment }))
    expect(error?.code).toBe('ERR_SLUICE_VIRTUAL_SERVER')
    expect(error?.message).toContain('site (tcp://192.0.2.100:80): vsExists')
    expect(segment.running).toBe(false)
  })

  test('a segment that does not answer ends the start', async () => {
    fakeTimeouts()
    const segment = new FakeSegment()
    segment.acknowledgeWith = undefined
    const started = failure(Engine.start(farmConfig(4), { segment }))
    await segment.until(() => segment.taken.length > 0)
    vi.advanceTimersByTime(5000)
    expect((await started)?.code).toBe('ERR_SLUICE_TIMEOUT')
    expect(segment.running).toBe(false)
  })

  test.each([
    [1, 'ERR_SLUICE_PERMISSION'],
    [13, 'ERR_SLUICE_PERMISSION'],
    [19, 'ERR_SLUICE_DEVICE'],
  ])('errno %i of the host is %s, with its remedy', async (errno, code) => {
    const segment = new FakeSegment()
    const refusal = Object.assign(new Error('open tap'), { errno, remedy: 'Load the tun module.' })
    segment.refusal = refusal
    const error = await failure(Engine.start(farmConfig(4), { segment }))
    expect(error).toMatchObject({ code, remedy: 'Load the tun module.', cause: refusal })
  })
})

describe('signal', () => {
  test('an aborted signal starts nothing', async () => {
    const segment = new FakeSegment()
    const signal = AbortSignal.abort(new Error('not now'))
    await expect(Engine.start(farmConfig(4), { segment, signal })).rejects.toThrow('not now')
    expect(segment.options).toBeUndefined()
  })

  test('an abort ends a start', async () => {
    const segment = new FakeSegment()
    segment.acknowledgeWith = undefined
    const controller = new AbortController()
    const started = failure(Engine.start(farmConfig(4), { segment, signal: controller.signal }))
    await segment.until(() => segment.taken.length > 0)
    controller.abort(new Error('enough'))
    expect((await started)?.message).toBe('enough')
    expect(segment.running).toBe(false)
  })

  test('an abort stops an engine that runs', async () => {
    const controller = new AbortController()
    const { engine, segment } = await startFarm(4, undefined, { signal: controller.signal })
    controller.abort()
    expect([segment.running, engine.status().ready]).toEqual([false, false])
  })
})

describe('stop', () => {
  test('stops the segment, once, and what waits is told', async () => {
    const { engine, segment } = await startFarm(4)
    segment.answersDumps = false
    const flows = failure(engine.flows())
    await engine.stop()
    await engine.stop()
    expect((await flows)?.code).toBe('ERR_SLUICE_STOPPED')
    expect((await failure(engine.flows()))?.code).toBe('ERR_SLUICE_STOPPED')
    expect(segment.running).toBe(false)
  })

  test('await using stops', async () => {
    const segment = new FakeSegment()
    {
      await using engine = await Engine.start(farmConfig(4), { segment })
      expect(engine.status().ready).toBe(true)
    }
    expect(segment.running).toBe(false)
  })

  test('several engines in one process know nothing of each other', async () => {
    const [one, two] = [await startFarm(4), await startFarm(6)]
    await one.segment.repliesTo(one.segment.query(one.fromClient()))
    expect(two.engine.status().pools[0].connections).toBe(0)
    await one.engine.stop()
    const serial = two.segment.query(two.fromClient())
    expect(await two.segment.repliesTo(serial)).toMatchObject([
      { newDestination: two.farm.node(1) },
    ])
  })
})

describe('status', () => {
  test('STAT-01 counters, gauges, drops and ports come by name, and balance', async () => {
    const { engine, segment } = await startFarm(4)
    const names = [
      ...counterNames,
      ...gaugeNames,
      ...dropReasonNames,
      ...portCounterNames,
      ...portCounterNames,
    ]
    segment.counters = names.map((_, i) => BigInt(i))
    const status = engine.status()
    const index = (name: string) => names.indexOf(name as never)
    expect(status.counters.received).toBe(0)
    expect(status.counters.flowsOpened).toBe(index('flowsOpened'))
    expect(status.flows).toBe(index('flows'))
    expect(status.lingering).toBe(index('lingering'))
    expect(status.drops.noRoute).toBe(index('noRoute'))
    const dropped = dropReasonNames.reduce((sum, name) => sum + index(name), 0)
    expect(status.packets).toEqual({
      received: 0,
      forwarded: index('forwarded'),
      delivered: index('delivered'),
      dropped,
      waiting:
        index('waitingPackets') +
        index('waitingFragments') +
        index('neighborPackets') +
        index('handedPackets'),
    })
    const first = names.indexOf(portCounterNames[0])
    expect(status.ports.map(({ counters }) => counters.rxFrames)).toEqual([
      first,
      first + portCounterNames.length,
    ])
  })

  test('drops that never happened are left out', async () => {
    const { engine, segment } = await startFarm(4)
    segment.counters = Array(200).fill(0n)
    segment.counters[counterNames.length + gaugeNames.length + dropReasonNames.indexOf('land')] = 3n
    expect(engine.status().drops).toEqual({ land: 3 })
  })

  test('is JSON', async () => {
    const { engine } = await startFarm(6, undefined, { policyRevision: 'abc' })
    const status = JSON.parse(JSON.stringify(engine.status()))
    expect(status).toMatchObject({ ready: true, policyRevision: 'abc', flows: 0 })
  })
})

describe.each(families)('flows, IPv%i', (family) => {
  test('SSMB-24 STAT-01 a record for each session, with counts of this moment', async () => {
    const { engine, segment, farm, fromClient } = await startFarm(family)
    const serial = segment.query({ ...fromClient(), at: testEpoch - 5000 })
    const outbound = segment.query({
      source: farm.node(2),
      destination: farm.stranger,
      outbound: true,
      protocol: 17,
      reason: QueryReason.udp,
    })
    await segment.repliesTo(serial, outbound)
    segment.table.push(
      { ...fromClient(), serial, packetsIn: 4, bytesIn: 400 },
      { source: farm.node(2), destination: farm.stranger, serial: outbound },
    )
    expect(await engine.flows()).toEqual([
      {
        client: farm.client(),
        virtualServer: 'site',
        listen: farm.vip,
        server: farm.node(1),
        protocol: 'tcp',
        mode: 'translate',
        seen: ['syn'],
        packets: { in: 4, out: 0 },
        bytes: { in: 400, out: 0 },
        openedAt: new Date(testEpoch - 5000).toISOString(),
        lastActiveAt: new Date(testEpoch).toISOString(),
      },
      {
        client: farm.node(2),
        virtualServer: null,
        listen: farm.stranger,
        server: farm.stranger,
        protocol: 'udp',
        mode: 'translate',
        seen: ['datagram'],
        packets: { in: 0, out: 0 },
        bytes: { in: 0, out: 0 },
        openedAt: new Date(testEpoch).toISOString(),
        lastActiveAt: new Date(testEpoch).toISOString(),
      },
    ])
  })

  test('an empty table has no flows', async () => {
    const { engine } = await startFarm(family)
    expect(await engine.flows()).toEqual([])
  })

  test('all pages are asked for; requests at the same time share one dump', async () => {
    const { engine, segment, fromClient } = await startFarm(family)
    const serials: number[] = []
    // So few at once that none waits behind others: none is too late, however busy the machine is.
    while (serials.length < 1200) {
      const from = serials.length
      const some = Array.from({ length: 50 }, (_, n) => segment.query(fromClient(from + n)))
      await segment.repliesTo(...some)
      serials.push(...some)
    }
    segment.table.push(...serials.map((serial, n) => ({ ...fromClient(n), serial, packetsIn: n })))
    const [one, two] = await Promise.all([engine.flows(), engine.flows()])
    expect(one.map(({ packets }) => packets.in)).toEqual(serials.map((_, n) => n))
    expect(two).toEqual(one)
    const requests = segment.taken.filter((bytes) => bytes[0] === StateReqView.code)
    expect(requests).toHaveLength(3)
    await engine.flows()
    expect(segment.taken.filter((bytes) => bytes[0] === StateReqView.code)).toHaveLength(6)
  })

  test('a session with two flows is one record; a flow that ended meanwhile is none', async () => {
    const { engine, segment, fromClient } = await startFarm(family)
    const first = segment.query(fromClient(0))
    const marked = segment.query({ ...fromClient(0), tos: 8, reason: QueryReason.midSession })
    const ended = segment.query(fromClient(1))
    await segment.repliesTo(first, marked, ended)
    segment.end({ ...fromClient(1), serial: ended, reason: EndReason.fin })
    segment.table.push(
      { ...fromClient(0), serial: first, packetsIn: 3 },
      { ...fromClient(0), serial: marked, packetsIn: 4 },
      { ...fromClient(1), serial: ended, packetsIn: 5 },
    )
    const flows = await engine.flows()
    expect(flows.map(({ packets }) => packets.in)).toEqual([7])
  })

  test('a segment that does not answer is an error, and the next request asks again', async () => {
    fakeTimeouts()
    const { engine, segment } = await startFarm(family)
    segment.answersDumps = false
    const flows = failure(engine.flows())
    await segment.quiet()
    vi.advanceTimersByTime(5000)
    expect((await flows)?.code).toBe('ERR_SLUICE_TIMEOUT')
    segment.answersDumps = true
    expect(await engine.flows()).toEqual([])
  })
})
