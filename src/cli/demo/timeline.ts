/**
 * Draws the connection that was followed: which bytes of its answer passed in which mode.
 */
import { bitRate, bytes, count, duration } from '../format.js'
import { type Column, table } from '../table.js'
import type { Terminal } from '../terminal.js'
import type { Span } from './follow.js'
import { heading, verdict } from './report.js'
import type { Followed } from './result.js'

const modes = ['proxied', 'relay', 'splice'] as const
const colours = { proxied: 'yellow', relay: 'cyan', splice: 'green' } as const
const meaning = {
  proxied: 'JavaScript has every byte',
  relay: 'the engine ends both connections, and moves the bytes',
  splice: 'the ends run one connection, the engine shifts its numbers',
} as const
const width = 60

export function printFollowed(terminal: Terminal, followed: readonly Followed[]): void {
  heading(
    terminal,
    'One connection, followed',
    'read, let go, taken back at a byte, let go for good',
  )
  for (const one of followed) {
    terminal.print()
    for (const line of bars(terminal, one.spans)) terminal.print(line)
    terminal.print(
      table(
        terminal,
        columns,
        one.spans.map((span) => row(span)),
        1,
      ),
    )
    const equal = verdict(terminal, one.equal, one.equal ? 'equal' : 'differs')
    terminal.print(` IPv${one.family}: ${bytes(one.bytes)}, sha256 ${equal}`)
  }
  terminal.print()
  for (const mode of modes) {
    terminal.print(` ${terminal.style(colours[mode], mode.padEnd(8))} ${meaning[mode]}`)
  }
}

/** A line for each mode; a stretch that is too short for a cell shows as one. */
function bars(terminal: Terminal, spans: readonly Span[]): string[] {
  const end = spans.at(-1)?.to ?? 0
  const cell = (byte: number) => Math.min(Math.floor((byte / Math.max(end, 1)) * width), width - 1)
  return modes.map((mode) => {
    const cells = Array.from({ length: width }, () => ' ')
    for (const span of spans) {
      if (span.mode !== mode) continue
      const [first, last] = [cell(span.from), Math.max(cell(span.from), cell(span.to) - 1)]
      for (let at = first; at <= last; at++) cells[at] = '█'
    }
    const bar = cells.join('').trimEnd()
    return ` ${mode.padEnd(8)} ${terminal.style(colours[mode], bar)}`
  })
}

const columns: Column[] = [
  { head: 'bytes', align: 'right' },
  { head: 'to', align: 'right' },
  { head: 'mode' },
  { head: 'time', align: 'right' },
  { head: 'rate', align: 'right' },
]

function row({ mode, from, to, milliseconds }: Span): string[] {
  const rate = milliseconds > 0 ? ((to - from) * 8000) / milliseconds : 0
  return [count(from), count(to), mode, duration(milliseconds), bitRate(rate)]
}
