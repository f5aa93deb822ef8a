#!/usr/bin/env node
/**
 * Makes the TypeScript and the documentation of everything that both languages must agree on from
 * the .def tables that C++ includes. The results are committed; a rule test holds them fresh.
 *
 *   npm run generate [-- --check]
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readMessages, readNames, readPortCounters } from './generate/def.mjs'
import { messagesSource, streamsSource } from './generate/messages.mjs'
import { countersSource, dropReasonsSource } from './generate/names.mjs'
import { countersPage, messagesPage, streamsPage } from './generate/pages.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

const messagesDef = 'native/bus/messages.def'
const streamsDef = 'native/bus/streams.def'
const countersDef = 'native/segment/counters.def'
const dropReasonsDef = 'native/packet/drop_reasons.def'
const portHeader = 'native/port/port.h'

/** Every generated file: `Map` of path in the repository to its text. */
export function generate() {
  const messages = readMessages(join(root, messagesDef))
  const streams = readMessages(join(root, streamsDef))
  const names = {
    counters: readNames(join(root, countersDef), 'COUNTER'),
    gauges: readNames(join(root, countersDef), 'GAUGE'),
    portCounters: readPortCounters(join(root, portHeader)).map((name) => ({ name })),
    dropReasons: readNames(join(root, dropReasonsDef), 'DROP_REASON'),
  }
  const notice = (sources) => `generated from ${sources.join(', ')}, do not edit`
  const code = (text, ...sources) => `// ${notice(sources)}\n\n${text}`
  const page = (text, ...sources) => `<!-- ${notice(sources)} -->\n\n${text}`
  return new Map([
    ['src/generated/messages.ts', code(messagesSource(messages), messagesDef)],
    ['src/generated/streams.ts', code(streamsSource(streams), streamsDef)],
    ['src/generated/counters.ts', code(countersSource(names), countersDef, portHeader)],
    ['src/generated/drop-reasons.ts', code(dropReasonsSource(names), dropReasonsDef)],
    ['docs/messages.md', page(messagesPage(messages), messagesDef)],
    ['docs/streams.md', page(streamsPage(streams), streamsDef)],
    ['docs/counters.md', page(countersPage(names), countersDef, dropReasonsDef, portHeader)],
  ])
}

/** Paths of generated files whose text on disk differs. */
export function staleFiles() {
  const present = (path) => {
    try {
      return readFileSync(join(root, path), 'utf8')
    } catch {
      return undefined
    }
  }
  return [...generate()].filter(([path, text]) => present(path) !== text).map(([path]) => path)
}

function main() {
  const stale = staleFiles()
  if (process.argv.includes('--check')) {
    for (const path of stale) console.error(`${path} is not fresh: npm run generate`)
    process.exitCode = stale.length > 0 ? 1 : 0
    return
  }
  const files = generate()
  for (const path of stale) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), files.get(path))
    console.log(`wrote ${path}`)
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main()
