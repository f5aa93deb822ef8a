import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { camelCase, macroCalls, readMessages } from '../../scripts/generate/def.mjs'
import * as messages from '../../src/generated/messages.js'

const root = new URL('../../', import.meta.url)
const vectors = new URL('test/native/support/golden_messages.def', root)
const golden = new Map(
  macroCalls(readFileSync(vectors, 'utf8'))
    .filter(({ macro }) => macro === 'GOLDEN')
    .map(({ values: [name, hex] }) => [name, hex] as const),
)

interface Field {
  type: string
  name: string
  offset: number
}

interface Structure {
  name: string
  size: number
  fields: Field[]
  parts: { block: string; name: string; offset: number }[]
}

/** A view by the names of its fields, as the table has them. */
type View = Record<string, unknown> & { view: DataView; at: number }
type ViewClass = { new (view: DataView): View; size: number }

const table = readMessages(new URL('native/bus/messages.def', root).pathname) as Record<
  'blocks' | 'ssmb' | 'csmb',
  Structure[]
>

const bits: Record<string, number> = { U8: 8, I8: 8, U16: 16, U32: 32, U64: 64 }
const header: Record<'ssmb' | 'csmb', Field[]> = {
  ssmb: [
    { type: 'U8', name: 'error_code', offset: 1 },
    { type: 'U16', name: 'flags', offset: 2 },
    { type: 'U32', name: 'serial', offset: 4 },
  ],
  csmb: [
    { type: 'U16', name: 'serial_global', offset: 4 },
    { type: 'U16', name: 'serial_bytype', offset: 6 },
    { type: 'U16', name: 'error_code', offset: 8 },
    { type: 'U16', name: 'flags', offset: 10 },
  ],
}

/** golden_messages.def: byte n of a field is 5n + 131. */
const patternBytes = (offset: number, count: number) =>
  Uint8Array.from({ length: count }, (_, i) => (offset + i) * 5 + 131)

function pattern({ type, offset }: Field, base: number): number | bigint {
  const width = bits[type]
  const bytes = patternBytes(base + offset, width / 8)
  const value = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
  if (width === 64) return value
  return Number(type === 'I8' ? BigInt.asIntN(8, value) : value)
}

/** Every field of a message, blocks included, with the view that has it and where that stands. */
function fieldsOf(view: View, structure: Structure, base = 0): [View, Field, number][] {
  const own = structure.fields.map((field): [View, Field, number] => [view, field, base])
  const inner = structure.parts.flatMap(({ block, name, offset }) => {
    const part = table.blocks.find((candidate) => candidate.name === block) as Structure
    return fieldsOf(view[camelCase(name)] as View, part, base + offset)
  })
  return [...own, ...inner]
}

const classOf = (name: string) => (messages as unknown as Record<string, ViewClass>)[`${name}View`]

describe.each(['ssmb', 'csmb'] as const)('%s', (bus) => {
  test.each(table[bus])('SSMB-24 $name is written as its golden vector', (structure) => {
    const type = classOf(structure.name)
    const message = new type(new DataView(new ArrayBuffer(type.size)))
    ;(message.clear as () => void)()
    const bytes = new Uint8Array(message.view.buffer)
    const withHeader = { ...structure, fields: [...header[bus], ...structure.fields] }
    for (const [view, field, base] of fieldsOf(message, withHeader)) {
      const name = camelCase(field.name)
      if (field.type === 'ADDRESS') {
        const at = view[`${name}Offset`] as number
        bytes.set(patternBytes(base + field.offset, 16), at)
      } else view[name] = pattern(field, base)
    }
    expect(Buffer.from(bytes).toString('hex')).toBe(golden.get(structure.name))
  })

  test.each(table[bus])('SSMB-24 $name is read as its golden vector', (structure) => {
    const bytes = Uint8Array.from(Buffer.from(golden.get(structure.name) ?? '', 'hex'))
    const message = new (classOf(structure.name))(new DataView(bytes.buffer))
    const withHeader = { ...structure, fields: [...header[bus], ...structure.fields] }
    for (const [view, field, base] of fieldsOf(message, withHeader)) {
      const name = camelCase(field.name)
      if (field.type === 'ADDRESS') {
        expect(view[`${name}Offset`], field.name).toBe(base + field.offset)
      } else expect(view[name], field.name).toBe(pattern(field, base))
    }
  })
})
