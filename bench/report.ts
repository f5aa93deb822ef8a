/** The report of a session: JSON for programs, Markdown for people. */
import type { Environment } from './environment.js'
import type { Omission } from './runner.js'
import type { Ratio, Result } from './statistics.js'
import type { Trial } from './trial.js'

export interface Report {
  environment: Environment
  results: Result[]
  ratios: Ratio[]
  skipped: Omission[]
  failed: Omission[]
}

export function markdown(report: Report, trials: readonly Trial[]): string {
  const { environment: machine } = report
  const sections = trials.map((trial) => trialSection(report, trial))
  const head = [
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Linux ${machine.kernel},`,
    `governor ${machine.governor}, Node ${machine.node}, ${machine.compiler},`,
    `TCP ${machine.congestionControl}, load ${machine.load.toFixed(2)},`,
    `commit ${machine.commit}, ${machine.date}`,
  ]
  return [head.join(' '), ...sections].join('\n\n')
}

function trialSection(report: Report, trial: Trial): string {
  const own = <T extends { trial: string }>(rows: T[]) =>
    rows.filter((row) => row.trial === trial.name)
  const results = own(report.results)
  const ratios = own(report.ratios)
  const parts = [`## ${trial.name}`, trial.about]
  if (results.length > 0) parts.push(resultTable(results))
  if (ratios.length > 0) parts.push(ratioTable(ratios))
  const notes = [
    ...own(report.skipped).map(({ subject, reason }) => `- skipped ${subject}: ${reason}`),
    ...own(report.failed).map(({ subject, reason }) => `- **failed** ${subject}: ${reason}`),
  ]
  if (notes.length > 0) parts.push(notes.join('\n'))
  return parts.join('\n\n')
}

function resultTable(results: Result[]): string {
  return table(
    ['subject', 'metric', 'median', 'min', 'max', 'unit', 'loss', 'runs'],
    results.map((row) => [
      row.subject,
      row.metric,
      figure(row.median),
      figure(row.min),
      figure(row.max),
      row.unit,
      row.loss === null ? '' : percent(row.loss),
      String(row.runs),
    ]),
  )
}

function ratioTable(ratios: Ratio[]): string {
  return table(
    ['subject', 'peer', 'metric', 'times better', 'min', 'max', 'pairs'],
    ratios.map((row) => [
      row.subject,
      row.peer,
      row.metric,
      ...[row.ratio, row.min, row.max].map((ratio) => ratio.toFixed(2)),
      String(row.pairs),
    ]),
  )
}

function table(head: string[], rows: string[][]): string {
  const widths = head.map((cell, column) =>
    Math.max(cell.length, ...rows.map((row) => row[column]?.length ?? 0)),
  )
  const isNumber = (column: number) => rows.every((row) => /^[\d ,.%]*$/.test(row[column] ?? ''))
  const line = (cells: string[]) =>
    `| ${cells.map((cell, column) => pad(cell, widths[column] ?? 0, isNumber(column))).join(' | ')} |`
  const rule = widths.map((width, column) =>
    isNumber(column) ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width),
  )
  return [line(head), `| ${rule.join(' | ')} |`, ...rows.map(line)].join('\n')
}

function pad(cell: string, width: number, right: boolean): string {
  return right ? cell.padStart(width) : cell.padEnd(width)
}

/** Three figures that mean something; thousands apart. */
export function figure(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString('en-US').replaceAll(',', ' ')
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}

function percent(share: number): string {
  return share === 0 ? '0 %' : `${(share * 100).toPrecision(2)} %`
}
