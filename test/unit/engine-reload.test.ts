/** Other configurations for an engine that runs. */
import { describe, expect, test } from 'vitest'
import type { SluiceError } from '../../src/errors.js'
import {
  AddVsView,
  CsmbError,
  DeleteVsView,
  EndReason,
  QueryReason,
  SsmbError,
} from '../../src/generated/messages.js'
import type { FakeSegment } from '../helpers/fake-segment.js'
import { farmConfig, startFarm } from '../helpers/farm.js'

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: SluiceError) => error,
  )

interface Announced {
  type: string
  id: number
  port?: number
  drainSecs?: number
}

/** What the segment was told of virtual servers, in order. */
function announced({ taken }: FakeSegment): Announced[] {
  return taken.flatMap<Announced>((message) => {
    const view = new DataView(message.buffer)
    if (message[0] !== 0) return []
    if (message[1] === AddVsView.code) {
      const { vsId, virtPort } = new AddVsView(view)
      return [{ type: 'AddVs', id: vsId, port: virtPort }]
    }
    const { vsId, drainSecs } = new DeleteVsView(view)
    return [{ type: 'DeleteVs', id: vsId, drainSecs }]
  })
}

describe('reload', () => {
  test('LB-12 another policy decides the next flow; live flows keep their node', async () => {
    const { engine, segment, farm, fromClient } = await startFarm(4, undefined, {
      policyRevision: 'a',
    })
    await segment.repliesTo(segment.query(fromClient(0)))
    const { virtualServers, ...rest } = farmConfig(4)
    const site = { listen: `tcp://${farm.vip}`, policy: () => ({ node: farm.node(3) }) }
    await engine.reload({ ...rest, virtualServers: { site } }, { policyRevision: 'b' })
    const next = segment.query(fromClient(1))
    const kept = segment.query({ ...fromClient(0), tos: 8, reason: QueryReason.midSession })
    expect(await segment.repliesTo(next, kept)).toMatchObject([
      { newDestination: farm.node(3) },
      { newDestination: farm.node(1) },
    ])
    expect(engine.status()).toMatchObject({ policyRevision: 'b', virtualServers: [{ pool: null }] })
    expect(segment.running).toBe(true)
  })

  test('LB-12 nodes that stay keep their figures; one that went drains and ends with its sessions', async () => {
    const { engine, segment, farm, fromClient } = await startFarm(4)
    const serials = [0, 1].map((n) => segment.query(fromClient(n)))
    await segment.repliesTo(...serials)
    await engine.reload(
      farmConfig(4, ({ node }) => ({ pools: { web: { nodes: [node(4), node(2)] } } })),
    )
    const nodes = () =>
      engine.status().pools[0].nodes.map((node) => [node.address, node.state, node.connections])
    expect(nodes()).toEqual([
      [farm.node(4), 'up', 0],
      [farm.node(2), 'up', 1],
      [farm.node(1), 'draining', 1],
    ])
    serials.forEach((serial, n) => {
      segment.end({ ...fromClient(n), serial, reason: EndReason.fin })
    })
    await segment.quiet()
    expect(nodes()).toEqual([
      [farm.node(4), 'up', 0],
      [farm.node(2), 'up', 0],
    ])
  })

  test('a virtual server that comes is announced, and decides its flows', async () => {
    const { engine, segment, farm } = await startFarm(4)
    const { virtualServers, ...rest } = farmConfig(4)
    const more = { listen: `tcp://${farm.otherVip}`, policy: () => ({ node: farm.node(3) }) }
    await engine.reload({ ...rest, virtualServers: { ...virtualServers, more } })
    expect(announced(segment).at(-1)).toEqual({ type: 'AddVs', id: 2, port: 81 })
    const serial = segment.query({ source: farm.client(), destination: farm.otherVip, vsId: 2 })
    expect(await segment.repliesTo(serial)).toMatchObject([{ newDestination: farm.node(3) }])
  })

  test('VS-24 one that goes drains: its flows go on, new ones are refused, then it is gone', async () => {
    const { engine, segment, farm, fromClient } = await startFarm(4)
    const live = segment.query(fromClient(0))
    await segment.repliesTo(live)
    const { virtualServers, ...rest } = farmConfig(4)
    const timeouts = { drainMs: 90_000 }
    await engine.reload({ ...rest, timeouts })
    expect(announced(segment).at(-1)).toEqual({ type: 'DeleteVs', id: 1, drainSecs: 90 })
    expect(engine.status().virtualServers).toMatchObject([{ state: 'removed', connections: 1 }])
    const late = segment.query(fromClient(1))
    const kept = segment.query({ ...fromClient(0), tos: 8, reason: QueryReason.midSession })
    expect(await segment.repliesTo(late, kept)).toMatchObject([
      { error: SsmbError.notavail },
      { newDestination: farm.node(1) },
    ])
    for (const serial of [live, kept]) {
      segment.end({ ...fromClient(0), serial, reason: EndReason.vsRemoved })
    }
    await segment.quiet()
    await engine.reload({ ...rest, timeouts })
    expect(engine.status().virtualServers).toEqual([])
  })

  test('VS-24 one that comes back while it drains has its number and its flows again', async () => {
    const { engine, segment, fromClient } = await startFarm(4)
    await segment.repliesTo(segment.query(fromClient(0)))
    const { virtualServers, ...rest } = farmConfig(4)
    await engine.reload(rest)
    await engine.reload({ ...rest, virtualServers })
    expect(announced(segment).map(({ type, id }) => [type, id])).toEqual([
      ['AddVs', 1],
      ['DeleteVs', 1],
      ['AddVs', 1],
    ])
    expect(engine.status().virtualServers).toMatchObject([{ state: 'up', connections: 1 }])
  })

  test('one with another endpoint is another one: the old one goes before the new one comes', async () => {
    const { engine, segment, farm, fromClient } = await startFarm(4)
    await segment.repliesTo(segment.query(fromClient(0)))
    const { virtualServers, ...rest } = farmConfig(4)
    const site = { listen: `tcp://${farm.otherVip}`, pool: 'web' }
    await engine.reload({ ...rest, virtualServers: { site } })
    expect(announced(segment).slice(1)).toMatchObject([
      { type: 'DeleteVs', id: 1 },
      { type: 'AddVs', id: 2, port: 81 },
    ])
    expect(engine.status().virtualServers.map(({ name, state }) => [name, state])).toEqual([
      ['site', 'removed'],
      ['site', 'up'],
    ])
  })

  test('where the segment refuses, everything is as it was', async () => {
    const { engine, segment, farm, fromClient } = await startFarm(4, undefined, {
      policyRevision: 'a',
    })
    await segment.repliesTo(segment.query(fromClient(0)))
    segment.refusals.push(CsmbError.none, CsmbError.badVs)
    const next = {
      pools: { web: { nodes: [farm.node(5)] } },
      virtualServers: { other: { listen: `tcp://${farm.otherVip}`, pool: 'web' } },
    }
    const error = await failure(
      engine.reload({ ...farmConfig(4), ...next }, { policyRevision: 'b' }),
    )
    expect(error).toMatchObject({
      code: 'ERR_SLUICE_VIRTUAL_SERVER',
      message: expect.stringContaining('other (tcp://192.0.2.100:81): badVs'),
    })
    expect(announced(segment).map(({ type, id }) => [type, id])).toEqual([
      ['AddVs', 1],
      ['DeleteVs', 1],
      ['AddVs', 2],
      ['DeleteVs', 2],
      ['AddVs', 1],
    ])
    const serial = segment.query(fromClient(1))
    expect(await segment.repliesTo(serial)).toMatchObject([{ newDestination: farm.node(1) }])
    expect(engine.status()).toMatchObject({
      policyRevision: 'a',
      virtualServers: [
        { name: 'site', state: 'up', connections: 2 },
        { name: 'other', state: 'removed' },
      ],
    })
  })

  test('reloads come one after the other', async () => {
    const { engine } = await startFarm(4, undefined, { policyRevision: 'a' })
    const wrong = failure(engine.reload({ ports: {} }, { policyRevision: 'b' }))
    const right = engine.reload(farmConfig(4), { policyRevision: 'c' })
    expect((await wrong)?.code).toBe('ERR_SLUICE_CONFIG')
    await right
    expect(engine.status().policyRevision).toBe('c')
  })

  test.each([
    [
      'ports.outside',
      {
        ports: {
          outside: { kind: 'tap', address: '192.0.2.2/24' },
          inside: { kind: 'tap', address: '10.1.0.1/24' },
        },
      },
    ],
    ['forward', { forward: false }],
    ['synCookies', { synCookies: 'never' }],
    ['limits.flows', { limits: { flows: 99 } }],
    ['timeouts.udpMs', { timeouts: { udpMs: 9000 } }],
    ['workers', { workers: 2 }],
    ['cpus', { cpus: [0] }],
  ] as const)('a change of %s needs a new engine and changes nothing', async (key, change) => {
    const { engine, segment, farm, fromClient } = await startFarm(4)
    const attempt = () =>
      engine.reload({ ...farmConfig(4), pools: { web: { nodes: [farm.node(5)] } }, ...change })
    const error = await failure(attempt())
    expect(error).toMatchObject({
      code: 'ERR_SLUICE_RESTART',
      message: expect.stringContaining(`these differ too: ${key}.`),
    })
    const serial = segment.query(fromClient())
    expect(await segment.repliesTo(serial)).toMatchObject([{ newDestination: farm.node(1) }])
  })

  test('a wrong configuration leaves the old one in force', async () => {
    const { engine } = await startFarm(4, undefined, { policyRevision: 'a' })
    expect((await failure(engine.reload({ ports: {} })))?.code).toBe('ERR_SLUICE_CONFIG')
    expect(engine.status()).toMatchObject({ ready: true, policyRevision: 'a' })
  })
})
