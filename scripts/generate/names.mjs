/** Writes src/generated/counters.ts and src/generated/drop-reasons.ts. */
import { camelCase } from './def.mjs'

/** The counters in the order in which NativeSegment.readCounters fills them. */
export function countersSource({ counters, gauges, portCounters }) {
  return [
    nameList('counterNames', counters),
    nameList('gaugeNames', gauges),
    nameList('portCounterNames', portCounters),
    textTable('counterTexts', [...counters, ...gauges]),
  ].join('\n')
}

export function dropReasonsSource({ dropReasons }) {
  return [
    nameList('dropReasonNames', dropReasons),
    textTable('dropReasonTexts', dropReasons),
    'export type DropReason = (typeof dropReasonNames)[number]\n',
  ].join('\n')
}

function nameList(constant, items) {
  const rows = items.map(({ name }) => `  '${camelCase(name)}',`)
  return [`export const ${constant} = [`, ...rows, '] as const', ''].join('\n')
}

function textTable(constant, items) {
  const rows = items.map(({ name, text }) => `  ${camelCase(name)}:\n    ${quoted(text)},`)
  return [`export const ${constant} = {`, ...rows, '} as const', ''].join('\n')
}

function quoted(text) {
  return text.includes("'") ? JSON.stringify(text) : `'${text}'`
}
