/** Results as a picture: for each metric of each trial a bar for each subject, with its spread. */
import { figure } from './report.js'
import type { Result } from './statistics.js'

const WIDTH = 860
const NAMES = 230
const BARS = 470
const ROW = 22
const HEAD = 44

export function drawing(results: readonly Result[]): string {
  const charts = new Map<string, Result[]>()
  for (const result of results) {
    const name = `${result.trial} ${result.metric}`
    charts.set(name, [...(charts.get(name) ?? []), result])
  }
  let top = 8
  const parts = [...charts.values()].map((rows) => {
    const at = top
    top += HEAD + rows.length * ROW
    return chart(rows, at)
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${top + 8}" font-family="sans-serif" font-size="13">`,
    // Readable wherever it is shown: it brings its own ground.
    '<rect width="100%" height="100%" fill="#ffffff"/>',
    ...parts,
    '</svg>\n',
  ].join('\n')
}

function chart(rows: Result[], top: number): string {
  const [{ trial, metric, unit }] = rows as [Result]
  const scale = BARS / Math.max(...rows.map(({ max }) => max), Number.MIN_VALUE)
  const title = `<text x="12" y="${top + 26}" font-weight="bold">${escaped(`${trial}: ${metric}, ${unit}`)}</text>`
  return [title, ...rows.map((row, index) => bar(row, top + HEAD - 8 + index * ROW, scale))].join(
    '\n',
  )
}

function bar({ subject, median, min, max }: Result, top: number, scale: number): string {
  const x = (value: number) => (NAMES + value * scale).toFixed(1)
  const middle = top + ROW / 2
  const ours = subject.startsWith('sluice')
  return [
    `<text x="${NAMES - 10}" y="${middle + 5}" text-anchor="end">${escaped(subject)}</text>`,
    `<rect x="${NAMES}" y="${top + 4}" width="${(median * scale).toFixed(1)}" height="${ROW - 8}" fill="${ours ? '#1f6feb' : '#9aa4b1'}"/>`,
    `<path d="M${x(min)} ${middle}H${x(max)}M${x(min)} ${middle - 4}v8M${x(max)} ${middle - 4}v8" stroke="#24292f" fill="none"/>`,
    `<text x="${NAMES + BARS + 14}" y="${middle + 5}">${escaped(figure(median))}</text>`,
  ].join('\n')
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
