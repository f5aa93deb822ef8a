import { beforeEach, expect, test } from 'vitest'
import { resolveConfig } from '../../src/config/resolve.js'
import { FlowLedger } from '../../src/control/flow-ledger.js'
import { FlowFlags, type FlowId, noFlow, SessionState } from '../../src/control/flow-table.js'
import { Pools } from '../../src/control/pools.js'
import { Question } from '../../src/control/question.js'
import {
  destinationOf,
  readSignature,
  reverse,
  signatureWords,
  sourceOf,
} from '../../src/control/signature.js'
import { SourceAddresses } from '../../src/control/source-addresses.js'
import { QueryView } from '../../src/generated/messages.js'
import { type Family, families, farmConfig, farmEndpoints } from '../helpers/farm.js'
import { queryMessage } from '../helpers/messages.js'

let now: number

beforeEach(() => {
  now = 1_000_000
})

/** A ledger that keeps two dormant sessions, and a way to open sessions on the first node. */
function ledgerOf(family: Family) {
  const farm = farmEndpoints(family)
  const sources = new SourceAddresses({ workers: 1, homesOf: () => {}, now: () => now })
  const ledger = new FlowLedger(2, () => now, sources)
  const node = new Pools(resolveConfig(farmConfig(family)).pools).get('web')?.nodes[0]
  const ask = (n: number, tos = 0): Question => {
    const fields = { serial: n, source: farm.client(n % 1000), destination: farm.vip, tos }
    const asked = new Question().readQuery(new QueryView(new DataView(queryMessage(fields).buffer)))
    return Object.assign(asked, { openedAt: now })
  }
  const open = (n: number): FlowId => {
    const session = ledger.open(ask(n), null)
    ledger.assign(session, node ?? null)
    return session
  }
  const state = (session: FlowId) => ledger.view().at(session).state
  return { ledger, ask, open, state, node }
}

test.each(families)(
  'FLOWLIFE-16 a dormant session is given up when its time is over, IPv%i',
  (family) => {
    const { ledger, open, state, node } = ledgerOf(family)
    const flow = open(1)
    ledger.evictFlow(flow, 5000, true)
    now += 4999
    ledger.sweep()
    expect([ledger.size, state(flow), node?.connections]).toEqual([1, SessionState.dormant, 1])
    now += 1
    ledger.sweep()
    expect([ledger.size, state(flow), node?.connections]).toEqual([0, SessionState.free, 0])
  },
)

test.each(families)('dormant sessions are bounded: the oldest makes room, IPv%i', (family) => {
  const { ledger, open, state, node } = ledgerOf(family)
  const flows = [1, 2, 3].map(open)
  for (const flow of flows) ledger.evictFlow(flow, 60_000, true)
  const { free, dormant } = SessionState
  expect(flows.map(state)).toEqual([free, dormant, dormant])
  expect([ledger.size, node?.connections]).toEqual([2, 2])
})

test.each(families)('what a flood can make pushes out no dormant connection, IPv%i', (family) => {
  const { ledger, open, state } = ledgerOf(family)
  const connection = open(1)
  ledger.evictFlow(connection, 60_000, true)
  const { free, dormant } = SessionState
  const others = [2, 3, 4].map(open)
  for (const flow of others) ledger.evictFlow(flow, 60_000, false)
  expect([connection, ...others].map(state)).toEqual([dormant, free, free, dormant])
  const next = [5, 6].map(open)
  for (const flow of next) ledger.evictFlow(flow, 60_000, true)
  expect([connection, ...next].map(state)).toEqual([free, dormant, dormant])
})

test.each(families)(
  'a session is found by its serial and its signature until it ends, IPv%i',
  (family) => {
    const { ledger, ask, open } = ledgerOf(family)
    const flow = open(1)
    expect(ledger.flow(1)).toBe(flow)
    expect(ledger.session(ask(1).signature)).toBe(flow)
    ledger.endFlow(flow)
    const found = [ledger.flow(1), ledger.session(ask(1).signature), ledger.size]
    expect(found).toEqual([noFlow, noFlow, 0])
  },
)

test.each(families)(
  'DFS-03 FLOWLIFE-16 what begins in the record of a session has its own totals, IPv%i',
  (family) => {
    const { ledger, ask, open } = ledgerOf(family)
    const session = open(1)
    const other = ledger.join(session, ask(1001, 8))
    expect(other).not.toBe(session)
    ledger.endFlow(session)
    expect(ledger.view().at(session).has(FlowFlags.live)).toBe(false)
    // The session goes on with its other flow, and its own record is free for the next.
    expect(ledger.join(session, ask(2001))).toBe(session)
    const flows = [ledger.firstFlow(session)]
    flows.push(ledger.nextFlow(session), ledger.nextFlow(other))
    expect(flows).toEqual([session, other, noFlow])
    for (const serial of [1001, 2001]) ledger.endFlow(ledger.flow(serial))
    expect(ledger.size).toBe(0)
  },
)

test('records are used again, and many sessions find their own', () => {
  const { ledger, ask, open } = ledgerOf(4)
  const signatureOf = (n: number) => {
    const { signature } = ask(n)
    signature[8] = (n << 16) | 80 // the client's port
    return signature
  }
  const openAt = (n: number) => {
    const question = ask(n)
    question.signature.set(signatureOf(n))
    const id = ledger.open(question, null)
    ledger.assign(id, null)
    return id
  }
  const count = 20_000
  const ids = Array.from({ length: count }, (_, n) => openAt(n))
  expect(new Set(ids).size).toBe(count)
  for (let n = 0; n < count; n += 2) ledger.endFlow(ids[n])
  for (let n = 0; n < count; n++) {
    const id = n % 2 === 0 ? noFlow : ids[n]
    expect([ledger.session(signatureOf(n)), ledger.flow(n)]).toEqual([id, id])
  }
  expect(ledger.size).toBe(count / 2)
  expect(ids).toContain(open(count + 1))
})

test.each(families)(
  'a signature has its endpoints, and reversed those of the answer, IPv%i',
  (family) => {
    const farm = farmEndpoints(family)
    const message = queryMessage({ serial: 1, source: farm.client(), destination: farm.vip })
    const [signature, answer, again] = [0, 1, 2].map(() => new Int32Array(signatureWords))
    readSignature(new DataView(message.buffer), 8, signature)
    expect(sourceOf(signature)).toMatchObject({ port: 40_000, family })
    expect(destinationOf(signature)).toMatchObject({ port: 80, family })
    reverse(signature, answer)
    expect(sourceOf(answer)).toEqual(destinationOf(signature))
    expect(destinationOf(answer)).toEqual(sourceOf(signature))
    reverse(answer, again)
    expect(again).toEqual(signature)
  },
)
