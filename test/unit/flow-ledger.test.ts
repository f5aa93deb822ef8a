import { beforeEach, expect, test } from 'vitest'
import { resolveConfig } from '../../src/config/resolve.js'
import { FlowLedger } from '../../src/control/flow-ledger.js'
import { Pools } from '../../src/control/pools.js'
import type { SessionFlow } from '../../src/control/session.js'
import { destinationOf, readSignature, reversed, sourceOf } from '../../src/control/signature.js'
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
  const ledger = new FlowLedger(2, () => now)
  const node = new Pools(resolveConfig(farmConfig(family)).pools).pool('web')?.nodes[0]
  const open = (n: number): SessionFlow => {
    const fields = { serial: n, source: farm.client(n), destination: farm.vip }
    const bytes = Buffer.from(queryMessage(fields))
    const query = new QueryView(new DataView(bytes.buffer, bytes.byteOffset))
    const signature = readSignature(bytes, query.sig.at)
    const session = ledger.open(signature, null, 1, now)
    const flow = ledger.join(session, signature, query)
    ledger.assign(session, node ?? null)
    return flow
  }
  return { ledger, open, node }
}

test.each(families)(
  'FLOWLIFE-16 a dormant session is given up when its time is over, IPv%i',
  (family) => {
    const { ledger, open, node } = ledgerOf(family)
    const flow = open(1)
    ledger.evictFlow(flow, 5000)
    now += 4999
    ledger.sweep()
    expect([ledger.size, flow.session.state, node?.connections]).toEqual([1, 'dormant', 1])
    now += 1
    ledger.sweep()
    expect([ledger.size, flow.session.state, node?.connections]).toEqual([0, 'ended', 0])
  },
)

test.each(families)('dormant sessions are bounded: the oldest makes room, IPv%i', (family) => {
  const { ledger, open, node } = ledgerOf(family)
  const flows = [1, 2, 3].map(open)
  for (const flow of flows) ledger.evictFlow(flow, 60_000)
  expect(flows.map(({ session }) => session.state)).toEqual(['ended', 'dormant', 'dormant'])
  expect([ledger.size, node?.connections]).toEqual([2, 2])
})

test.each(families)(
  'a session is found by its serial and its signature until it ends, IPv%i',
  (family) => {
    const { ledger, open } = ledgerOf(family)
    const flow = open(1)
    expect(ledger.flow(1)).toBe(flow)
    expect(ledger.session(flow.signature)).toBe(flow.session)
    ledger.endFlow(flow)
    expect([ledger.flow(1), ledger.session(flow.signature), ledger.size]).toEqual([
      undefined,
      undefined,
      0,
    ])
  },
)

test.each(families)(
  'a signature has its endpoints, and reversed those of the answer, IPv%i',
  (family) => {
    const farm = farmEndpoints(family)
    const message = queryMessage({ serial: 1, source: farm.client(), destination: farm.vip })
    const signature = readSignature(Buffer.from(message), 8)
    expect(sourceOf(signature)).toMatchObject({ port: 40_000, family })
    expect(destinationOf(signature)).toMatchObject({ port: 80, family })
    expect(sourceOf(reversed(signature))).toEqual(destinationOf(signature))
    expect(reversed(reversed(signature))).toBe(signature)
  },
)
