/** Which nodes get new flows: their states, limits and weights, and what stands in for them. */
import { describe, expect, test } from 'vitest'
import { EndReason, SsmbError, XlatMask } from '../../src/generated/messages.js'
import { families } from '../helpers/farm.js'
import { statsMessage } from '../helpers/messages.js'
import type { VirtualClock } from '../helpers/virtual-clock.js'
import { startControl, web } from '../helpers/virtual-control.js'

describe.each(families)('IPv%i', (family) => {
  test('LB-09 weights of the configuration decide', async () => {
    const { next } = await startControl(family, web({}, [{ weight: 1 }, { weight: 4 }]))
    const places = await next(100)
    expect(places.filter((place) => place === 1)).toHaveLength(20)
  })

  test('LB-08 a node at its limit gets none until one of its flows has ended', async () => {
    const { next, segment, ask, control, placeOf } = await startControl(
      family,
      web({}, [{ connectionLimit: 1 }, { connectionLimit: 2 }]),
    )
    const first = ask()
    expect((await segment.repliesTo(first.serial)).map(placeOf)).toEqual([1])
    expect(await next(4)).toEqual([2, 2, 'reset', 'reset'])
    expect(control.decisions).toMatchObject({ assigned: 3, unavailable: 2, rejected: 0 })
    expect(control.pools.report()[0]).toMatchObject({ available: 0, refused: 2 })
    segment.end({ ...first, reason: EndReason.fin })
    expect(await next(2)).toEqual([1, 'reset'])
  })

  test('LB-08 limits hold also where policies that wait decide at once', async () => {
    const answers: ((pool: string) => void)[] = []
    const policy = () => new Promise<string>((resolve) => answers.push(resolve))
    const { segment, ask, placeOf } = await startControl(family, ({ vip, node }) => ({
      pools: { web: { nodes: [{ address: node(1), connectionLimit: 2 }] } },
      virtualServers: { site: { listen: `tcp://${vip}`, policy } },
    }))
    const serials = [0, 1, 2, 3].map(() => ask().serial)
    await segment.quiet()
    for (const answer of answers) answer('web')
    const places = (await segment.repliesTo(...serials)).map(placeOf)
    expect(places).toEqual([1, 1, 'reset', 'reset'])
  })

  test('LB-20 SSMB-34 the 11th flow of a server with a limit of 10 gets CONNLIMIT; one closes, the next is served', async () => {
    const { segment, ask, next, control } = await startControl(family, ({ vip }) => ({
      virtualServers: { site: { listen: `tcp://${vip}`, pool: 'web', connectionLimit: 10 } },
    }))
    const first = ask()
    await next(9)
    const eleventh = ask()
    expect(await segment.repliesTo(eleventh.serial)).toMatchObject([
      { error: SsmbError.connlimit, mask: XlatMask.reset, vsId: 1 },
    ])
    expect(control.decisions).toMatchObject({ assigned: 10, limited: 1, rejected: 0 })
    segment.end({ ...first, reason: EndReason.fin })
    expect(await next(2)).toEqual([1 + (10 % 3), 'reset'])
  })

  test('LB-10 all nodes down: the fallback pools in turn, then refused with NOTAVAIL and counted', async () => {
    const { control, segment, ask, next, farm } = await startControl(family, ({ node }) => ({
      pools: {
        web: { nodes: [node(1), node(2)], fallback: 'spare' },
        spare: { nodes: [node(3)], fallback: 'last' },
        last: { nodes: [node(4)] },
      },
    }))
    const { pools } = control
    pools.get('web')?.drain(farm.node(1))
    expect(await next(2)).toEqual([2, 2])
    pools.get('web')?.maintain(farm.node(2))
    expect(await next(2)).toEqual([3, 3])
    pools.get('spare')?.drain(farm.node(3))
    expect(await next(2)).toEqual([4, 4])
    pools.get('last')?.drain(farm.node(4))
    expect(await segment.repliesTo(ask().serial)).toMatchObject([
      { error: SsmbError.notavail, mask: XlatMask.reset },
    ])
    expect(control.decisions).toMatchObject({ assigned: 6, unavailable: 1 })
    expect(pools.report().map(({ refused }) => refused)).toEqual([1, 0, 0])
    pools.get('web')?.activate(farm.node(2))
    expect(await next(1)).toEqual([2])
  })

  test('LB-11 a policy names a node that is down: another of its pool answers', async () => {
    const { control, next, farm } = await startControl(family, ({ vip, node }) => ({
      virtualServers: { site: { listen: `tcp://${vip}`, policy: () => ({ node: node(2) }) } },
    }))
    expect(await next(2)).toEqual([2, 2])
    control.pools.get('web')?.drain(farm.node(2))
    expect(await next(2)).toEqual([1, 3])
  })

  test('LB-10 LB-12 checks take a node out and bring it back, with its reason in the log', async () => {
    const sick = new Set<string>()
    const check = {
      kind: 'function',
      run: (node: { name: string }) => !sick.has(node.name),
    } as const
    const { clock, next, states, farm, logged, control } = await startControl(
      family,
      web({ check }),
    )
    await clock.advance(5000)
    sick.add(farm.node(2))
    await clock.advance(3000)
    expect(states()).toEqual(['up', 'up', 'up'])
    await clock.advance(4500)
    expect(states()).toEqual(['up', 'down', 'up'])
    expect(await next(6)).not.toContain(2)
    expect(control.pools.report()[0].nodes[1].reason).toBe('the check says so')
    sick.clear()
    await clock.advance(6000)
    expect(states()).toEqual(['up', 'up', 'up'])
    expect(await next(6)).toContain(2)
    expect(logged).toMatchObject([
      { pool: 'web', node: farm.node(2), before: 'up', state: 'down', reason: 'the check says so' },
      { pool: 'web', node: farm.node(2), before: 'down', state: 'up' },
    ])
  })

  test('LB-08 checks measure: the slow node gets a smaller share', async () => {
    const clocks: VirtualClock[] = []
    const run = ({ name }: { name: string }) =>
      new Promise<void>((resolve) => {
        clocks[0].after(name === farm.node(1) ? 210 : 10, resolve)
      })
    const check = { kind: 'function', run } as const
    const control = await startControl(family, web({ check, balance: 'fastest' }))
    const { clock, next, farm } = control
    clocks.push(clock)
    await clock.advance(10_000)
    const places = await next(430)
    const share = places.filter((place) => place === 1).length
    expect(share).toBeGreaterThan(0)
    expect(share).toBeLessThan(20)
  })
})

describe('modes', () => {
  test('LB-10 a node that drains keeps its flows, and is idle when the last has ended', async () => {
    const { control, segment, ask, next, farm } = await startControl(4, web())
    const flows = [ask(), ask(), ask(), ask()]
    await segment.repliesTo(...flows.map(({ serial }) => serial))
    const node = control.pools.get('web')?.drain(farm.node(1))
    const ended: string[] = []
    const idle = node?.idle().then(() => ended.push('idle'))
    await expect(node?.idle(AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough')
    const impatient = new AbortController()
    const given = node?.idle(impatient.signal)
    impatient.abort(new Error('too long'))
    await expect(given).rejects.toThrow('too long')
    expect(await next(2)).toEqual([2, 3])
    segment.end({ ...flows[0], reason: EndReason.fin })
    await segment.quiet()
    expect([node?.connections, ended]).toEqual([1, []])
    segment.end({ ...flows[3], reason: EndReason.fin })
    await idle
    expect(node?.connections).toBe(0)
    await node?.idle()
  })

  test('a node that the pool does not have is an error that names those that it has', async () => {
    const { control } = await startControl(4, web())
    expect(() => control.pools.get('web')?.drain('10.9.9.9:80')).toThrow(
      expect.objectContaining({
        code: 'ERR_SLUICE_NODE',
        remedy: expect.stringContaining('10.1.0.11'),
      }),
    )
  })

  test('LB-10 a node in maintenance is not checked, and comes back when a check has passed', async () => {
    let asked = 0
    const check = { kind: 'function', run: () => asked++ >= 0, intervalMs: 1000 } as const
    const { control, clock, states, farm } = await startControl(4, web({ check }, [{}]))
    await clock.advance(3000)
    control.pools.get('web')?.maintain(farm.node(1))
    const before = asked
    await clock.advance(10_000)
    expect(asked).toBe(before)
    control.pools.get('web')?.activate(farm.node(1))
    expect(states()).toEqual(['down'])
    await clock.advance(1200)
    expect([states(), asked > before]).toEqual([['up'], true])
  })

  test('LB-10 what checks say of a node that drains counts when it is activated', async () => {
    const check = { kind: 'function', run: () => false } as const
    const { control, clock, states, farm } = await startControl(4, web({ check }, [{}]))
    control.pools.get('web')?.drain(farm.node(1))
    await clock.advance(3000)
    expect(states()).toEqual(['draining'])
    control.pools.get('web')?.activate(farm.node(1))
    expect(states()).toEqual(['down'])
  })

  test('LB-08 slow start: the weight of a node that comes back grows evenly', async () => {
    const { control, clock, next, farm } = await startControl(
      4,
      web({ slowStartMs: 10_000 }, [{ weight: 10 }, { weight: 10 }]),
    )
    const weight = () => control.pools.get('web')?.nodes[0].weight
    expect(weight()).toBe(10)
    control.pools.get('web')?.drain(farm.node(1))
    control.pools.get('web')?.activate(farm.node(1))
    expect(weight()).toBeCloseTo(0.1)
    await clock.advance(2500)
    expect(weight()).toBeCloseTo(2.5)
    const places = await next(500)
    expect(places.filter((place) => place === 1)).toHaveLength(100)
    await clock.advance(7500)
    expect(weight()).toBe(10)
  })

  test('LB-08 a node that joins a running pool starts slowly, too; those at work do not', async () => {
    const { control, clock, reload } = await startControl(4, web({ slowStartMs: 1000 }, [{}]))
    reload(web({ slowStartMs: 1000 }, [{}, {}]))
    const weights = () => control.pools.get('web')?.nodes.map(({ weight }) => weight)
    expect(weights()).toEqual([1, 0.01])
    await clock.advance(1000)
    expect(weights()).toEqual([1, 1])
  })
})

describe('reload', () => {
  test('LB-12 nodes that stay keep state, mode and checks; removed ones drain, and may come back', async () => {
    const sick = new Set<string>()
    const check = {
      kind: 'function',
      run: (node: { name: string }) => !sick.has(node.name),
    } as const
    const started = await startControl(4, web({ check }))
    const { control, clock, farm, segment, ask, next, reload, placeOf } = started
    sick.add(farm.node(2))
    const kept = ask()
    expect((await segment.repliesTo(kept.serial)).map(placeOf)).toEqual([1])
    await clock.advance(3000)
    control.pools.get('web')?.drain(farm.node(3))
    const report = () =>
      control.pools
        .report()
        .flatMap(({ name, nodes }) => nodes.map((node) => [name, node.address, node.state]))

    reload(({ node }) => ({
      pools: { web: { nodes: [node(4), node(3), node(2)], check, balance: 'least-connections' } },
    }))
    expect(report()).toEqual([
      ['web', farm.node(4), 'up'],
      ['web', farm.node(3), 'draining'],
      ['web', farm.node(2), 'down'],
      ['web', farm.node(1), 'draining'],
    ])
    expect(await next(2)).toEqual([4, 4])

    reload(web({ check }))
    expect(report()).toEqual([
      ['web', farm.node(1), 'up'],
      ['web', farm.node(2), 'down'],
      ['web', farm.node(3), 'draining'],
      ['web', farm.node(4), 'draining'],
    ])
    expect(control.pools.get('web')?.nodes[0].connections).toBe(1)
    sick.clear()
    await clock.advance(5000)
    expect(control.pools.get('web')?.nodes[1].state).toBe('up')
  })

  test('LB-12 a pool that is removed is shown while it has flows; a check that is removed frees its nodes', async () => {
    const check = { kind: 'function', run: () => false } as const
    const { control, clock, reload, ask, segment, states } = await startControl(4, web({ check }))
    await clock.advance(3000)
    expect(states()).toEqual(['down', 'down', 'down'])
    reload(web())
    expect(states()).toEqual(['up', 'up', 'up'])
    const flow = ask()
    await segment.repliesTo(flow.serial)
    reload(({ vip, node }) => ({
      pools: { other: { nodes: [node(4)] } },
      virtualServers: { site: { listen: `tcp://${vip}`, pool: 'other' } },
    }))
    expect(control.pools.report()).toMatchObject([
      { name: 'other', balance: 'round-robin' },
      { name: 'web', balance: 'removed', connections: 1, nodes: [{ state: 'draining' }] },
    ])
    segment.end({ ...flow, reason: EndReason.fin })
    await segment.quiet()
    expect(control.pools.report()).toHaveLength(1)
  })
})

test('LB-13 LB-14 STAT-05 a function sees the activity of each node, a policy that of its flows', async () => {
  const seen: unknown[] = []
  const { segment, clock, farm } = await startControl(4, ({ node }) => ({
    pools: {
      web: {
        nodes: [node(1), node(2)],
        balance: (flow, nodes, { last }) => {
          seen.push(
            nodes.map((one) => [
              one.recentBytes,
              one.lastOpenedAt,
              one.lastActiveAt,
              flow.activity.busiest(1, one).map(({ client, node: of }) => [client.port, of]),
              flow.activity.quietest(9, one).map(({ openedAt }) => openedAt),
            ]),
          )
          return nodes[(last + 1) % nodes.length]
        },
      },
    },
  }))
  const epoch = clock.now()
  const open = async (n: number, at: number) => {
    const fields = { source: farm.client(n), destination: farm.vip, vsId: 1 }
    const serial = segment.query({ ...fields, at })
    await segment.repliesTo(serial)
    return { ...fields, serial }
  }
  await open(0, epoch + 1000)
  const second = await open(1, epoch + 2000)
  const traffic = { bytesIn: 300, bytesOut: 700, lastAt: epoch + 5000 }
  segment.send(statsMessage({ ...second, ...traffic }))
  seen.splice(0)
  await open(2, epoch + 6000)
  expect(seen).toEqual([
    [
      [0, epoch + 1000, 0, [[40_000, farm.node(1)]], [epoch + 1000]],
      [1000, epoch + 2000, epoch + 5000, [[40_001, farm.node(2)]], [epoch + 2000]],
    ],
  ])
})
