/** Clients whose policy needs more of what they say: they are read on, and it is asked again. */
import { describe, expect, test } from 'vitest'
import type { SluiceConfig } from '../../src/config/config.js'
import {
  AppType,
  EndReason,
  QueryReason,
  SsmbFlags,
  XlatMask,
} from '../../src/generated/messages.js'
import type { Logger, NewFlow } from '../../src/index.js'
import { families, startFarm } from '../helpers/farm.js'
import { appQueryMessage, testEpoch } from '../helpers/messages.js'

const bytes = (text: string) => new TextEncoder().encode(text)
const textOf = (flow: NewFlow) => new TextDecoder().decode(flow.data)

interface Said {
  type?: number
  truncated?: boolean
  again?: boolean
  udp?: boolean
  at?: number
}

describe.each(families)('IPv%i', (family) => {
  /** A virtual server whose policy sees what its clients say first, and an APP_QUERY of one of them. */
  async function start(policy: (flow: NewFlow) => unknown, inspect = 'raw', protocol = 'tcp') {
    const warnings: { details: object; message: string }[] = []
    const warn = (details: object, message: string) => void warnings.push({ details, message })
    const logger = { debug() {}, info() {}, error() {}, warn } as Logger
    const site = await startFarm(
      family,
      ({ vip }) =>
        ({
          virtualServers: {
            site: { listen: `${protocol}://${vip}`, inspect, policy, fallback: 'web' },
          },
        }) as unknown as Partial<SluiceConfig>,
      { logger },
    )
    const { segment, engine, fromClient } = site
    const ask = (n: number, text: string, { udp, ...more }: Said & { serial?: number } = {}) => {
      const serial = more.serial ?? segment.nextSerial()
      const reason = udp ? QueryReason.udp : QueryReason.open
      const question = { reason, protocol: udp ? 17 : 6, type: AppType.raw, ...more, serial }
      segment.send(appQueryMessage({ ...fromClient(n), ...question, data: bytes(text) }))
      return serial
    }
    /** What was answered so far: how much was seen where more is wanted, else the node. */
    const answers = async () => {
      await segment.quiet()
      return segment.replies.map(({ flags, offsets, newDestination, mask }) =>
        flags & SsmbFlags.more ? offsets.seqOffset : (newDestination ?? mask),
      )
    }
    const end = (n: number, serial: number) =>
      segment.end({ ...fromClient(n), serial, reason: EndReason.rst })
    return { ...site, ask, answers, end, warnings, decisions: () => engine.status().decisions }
  }

  test.each([
    ['at once', false],
    ['by and by', true],
  ])(
    'HS-12 LB-19 VS-22 a policy that wants more, %s, is asked again with all that has come',
    async (_, isAsync) => {
      const seen: string[] = []
      const byLine = (flow: NewFlow) => {
        seen.push(textOf(flow))
        const route = /^ROUTE (\d)\n/.exec(textOf(flow))
        return route ? { node: farm.node(Number(route[1])) } : { more: true }
      }
      const { ask, answers, farm, engine, end } = await start(
        isAsync ? async (flow) => byLine(flow) : byLine,
      )
      const serial = ask(0, 'R')
      expect(await answers()).toEqual([1])
      ask(0, 'ROUTE', { serial })
      // Another client meanwhile.
      const other = ask(1, 'ROUTE 3\n')
      expect(await answers()).toEqual([1, 5, farm.node(3)])
      ask(0, 'ROUTE 2\nand more', { serial })
      expect(await answers()).toEqual([1, 5, farm.node(3), farm.node(2)])
      expect(seen).toEqual(['R', 'ROUTE', 'ROUTE 3\n', 'ROUTE 2\nand more'])
      expect(engine.status().decisions).toMatchObject({
        assigned: 2,
        policyNonsense: 0,
        pending: 0,
      })
      expect(engine.status().events).toMatchObject({ syn: 2, data: 4, repeated: 0 })
      expect(engine.status().virtualServers[0]?.totalConnections).toBe(2)
      end(0, serial)
      end(1, other)
      expect(await answers()).toHaveLength(4)
      expect(engine.status().virtualServers[0]?.connections).toBe(0)
      expect(engine.status().bus).toEqual({ invalid: 0, stale: 0 })
    },
  )

  test('HS-12 SSMB-09 a question that was repeated is answered as it was, and asks nobody', async () => {
    const asked: { text: string; answer(decision: unknown): void }[] = []
    const { ask, answers, farm } = await start(
      (flow) => new Promise((answer) => void asked.push({ text: textOf(flow), answer })),
    )
    const serial = ask(0, 'RO')
    ask(0, 'RO', { serial })
    expect(await answers()).toEqual([])
    asked[0]?.answer({ more: true })
    expect(await answers()).toEqual([2])
    ask(0, 'RO', { serial })
    expect(await answers()).toEqual([2, 2])
    ask(0, 'ROUTE 2\n', { serial })
    ask(0, 'RO', { serial })
    expect(await answers()).toEqual([2, 2])
    expect(asked.map(({ text }) => text)).toEqual(['RO', 'ROUTE 2\n'])
    asked[1]?.answer({ node: farm.node(2) })
    expect(await answers()).toEqual([2, 2, farm.node(2)])
    ask(0, 'RO', { serial })
    expect(await answers()).toEqual([2, 2, farm.node(2), farm.node(2)])
    expect(asked).toHaveLength(2)
  })

  test('DFS-19 HS-12 with others behind it a client is not asked about that has waited too long', async () => {
    const seen: string[] = []
    const { ask, answers, decisions, engine } = await start((flow) => {
      seen.push(textOf(flow))
      return { more: true }
    })
    const at = (waitedMs: number) => testEpoch + 60_000 - waitedMs
    // The fastest question shows how the clocks differ.
    ask(1000, 'R', { at: at(0) })
    await answers()
    const clients = Array.from({ length: 120 }, (_, n) => n)
    const serials: number[] = []
    for (const n of clients) {
      serials.push(ask(n, 'R', { at: at(0) }))
      await answers()
    }
    expect(decisions().late).toBe(0)
    for (const n of clients) ask(n, 'RO', { serial: serials[n], at: at(300) })
    await answers()
    const { late } = decisions()
    expect(late).toBeGreaterThan(20)
    // What nobody waits behind is asked about however old it is.
    expect(late).toBeLessThan(clients.length)
    const isAsked = (text: string) => seen.filter((one) => one === text).length
    expect(isAsked('RO')).toBe(clients.length - late)
    // One that was passed over is still read on: it is asked about as soon as it asks in time.
    ask(0, 'ROU', { serial: serials[0], at: at(0) })
    expect((await answers()).at(-1)).toBe(3)
    expect(isAsked('ROU')).toBe(1)
    expect(engine.status().events).toMatchObject({ data: 121 + 120 + 1, repeated: 0 })
  })

  test('VS-25 LB-19 where there will be no more the policy decides without, or takes its fallback', async () => {
    const { ask, answers, farm, decisions, warnings } = await start((flow) =>
      flow.data.length === 0 && flow.client.port % 2 === 0
        ? { node: farm.node(3) }
        : { more: true },
    )
    const serials = [ask(0, 'never'), ask(1, 'ends')]
    expect(await answers()).toEqual([5, 4])
    ask(0, '', { serial: serials[0] })
    ask(1, '', { serial: serials[1] })
    expect(await answers()).toEqual([5, 4, farm.node(3), farm.node(1)])
    expect(decisions()).toMatchObject({ assigned: 2, policyNonsense: 1 })
    expect(warnings).toHaveLength(1)
  })

  test('LB-19 a client that leaves while it is read on leaves nothing, and its place to others', async () => {
    const asked: { answer(decision: unknown): void }[] = []
    const { ask, answers, end, farm, engine } = await start((flow) =>
      textOf(flow) === 'slow'
        ? new Promise((answer) => void asked.push({ answer }))
        : textOf(flow).endsWith('\n') || { more: true },
    )
    const left = ask(0, 'slow')
    await answers()
    end(0, left)
    // It has the record of the one that left, whose policy is still at work.
    const serial = ask(1, 'RO')
    expect(await answers()).toEqual([2])
    asked[0]?.answer({ node: farm.node(2) })
    expect(await answers()).toEqual([2])
    end(1, serial)
    expect(await answers()).toEqual([2])
    // From the same port, and the decision is nonsense.
    ask(1, 'RO\n')
    expect(await answers()).toEqual([2, farm.node(1)])
    expect(engine.status().decisions).toMatchObject({ assigned: 1, policyNonsense: 1, pending: 0 })
    expect(engine.status().bus).toEqual({ invalid: 0, stale: 0 })
  })

  test.each<[string, string, string, Said]>([
    ['a request', 'http', 'tcp', { type: AppType.http }],
    ['a hello', 'tls', 'tcp', { type: AppType.tls }],
    ['a datagram', 'raw', 'udp', { type: AppType.datagram, udp: true }],
    ['a decision that could not be carried out', 'raw', 'tcp', { again: true }],
  ])(
    'LB-19 VS-22 of %s there is no more: the flow takes the fallback',
    async (_, inspect, protocol, said) => {
      const { ask, answers, farm, warnings, decisions } = await start(
        async () => ({ more: true }),
        inspect,
        protocol,
      )
      ask(0, 'ROUTE', said)
      ask(1, 'ROUTE', said)
      expect(await answers()).toEqual([farm.node(1), farm.node(2)])
      expect(decisions()).toMatchObject({ assigned: 2, policyNonsense: 2 })
      expect(warnings).toMatchObject([
        {
          details: { code: 'ERR_SLUICE_POLICY', virtualServer: 'site', answer: { more: true } },
          message: expect.stringMatching(/no more to be had.*'raw'.*fallback/),
        },
      ])
    },
  )

  test.each([{ more: false }, { more: 1 }, { more: true, pool: 'web' }, { more: undefined }])(
    'LB-19 %j is no decision',
    async (answer) => {
      const { ask, answers, farm, warnings, decisions } = await start(() => answer)
      ask(0, 'ROUTE')
      expect(await answers()).toEqual([farm.node(1)])
      expect(decisions()).toMatchObject({ assigned: 1, policyNonsense: 1 })
      expect(warnings).toMatchObject([{ message: expect.stringMatching(/no decision/) }])
    },
  )

  test('LB-19 a virtual server that takes no more flows refuses one that is read on', async () => {
    const { ask, answers, engine } = await start(() => ({ more: true }))
    const serial = ask(0, 'RO')
    expect(await answers()).toEqual([2])
    engine.drain()
    ask(0, 'ROUTE', { serial })
    expect(await answers()).toEqual([2, XlatMask.reset])
    expect(engine.status().decisions).toMatchObject({ unavailable: 1 })
  })
})
