/** Everything that a ledger has of its sessions, to compare two of them. */
import type { FlowLedger } from '../../src/control/flow-ledger.js'
import { FlowFlags, noFlow, SessionState } from '../../src/control/flow-table.js'
import { destinationOf, protocolOf, sourceOf, tosOf } from '../../src/control/signature.js'

const flagsOf = (view: { has(flag: number): boolean }) =>
  Object.entries(FlowFlags)
    // Whose question is open, and which record is the session's own, is not what was heard.
    .filter(([name, flag]) => name !== 'asked' && view.has(flag))
    .map(([name]) => name)

/** The sessions that are decided, by what their clients send. */
export function entriesOf(ledger: FlowLedger): object[] {
  const [session, flow] = [ledger.view(), ledger.view()]
  const entries: object[] = []
  for (let id = 0; id < ledger.records; id++) {
    const { state } = session.at(id)
    if (state === SessionState.free || state === SessionState.deciding) continue
    const flows: object[] = []
    for (let of = ledger.firstFlow(id); of !== noFlow; of = ledger.nextFlow(of)) {
      const { serial, words, signatureAt } = flow.at(of)
      const tos = tosOf(words, signatureAt)
      flows.push({ serial, tos, flags: flagsOf(flow), offsets: ledger.offsets(of) })
    }
    const { words, signatureAt, node, server, source, sequence } = session.at(id)
    entries.push({
      client: sourceOf(words, signatureAt),
      destination: destinationOf(words, signatureAt),
      protocol: protocolOf(words, signatureAt),
      node: node && [node.id, node.pool, node.name],
      server: server && [server.id, server.name],
      source,
      sequence,
      isDormant: state === SessionState.dormant,
      openedAt: session.openedAt,
      lastActiveAt: session.lastActiveAt,
      totals: session.sessionTotals(),
      flags: flagsOf(session),
      flows: sorted(flows),
    })
  }
  return sorted(entries)
}

function sorted(all: object[]): object[] {
  return all.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
}
