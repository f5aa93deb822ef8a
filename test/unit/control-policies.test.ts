import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { PoolConfig, VirtualServerConfig } from '../../src/config/config.js'
import { EndReason, QueryReason, XlatMask } from '../../src/generated/messages.js'
import type { Decision } from '../../src/policy/decision.js'
import type { NewFlow, NodeFigures } from '../../src/policy/new-flow.js'
import { type Family, families, startFarm } from '../helpers/farm.js'
import { testEpoch } from '../helpers/messages.js'

/** A policy whose answers the test gives, one for each flow that asked. */
function slowPolicy() {
  const asked: { flow: NewFlow; answer(decision: Decision): void; fail(error: unknown): void }[] =
    []
  const policy = (flow: NewFlow) =>
    new Promise<Decision>((answer, fail) => void asked.push({ flow, answer, fail }))
  return { asked, policy }
}

function recordingLogger() {
  const warnings: { details: object; message: string }[] = []
  const ignore = () => {}
  const warn = (details: object, message: string) => void warnings.push({ details, message })
  return { warnings, logger: { debug: ignore, info: ignore, error: ignore, warn } }
}

function startWith(
  family: Family,
  site: Omit<VirtualServerConfig, 'listen'>,
  {
    logger = recordingLogger().logger,
    waitingFlows = 16,
    pools = {} as Record<string, PoolConfig>,
  } = {},
) {
  return startFarm(
    family,
    ({ vip, otherVip, node }) => ({
      pools: { web: { nodes: [node(1), node(2)] }, api: { nodes: [node(3)] }, ...pools },
      virtualServers: {
        site: { listen: `tcp://${vip}`, ...site },
        plain: { listen: `tcp://${otherVip}`, pool: 'web' },
      },
      limits: { waitingFlows },
    }),
    { logger },
  )
}

function fakeTimers(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
}

describe.each(families)('IPv%i', (family) => {
  test('LB-12 a policy sees the flow, its farm, and its server', async () => {
    const seen: NewFlow[] = []
    const policy = (flow: NewFlow) => {
      seen.push(flow)
      return 'api'
    }
    const { segment, farm, fromClient } = await startWith(family, { policy })
    const serial = segment.query({ ...fromClient(), tos: 0xb8, at: 1_700_000_000_000 })
    expect(await segment.repliesTo(serial)).toMatchObject([{ newDestination: farm.node(3) }])
    const [flow] = seen
    expect(flow.client).toEqual({
      address: family === 4 ? '192.0.2.10' : '2001:db8::10',
      port: 40_000,
      family,
    })
    expect(flow.destination).toMatchObject({ port: 80, family })
    expect([flow.protocol, flow.dscp, flow.virtualServer, flow.openedAt]).toEqual([
      'tcp',
      46,
      'site',
      1_700_000_000_000,
    ])
    expect(Object.keys(flow.pools)).toEqual(['web', 'api'])
    expect(flow.pools.api).toMatchObject({
      connections: 1,
      nodes: [{ name: farm.node(3), index: 0 }],
    })
  })

  test.each([
    ['the name of a pool', () => 'api', 3],
    ['a pool', () => ({ pool: 'api' }), 3],
    ['a node', (node: (n: number) => string) => ({ node: node(2) }), 2],
  ])('CS-01 a policy may answer with %s', async (_name, decision, expected) => {
    const { segment, farm, fromClient } = await startFarm(family, ({ vip, node }) => ({
      pools: { web: { nodes: [node(1), node(2)] }, api: { nodes: [node(3)] } },
      virtualServers: { site: { listen: `tcp://${vip}`, policy: () => decision(node) } },
    }))
    const serial = segment.query(fromClient())
    expect(await segment.repliesTo(serial)).toMatchObject([{ newDestination: farm.node(expected) }])
  })

  test('SSMB-08 SSMB-09 flows that wait for a policy hold up no others, and come in any order', async () => {
    const { asked, policy } = slowPolicy()
    const { engine, segment, farm, fromClient } = await startWith(family, { policy })
    const slow = [0, 1, 2].map((n) => segment.query(fromClient(n)))
    const plain = segment.query({ source: farm.client(9), destination: farm.otherVip, vsId: 2 })
    await segment.repliesTo(plain)
    expect(segment.replies).toHaveLength(1)
    expect(engine.status().decisions.pending).toBe(3)

    asked[2].answer('api')
    asked[0].answer('web')
    await segment.repliesTo(slow[2], slow[0])
    asked[1].answer({ reject: 'reset' })
    await segment.repliesTo(slow[1])
    expect(segment.replies.map(({ serial }) => serial)).toEqual([plain, slow[2], slow[0], slow[1]])
    expect(engine.status().decisions).toMatchObject({ pending: 0, assigned: 3, rejected: 1 })
  })

  test('SSMB-07 a QUERY repeated while the policy thinks asks it nothing and is answered once', async () => {
    const { asked, policy } = slowPolicy()
    const { engine, segment, farm, fromClient } = await startWith(family, { policy })
    const first = segment.query(fromClient())
    segment.query({ ...fromClient(), serial: first })
    // The wait was given up, and the client's next SYN asks under another serial.
    const second = segment.query(fromClient())
    await segment.quiet()
    expect(asked).toHaveLength(1)
    asked[0].answer('web')
    await segment.repliesTo(second)
    expect(segment.replies).toHaveLength(1)
    expect(segment.replies[0]).toMatchObject({ newDestination: farm.node(1) })
    expect(engine.status().decisions).toMatchObject({ assigned: 1, resumed: 0 })
  })

  test('a flow that ends while the policy thinks is not answered and not counted', async () => {
    const { asked, policy } = slowPolicy()
    const { engine, segment, farm, fromClient } = await startWith(family, { policy })
    const serial = segment.query(fromClient())
    segment.end({ ...fromClient(), serial, reason: EndReason.rst })
    await segment.quiet()
    asked[0].answer('web')
    await segment.repliesTo(
      segment.query({ source: farm.client(9), destination: farm.otherVip, vsId: 2 }),
    )
    expect(segment.replies).toHaveLength(1)
    expect(engine.status().virtualServers[0].totalConnections).toBe(0)
  })

  test('DFS-03 two flows of one session wait for one decision', async () => {
    const { asked, policy } = slowPolicy()
    const { segment, farm, fromClient } = await startWith(family, { policy })
    const first = segment.query(fromClient())
    const second = segment.query({ ...fromClient(), tos: 8, reason: QueryReason.midSession })
    await segment.quiet()
    asked[0].answer('api')
    const replies = await segment.repliesTo(first, second)
    expect(asked).toHaveLength(1)
    expect(replies.map(({ newDestination }) => newDestination)).toEqual([
      farm.node(3),
      farm.node(3),
    ])
  })

  const failures: [string, () => unknown, string][] = [
    [
      'throws',
      () => {
        throw new Error('broken')
      },
      'policyErrors',
    ],
    [
      'rejects',
      async () => {
        throw new Error('broken')
      },
      'policyErrors',
    ],
    ['answers nothing', () => undefined, 'policyNonsense'],
    ['answers a number', async () => 7, 'policyNonsense'],
    ['names no pool', () => 'nowhere', 'policyNonsense'],
    ['names a property of every object', () => 'constructor', 'policyNonsense'],
    ['names no node', () => ({ node: '203.0.113.1:80' }), 'policyNonsense'],
    ['answers twice', () => ({ pool: 'web', reject: 'reset' }), 'policyNonsense'],
    ['refuses in its own words', () => ({ reject: 'please' }), 'policyNonsense'],
  ]
  test.each(failures)(
    'CS-01 a policy that %s costs its own flow the fallback',
    async (_name, policy, counter) => {
      const { warnings, logger } = recordingLogger()
      const { engine, segment, farm, fromClient } = await startWith(
        family,
        { policy: policy as () => string },
        { logger },
      )
      const failed = [0, 1].map((n) => segment.query(fromClient(n)))
      const plain = segment.query({ source: farm.client(9), destination: farm.otherVip, vsId: 2 })
      const replies = await segment.repliesTo(...failed, plain)
      expect(replies.map(({ mask }) => mask).slice(0, 2)).toEqual([XlatMask.reset, XlatMask.reset])
      expect(replies[2].newDestination).toBe(farm.node(1))
      expect(engine.status().decisions).toMatchObject({ [counter]: 2, rejected: 2 })
      expect(warnings).toHaveLength(1)
      expect(warnings[0].details).toMatchObject({ virtualServer: 'site' })
    },
  )

  test('a policy that is late costs its own flow the fallback; its answer comes too late', async () => {
    fakeTimers()
    const { asked, policy } = slowPolicy()
    const { engine, segment, farm, fromClient } = await startWith(family, {
      policy,
      policyTimeoutMs: 100,
      fallback: 'api',
    })
    const serial = segment.query(fromClient())
    await segment.quiet()
    vi.advanceTimersByTime(99)
    expect(engine.status().decisions.pending).toBe(1)
    vi.advanceTimersByTime(1)
    expect(await segment.repliesTo(serial)).toMatchObject([{ newDestination: farm.node(3) }])
    asked[0].answer('web')
    await segment.quiet()
    expect(segment.replies).toHaveLength(1)
    expect(engine.status().decisions).toMatchObject({ policyTimeouts: 1, pending: 0, assigned: 1 })
  })

  test('LB-12 a flow stays what it is while a promise waits with it, and so does a copy', async () => {
    const { asked, policy } = slowPolicy()
    const copies: NewFlow[] = []
    const { segment, farm, fromClient } = await startWith(family, {
      policy: (flow) => {
        copies.push(flow.copy())
        return flow.client.port % 2 === 0 ? policy(flow) : 'web'
      },
    })
    const serials = [0, 1, 2, 3].map((n) => segment.query(fromClient(n)))
    await segment.repliesTo(serials[1], serials[3])
    const text = ({ client, destination, virtualServer, protocol, openedAt }: NewFlow) =>
      [client.port, destination.port, virtualServer, protocol, openedAt].join(' ')
    const shown = (n: number) => `${40_000 + n} 80 site tcp ${testEpoch}`
    expect(copies.map(text)).toEqual([0, 1, 2, 3].map(shown))
    expect(asked.map(({ flow }) => text(flow))).toEqual([0, 2].map(shown))
    for (const { answer } of asked) answer('api')
    const replies = await segment.repliesTo(serials[0], serials[2])
    expect(replies.map(({ newDestination }) => newDestination)).toEqual(Array(2).fill(farm.node(3)))
  })

  test('policies at work are bounded: what is beyond takes the fallback', async () => {
    const { asked, policy } = slowPolicy()
    const { engine, segment, fromClient } = await startWith(
      family,
      { policy, fallback: { reject: 'drop' } },
      { waitingFlows: 2 },
    )
    const serials = [0, 1, 2].map((n) => segment.query(fromClient(n)))
    expect(await segment.repliesTo(serials[2])).toMatchObject([{ mask: XlatMask.drop }])
    expect(asked).toHaveLength(2)
    expect(engine.status().decisions).toMatchObject({ pending: 2, policyOverload: 1 })
  })

  test('LB-07 a balance function that throws, or answers no node, costs its own flow a reset', async () => {
    const answers = [
      () => {
        throw new Error('broken')
      },
      () => ({ index: 0 }),
      () => undefined,
    ]
    const { engine, segment, fromClient } = await startWith(
      family,
      { pool: 'odd' },
      {
        pools: {
          odd: {
            nodes: [family === 4 ? '10.1.0.19:80' : '[2001:db8:1::19]:80'],
            balance: () => answers.shift()?.() as never,
          },
        },
      },
    )
    const serials = [0, 1, 2].map((n) => segment.query(fromClient(n)))
    const replies = await segment.repliesTo(...serials)
    expect(replies.map(({ mask }) => mask)).toEqual(Array(3).fill(XlatMask.reset))
    expect(engine.status().decisions).toMatchObject({ policyErrors: 1, policyNonsense: 2 })
  })
})

describe('LB-13 a function that meddles with what it is given fails alone', () => {
  const attempts: [string, (nodes: readonly NodeFigures[]) => unknown][] = [
    ['sorts the list', (nodes) => (nodes as NodeFigures[]).sort(() => -1)[0]],
    ['empties it', (nodes) => (nodes as NodeFigures[]).splice(0)],
    ['sets a figure', (nodes) => Object.assign(nodes[0], { connections: -9 })],
    ['renames a node', (nodes) => Object.assign(nodes[0], { name: 'mine' })],
  ]
  test.each(attempts)('%s', async (_, meddle) => {
    const turns = [
      (nodes: readonly NodeFigures[]) => meddle(nodes) as NodeFigures,
      ...[2, 1, 0].map((place) => (nodes: readonly NodeFigures[]) => nodes[place]),
    ]
    const { segment, farm, fromClient, engine } = await startFarm(4, ({ vip, node }) => ({
      pools: {
        odd: {
          nodes: [node(1), node(2), node(3)],
          balance: (_flow, nodes) => turns.shift()?.(nodes) as NodeFigures,
        },
      },
      virtualServers: { site: { listen: `tcp://${vip}`, pool: 'odd' } },
    }))
    const serials = [0, 1, 2, 3].map((n) => segment.query(fromClient(n)))
    const [first, ...others] = await segment.repliesTo(...serials)
    expect(first?.mask).toBe(XlatMask.reset)
    expect(others.map(({ newDestination }) => newDestination)).toEqual(
      [3, 2, 1].map((place) => farm.node(place)),
    )
    expect(engine.status().decisions).toMatchObject({ policyErrors: 1, policyNonsense: 0 })
  })

  test('a policy may sort a copy of the figures, and set no pool of its own', async () => {
    const policy = ({ pools }: NewFlow) => {
      expect(() => Object.assign(pools.web, { nodes: [] })).toThrow(TypeError)
      return { node: [...pools.web.nodes].sort((a, b) => b.index - a.index)[0].name }
    }
    const { segment, farm, fromClient } = await startWith(4, { policy })
    const [reply] = await segment.repliesTo(segment.query(fromClient()))
    expect(reply).toMatchObject({ newDestination: farm.node(2) })
  })
})

test('a node of another IP family is no decision', async () => {
  const { segment, fromClient, engine } = await startFarm(4, ({ vip, node, ports }) => ({
    ports: { ...ports, six: { kind: 'tap', address: '2001:db8:1::1/64' } },
    pools: { web: { nodes: [node(1)] }, six: { nodes: ['[2001:db8:1::11]:80'] } },
    virtualServers: { site: { listen: `tcp://${vip}`, policy: () => 'six' } },
  }))
  const serial = segment.query(fromClient())
  expect(await segment.repliesTo(serial)).toMatchObject([{ mask: XlatMask.reset }])
  expect(engine.status().decisions.policyNonsense).toBe(1)
})
