#!/usr/bin/env node
/**
 * Which requirement is shown by which test. A test shows the rows with whose ids its name begins:
 * `DFS-01 ...`, `DFS-01 DFS-02 ...`, `DFS-01..05 ...`, also behind a law of the design (`Law 7 TCPX-13 ...`). Rows stand in docs/requirements.json.
 *
 *   npm run requirements -- [--rows DFS,CS-01..06] [--open] [--json]
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const family = '[A-Z]{2,}'
const id = `${family}-\\d{2}(?:\\.\\.(?:${family}-)?\\d{2})?`
/** Ids that a test's name begins with; laws and traps of the design may stand before them. */
const ids = `(?:(?:Law|trap) \\d+ )*(?:${id}[ ,:]+)+`
const leading = new RegExp(`^${ids}`)
/** A string literal that begins with ids; the name of a test or of a group of tests. */
const testName = new RegExp(`(['"\`])(${ids}(?:\\\\.|(?!\\1).)*)`, 'g')

/** `{ id: text }` of every row. */
export function readRows() {
  return JSON.parse(readFileSync(join(root, 'docs/requirements.json'), 'utf8'))
}

/** The ids that a text names, ranges written out. */
export function namedIds(text) {
  return [...text.matchAll(new RegExp(id, 'g'))].flatMap(([range]) => {
    const [first, last] = range.split('..')
    const [prefix, from] = first.split('-')
    const to = last ? last.replace(/^.*-/, '') : from
    const numbers = Array.from(
      { length: Number(to) - Number(from) + 1 },
      (_, i) => Number(from) + i,
    )
    return numbers.map((number) => `${prefix}-${String(number).padStart(2, '0')}`)
  })
}

/** Every test whose name begins with ids: `[{ place, name, ids }]`. */
export function readTests() {
  return readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.(ts|cc|h|pkt)$/.test(path))
    .sort()
    .flatMap((path) => (path.endsWith('.pkt') ? scriptIn : testsIn)(join('test', path)))
}

/** A packet script's first line is its name. */
function scriptIn(path) {
  const [first] = readFileSync(join(root, path), 'utf8').split('\n')
  const name = first.replace(/^# */, '')
  const [found] = leading.exec(name) ?? []
  return found ? [{ place: `${path}:1`, name, ids: namedIds(found) }] : []
}

function testsIn(path) {
  const lines = readFileSync(join(root, path), 'utf8').split('\n')
  return lines.flatMap((line, index) =>
    [...line.matchAll(testName)].map(([, , name]) => {
      const [found] = leading.exec(name)
      return {
        place: `${path}:${index + 1}`,
        name: name.replace(/\\(.)/g, '$1'),
        ids: namedIds(found),
      }
    }),
  )
}

/** Rows with the tests that show each. */
export function coverage() {
  const tests = readTests()
  return Object.entries(readRows()).map(([row, text]) => ({
    id: row,
    text,
    tests: tests.filter(({ ids }) => ids.includes(row)).map(({ place, name }) => ({ place, name })),
  }))
}

/** Ids in test names that no row has. */
export function unknownIds() {
  const rows = readRows()
  return readTests().flatMap(({ place, ids }) =>
    ids.filter((named) => !(named in rows)).map((named) => `${place}: no row ${named}`),
  )
}

const usage = `usage: npm run requirements -- [--rows DFS,CS-01..06] [--open] [--json]

  --rows LIST  families and ids, with commas between them; all by default
  --open       only rows that no test shows
  --json       for programs
`

class UsageError extends Error {}

function selected(rows, filter) {
  if (filter === undefined) return rows
  for (const part of filter.split(',')) {
    if (selectedBy(rows, part).length === 0) throw new UsageError(`--rows: no row '${part}'`)
  }
  return selectedBy(rows, filter)
}

function selectedBy(rows, filter) {
  const families = filter.split(',').filter((part) => new RegExp(`^${family}$`).test(part))
  const ids = namedIds(filter)
  return rows.filter((row) => families.includes(row.id.split('-')[0]) || ids.includes(row.id))
}

function printTable(rows) {
  for (const { id: row, text, tests } of rows) {
    const [first] = tests
    const more = tests.length > 1 ? ` and ${tests.length - 1} more` : ''
    const shown = first ? `${first.place}${more}` : 'open'
    console.log(`${row.padEnd(12)} ${shown.padEnd(54)} ${text.slice(0, 70)}`)
  }
}

function parse(args) {
  try {
    return parseArgs({
      args,
      options: {
        rows: { type: 'string' },
        open: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
    }).values
  } catch (error) {
    throw new UsageError(error.message)
  }
}

function report(args) {
  const values = parse(args)
  const rows = selected(coverage(), values.rows)
  const open = rows.filter(({ tests }) => tests.length === 0)
  const asked = values.open ? open : rows
  if (values.json) {
    console.log(JSON.stringify(asked, null, 2))
  } else {
    printTable(asked)
    console.log(`\n${rows.length - open.length} of ${rows.length} rows shown`)
  }
  for (const unknown of unknownIds()) console.error(unknown)
  return unknownIds().length > 0 ? 1 : 0
}

function main() {
  try {
    process.exitCode = report(process.argv.slice(2))
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    process.stderr.write(`requirements: ${error.message}\n\n${usage}`)
    process.exitCode = 2
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main()
