/**
 * Tables for people: columns apart by two blanks, numbers to the right, no frames.
 */
import Table from 'cli-table3'
import type { Terminal } from './terminal.js'

export interface Column {
  head: string
  align?: 'left' | 'right'
}

const none = ''
const noFrame = {
  top: none,
  'top-mid': none,
  'top-left': none,
  'top-right': none,
  bottom: none,
  'bottom-mid': none,
  'bottom-left': none,
  'bottom-right': none,
  left: none,
  'left-mid': none,
  mid: none,
  'mid-mid': none,
  right: none,
  'right-mid': none,
  middle: '  ',
}

/** Lays out `rows` below the heads; each line begins with `indent` blanks and ends with none. */
export function table(terminal: Terminal, columns: Column[], rows: string[][], indent = 0): string {
  const layout = new Table({
    head: columns.map(({ head }) => terminal.style('dim', head)),
    colAligns: columns.map(({ align }) => align ?? 'left'),
    chars: noFrame,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  })
  layout.push(...rows)
  const margin = ' '.repeat(indent)
  return layout
    .toString()
    .split('\n')
    .map((line) => (margin + line).trimEnd())
    .join('\n')
}
