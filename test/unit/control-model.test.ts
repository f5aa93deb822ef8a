/**
 * The ledger against a model: random lives of a few clients, each asked, counted, evicted and ended
 * as a data flow segment would, under several DSCPs. Whatever the order, connections are the
 * sessions that live, and traffic is the sum of what the flows had.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Engine } from '../../src/engine.js'
import { EndReason, QueryReason } from '../../src/generated/messages.js'
import { FakeSegment } from '../helpers/fake-segment.js'
import { families, farmConfig, farmEndpoints } from '../helpers/farm.js'
import { statsMessage } from '../helpers/messages.js'

interface ModelSession {
  sequence: number
  /** Flows of the data flow segment by TOS, with their bytes so far. */
  flows: Map<number, { serial: number; bytes: number }>
}

type Step =
  | { kind: 'syn'; client: number; tos: number; sequence: number }
  | { kind: 'segment' | 'end' | 'evict'; client: number; tos: number }

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom('syn', 'segment', 'segment', 'end', 'evict'),
  client: fc.nat(2),
  tos: fc.constantFrom(0, 8, 40),
  sequence: fc.integer({ min: 1, max: 3 }),
}) as fc.Arbitrary<Step>

interface Found {
  session: ModelSession
  flow: { serial: number; bytes: number }
}

class Model {
  /** The session that a client has now; it may be without flows, if they were evicted. */
  readonly current = new Map<number, ModelSession>()
  /** Sessions that the client replaced, of which flows live on. */
  readonly replaced: { client: number; session: ModelSession }[] = []
  bytes = 0

  constructor(
    private readonly segment: FakeSegment,
    private readonly fromClient: (n: number) => {
      source: string
      destination: string
      vsId: number
    },
  ) {}

  apply(step: Step): void {
    const flow = this.#flowOf(step)
    if (step.kind === 'syn' && !flow) this.#syn(step.client, step.tos, step.sequence)
    if (step.kind === 'segment') this.#packet(step.client, step.tos, flow?.flow)
    if (step.kind === 'end' && flow) this.#end(step, flow)
    if (step.kind === 'evict' && flow) this.#evict(step, flow)
    this.#dropEmpty()
  }

  get sessions(): number {
    return this.current.size + this.replaced.length
  }

  /** What the data flow segment's table has for a client and TOS. */
  #flowOf({ client, tos }: Step): Found | undefined {
    const own = this.current.get(client)
    const old = this.replaced
      .filter((entry) => entry.client === client)
      .map(({ session }) => session)
    for (const session of own ? [own, ...old] : old) {
      const flow = session.flows.get(tos)
      if (flow) return { session, flow }
    }
    return undefined
  }

  #syn(client: number, tos: number, sequence: number): void {
    const serial = this.segment.query({ ...this.fromClient(client), tos, sequence })
    const session = this.current.get(client)
    if (session?.sequence === sequence) {
      session.flows.set(tos, { serial, bytes: 0 })
      return
    }
    if (session && session.flows.size > 0) this.replaced.push({ client, session })
    this.current.set(client, { sequence, flows: new Map([[tos, { serial, bytes: 0 }]]) })
  }

  #packet(client: number, tos: number, flow: { serial: number; bytes: number } | undefined): void {
    if (flow) {
      flow.bytes += 100
      this.bytes += 100
      this.segment.send(statsMessage({ ...this.fromClient(client), ...flow, bytesIn: flow.bytes }))
      return
    }
    const query = { ...this.fromClient(client), tos, reason: QueryReason.midSession }
    const serial = this.segment.query(query)
    this.current.get(client)?.flows.set(tos, { serial, bytes: 0 })
  }

  #end({ client, tos }: Step, { session, flow }: Found): void {
    this.bytes += 7
    const counts = { serial: flow.serial, bytesIn: flow.bytes + 7 }
    this.segment.end({ ...this.fromClient(client), ...counts, reason: EndReason.fin })
    session.flows.delete(tos)
    if (session.flows.size === 0 && this.current.get(client) === session)
      this.current.delete(client)
  }

  #evict({ client, tos }: Step, { session, flow }: Found): void {
    const counts = { serial: flow.serial, bytesIn: flow.bytes }
    this.segment.end({ ...this.fromClient(client), ...counts, reason: EndReason.overflow })
    session.flows.delete(tos)
  }

  #dropEmpty(): void {
    const left = this.replaced.filter(({ session }) => session.flows.size > 0)
    this.replaced.splice(0, this.replaced.length, ...left)
  }
}

test.each(families)(
  'CS-04 STAT-04 STAT-06 the ledger agrees with its model, IPv%i',
  async (family) => {
    const farm = farmEndpoints(family)
    const fromClient = (n: number) => ({ source: farm.client(n), destination: farm.vip, vsId: 1 })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const segment = new FakeSegment()
        await using engine = await Engine.start(farmConfig(family), { segment })
        const model = new Model(segment, fromClient)
        for (const each of steps) model.apply(each)
        await segment.quiet()
        const { pools, virtualServers, bus } = engine.status()
        expect(pools[0].connections).toBe(model.sessions)
        expect(virtualServers[0].connections).toBe(model.sessions)
        expect(virtualServers[0].bytes.in).toBe(model.bytes)
        expect(pools[0].bytes.in).toBe(model.bytes)
        expect(bus).toEqual({ invalid: 0, stale: 0 })
      }),
      { numRuns: 500 },
    )
  },
)
