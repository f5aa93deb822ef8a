/**
 * The books of the engine: every packet received was forwarded, delivered to the engine itself,
 * dropped for a reason, or waits.
 */
import type { EngineStatus } from '../index.js'
import { count } from './format.js'
import type { Terminal } from './terminal.js'

type Packets = EngineStatus['packets']

export function isBalanced(packets: Packets): boolean {
  const { received, forwarded, delivered, dropped, waiting } = packets
  return received === forwarded + delivered + dropped + waiting
}

/** One line for the sum, and one for the reasons of what was dropped. */
export function balanceLines(
  terminal: Terminal,
  packets: Packets,
  drops: EngineStatus['drops'],
): string[] {
  const { received, forwarded, delivered, dropped, waiting } = packets
  const equation = [
    `received ${count(received)} = forwarded ${count(forwarded)}`,
    `delivered ${count(delivered)}`,
    `dropped ${count(dropped)}`,
    ...(waiting > 0 ? [`waiting ${count(waiting)}`] : []),
  ].join(' + ')
  const reasons = Object.entries(drops).map(([reason, number]) => `${reason} ${count(number)}`)
  if (reasons.length === 0) return [equation]
  return [equation, terminal.style('dim', `dropped: ${reasons.join(', ')}`)]
}
