/**
 * Reads the tables that both languages share (native/**\/*.def) into plain values, and checks what
 * a C++ compiler would not: that the fields of a message are aligned and do not overlap.
 */
import { readFileSync } from 'node:fs'

const fieldBytes = { U8: 1, I8: 1, U16: 2, U32: 4, U64: 8, ADDRESS: 16 }
/** Where the fields after the header begin. */
const headerBytes = { block: 0, ssmb: 8, csmb: 12, stream: 12 }

/** @param {string} name */
export function camelCase(name) {
  return name.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase())
}

/** The macro calls of a table, one per line: `NAME(argument, ...)`. */
export function macroCalls(text) {
  const calls = []
  for (const [index, line] of text.split('\n').entries()) {
    const match = /^([A-Z_]+)\((.*)\)\s*$/.exec(line)
    if (!match) continue
    const argumentList = match[2].match(/"[^"]*"|[^,\s][^,]*/g) ?? []
    const values = argumentList.map((argument) => argument.trim().replace(/^"|"$/g, ''))
    calls.push({ macro: match[1], values, line: index + 1 })
  }
  return calls
}

/** Reads `[{ name, text }]` from the calls of one macro. */
export function readNames(path, macro) {
  return macroCalls(readFileSync(path, 'utf8'))
    .filter((call) => call.macro === macro)
    .map(({ values: [name, text] }) => ({ name, text }))
}

/** The members of PortCounters, in declaration order: they have no table, the struct is the table. */
export function readPortCounters(path) {
  const body = /struct PortCounters \{([^}]*)\}/.exec(readFileSync(path, 'utf8'))
  if (!body) throw new Error(`${path}: struct PortCounters not found`)
  return [...body[1].matchAll(/uint64_t (\w+) = 0;/g)].map(([, name]) => name)
}

/** Reads messages.def, or streams.def: `{ blocks, ssmb, csmb, streams, enums, flags }`, in the order of
 *  the table. */
export function readMessages(path) {
  const lists = { blocks: [], ssmb: [], csmb: [], streams: [] }
  const listOf = { block: 'blocks', ssmb: 'ssmb', csmb: 'csmb', stream: 'streams' }
  const table = { ...lists, enums: new Map(), flags: new Map() }
  let open
  for (const { macro, values, line } of macroCalls(readFileSync(path, 'utf8'))) {
    const opened = openStructure(macro, values)
    if (opened) {
      open = opened
      table[listOf[opened.kind]].push(opened)
    } else if (macro.endsWith('_END')) {
      checkLayout(open, table.blocks)
      open = undefined
    } else if (macro === 'ENUM' || macro === 'FLAG') {
      addCode(macro === 'ENUM' ? table.enums : table.flags, values)
    } else {
      addMember(open, macro, values, `${path}:${line}`)
    }
  }
  return table
}

function openStructure(macro, values) {
  const members = { fields: [], parts: [], tail: undefined }
  if (macro === 'BLOCK_BEGIN') {
    return { kind: 'block', name: values[0], size: Number(values[1]), ...members }
  }
  if (macro === 'STREAM_BEGIN') {
    const [name, code, size, engineSends, socketsSend] = values
    const sends = { engineSends: engineSends === '1', socketsSend: socketsSend === '1' }
    return { kind: 'stream', name, code, size: Number(size), ...sends, ...members }
  }
  if (macro !== 'SSMB_BEGIN' && macro !== 'CSMB_BEGIN') return undefined
  const [name, code, size, dfsSends, csSends, priority, batching, stateSharing] = values
  const message = {
    name,
    code,
    size: Number(size),
    dfsSends: dfsSends === '1',
    csSends: csSends === '1',
  }
  if (macro === 'CSMB_BEGIN') return { kind: 'csmb', ...message, ...members }
  return {
    kind: 'ssmb',
    ...message,
    priority: priority.toLowerCase(),
    batching: batching === '1',
    stateSharing: stateSharing === '1',
    ...members,
  }
}

function addCode(groups, [group, name, value, text]) {
  if (!groups.has(group)) groups.set(group, [])
  groups.get(group).push({ name, value, text })
}

function addMember(open, macro, values, where) {
  if (!open) throw new Error(`${where}: ${macro} stands outside a block or message`)
  if (macro === 'FIELD') {
    const [type, name, offset] = values
    if (!(type in fieldBytes)) throw new Error(`${where}: unknown field type ${type}`)
    open.fields.push({ type, name, offset: Number(offset) })
  } else if (macro === 'PART') {
    open.parts.push({ block: values[0], name: values[1], offset: Number(values[2]) })
  } else if (macro === 'TAIL') {
    open.tail = { name: values[0], lengthField: values[1] }
  } else {
    throw new Error(`${where}: unknown macro ${macro}`)
  }
}

/** What a layout keeps: aligned to min(size, 4), a multiple of 4 bytes, nothing overlaps. */
function checkLayout(structure, blocks) {
  const sizeOf = (part) => {
    const block = blocks.find((candidate) => candidate.name === part.block)
    if (!block) throw new Error(`${structure.name}.${part.name}: no block ${part.block}`)
    return block.size
  }
  const members = [
    ...structure.fields.map((field) => ({ ...field, bytes: fieldBytes[field.type] })),
    ...structure.parts.map((part) => ({ ...part, bytes: sizeOf(part) })),
  ].sort((a, b) => a.offset - b.offset)
  let end = headerBytes[structure.kind]
  for (const { name, offset, bytes } of members) {
    const place = `${structure.name}.${name} at ${offset}`
    if (offset < end) throw new Error(`${place} overlaps what ends at ${end}`)
    if (offset % Math.min(bytes, 4) !== 0) throw new Error(`${place} is not aligned`)
    end = offset + bytes
  }
  if (end > structure.size || structure.size % 4 !== 0) {
    throw new Error(`${structure.name}: size ${structure.size} does not fit its fields (${end})`)
  }
}
