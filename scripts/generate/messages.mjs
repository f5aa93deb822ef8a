/** Writes src/generated/messages.ts: a reusable view for each block and message of messages.def. */
import { camelCase } from './def.mjs'

const header = {
  block: [],
  ssmb: [
    { type: 'U8', name: 'msg_type', offset: 0 },
    { type: 'U8', name: 'error_code', offset: 1 },
    { type: 'U16', name: 'flags', offset: 2 },
    { type: 'U32', name: 'serial', offset: 4 },
  ],
  csmb: [
    { type: 'U16', name: 'msg_type', offset: 0 },
    { type: 'U16', name: 'msg_length', offset: 2 },
    { type: 'U16', name: 'serial_global', offset: 4 },
    { type: 'U16', name: 'serial_bytype', offset: 6 },
    { type: 'U16', name: 'error_code', offset: 8 },
    { type: 'U16', name: 'flags', offset: 10 },
  ],
  stream: [
    { type: 'U8', name: 'msg_type', offset: 0 },
    { type: 'U8', name: 'reason', offset: 1 },
    { type: 'U16', name: 'flags', offset: 2 },
    { type: 'U32', name: 'socket', offset: 4 },
    { type: 'U32', name: 'length', offset: 8 },
  ],
}

const dataViewSuffix = { U8: 'Uint8', I8: 'Int8', U16: 'Uint16', U32: 'Uint32' }

const preamble = `/**
 * The messages of both buses. A view reads and writes one message in place: make one, then move it
 * by setting \`at\` (and \`view\`); its parts follow, nothing is allocated for a message.
 */
`

export function messagesSource({ blocks, ssmb, csmb, enums, flags }) {
  const parts = [preamble]
  for (const structure of [...blocks, ...ssmb, ...csmb]) parts.push(viewClass(structure))
  parts.push(ssmbTable(ssmb), csmbTable(csmb))
  for (const [group, codes] of [...enums, ...flags]) parts.push(codeTable(group, codes))
  return parts.join('\n')
}

const streamPreamble = `/**
 * The messages between the engine and its sockets. A view reads and writes one message in place: make
 * one, then move it by setting \`at\` (and \`view\`).
 */
`

export function streamsSource({ streams, enums, flags }) {
  const parts = [streamPreamble, ...streams.map(viewClass)]
  for (const [group, codes] of [...enums, ...flags]) parts.push(codeTable(group, codes))
  return parts.join('\n')
}

/** A message about sockets is called Data: as a view it would have the name of the global one. */
const classOf = ({ kind, name }) => `${name}${kind === 'stream' ? 'Message' : 'View'}`

function viewClass(structure) {
  const { kind, size, fields, parts, tail } = structure
  const name = classOf(structure)
  const lines = [`export class ${name} {`]
  if (kind !== 'block') lines.push(`  static readonly code = ${structure.code}`)
  lines.push(`  static readonly size = ${size}`, '')
  lines.push(...(parts.length > 0 ? placeWithParts(parts) : placeAlone))
  for (const field of [...header[kind], ...fields]) lines.push('', ...accessors(field))
  if (tail) lines.push('', ...tailAccessor(tail, size))
  if (kind !== 'block') lines.push('', ...clearMethod(name, kind))
  lines.push('}', '')
  return lines.join('\n')
}

const placeAlone = ['  constructor(', '    public view: DataView,', '    public at = 0,', '  ) {}']

function placeWithParts(parts) {
  const each = (line) =>
    parts.map(({ block, name, offset }) => line(block, camelCase(name), offset))
  return [
    ...each((block, name) => `  readonly ${name}: ${block}View`),
    '',
    '  constructor(',
    '    private currentView: DataView,',
    '    private currentAt = 0,',
    '  ) {',
    ...each(
      (block, name, at) => `    this.${name} = new ${block}View(currentView, currentAt + ${at})`,
    ),
    '  }',
    '',
    '  get view(): DataView {',
    '    return this.currentView',
    '  }',
    '  set view(value: DataView) {',
    '    this.currentView = value',
    ...each((_, name) => `    this.${name}.view = value`),
    '  }',
    '',
    '  get at(): number {',
    '    return this.currentAt',
    '  }',
    '  set at(value: number) {',
    '    this.currentAt = value',
    ...each((_, name, offset) => `    this.${name}.at = value + ${offset}`),
    '  }',
  ]
}

function accessors({ type, name, offset }) {
  const place = offset === 0 ? 'this.at' : `this.at + ${offset}`
  const property = camelCase(name)
  if (type === 'ADDRESS') {
    return [
      '  /** Where the 16 bytes of the address stand in `view`. */',
      `  get ${property}Offset(): number {`,
      `    return ${place}`,
      '  }',
    ]
  }
  if (type === 'U64') return wideAccessors(property, place, offset)
  const suffix = dataViewSuffix[type]
  return accessorPair(property, 'number', `this.view.get${suffix}(${place})`, [
    `this.view.set${suffix}(${place}, value)`,
  ])
}

/** 64 bits as a bigint, and as a number for what stays below 2^53 (counts, microseconds). */
function wideAccessors(property, place, offset) {
  const low = `this.at + ${offset + 4}`
  return [
    ...accessorPair(property, 'bigint', `this.view.getBigUint64(${place})`, [
      `this.view.setBigUint64(${place}, value)`,
    ]),
    ...accessorPair(
      `${property}Number`,
      'number',
      `this.view.getUint32(${place}) * 0x1_0000_0000 + this.view.getUint32(${low})`,
      [
        `this.view.setUint32(${place}, Math.floor(value / 0x1_0000_0000))`,
        `this.view.setUint32(${low}, value >>> 0)`,
      ],
    ),
  ]
}

function accessorPair(name, type, read, writes) {
  return [
    `  get ${name}(): ${type} {`,
    `    return ${read}`,
    '  }',
    `  set ${name}(value: ${type}) {`,
    ...writes.map((write) => `    ${write}`),
    '  }',
  ]
}

function tailAccessor({ name, lengthField }, size) {
  const bytes = lengthField ? `this.${camelCase(lengthField)}` : `this.length - ${size}`
  return [
    lengthField
      ? `  /** The ${camelCase(lengthField)} bytes after the fixed part, in place. */`
      : '  /** All bytes after the fixed part, in place. */',
    `  get ${camelCase(name)}(): Uint8Array {`,
    `    const start = this.view.byteOffset + this.at + ${size}`,
    `    return new Uint8Array(this.view.buffer, start, ${bytes})`,
    '  }',
  ]
}

function clearMethod(name, kind) {
  return [
    '  /** Starts a message here: its type, and 0 in every other field. */',
    '  clear(): this {',
    `    for (let i = 0; i < ${name}.size; i += 4) this.view.setUint32(this.at + i, 0)`,
    `    this.msgType = ${name}.code`,
    ...(kind === 'csmb' ? [`    this.msgLength = ${name}.size`] : []),
    ...(kind === 'stream' ? [`    this.length = ${name}.size`] : []),
    '    return this',
    '  }',
  ]
}

function ssmbTable(messages) {
  const rows = messages.map(({ name, code, size, priority, tail, ...sends }) =>
    [
      '  {',
      `    name: '${name}',`,
      `    code: ${code},`,
      `    size: ${size},`,
      `    dfsSends: ${sends.dfsSends},`,
      `    csSends: ${sends.csSends},`,
      `    priority: '${priority}',`,
      `    batching: ${sends.batching},`,
      `    stateSharing: ${sends.stateSharing},`,
      `    variable: ${tail !== undefined},`,
      '  },',
    ].join('\n'),
  )
  return ['export const ssmbMessages = [', ...rows, '] as const', ''].join('\n')
}

function csmbTable(messages) {
  const rows = messages.map(({ name, code, size, dfsSends, csSends, tail }) =>
    [
      '  {',
      `    name: '${name}',`,
      `    code: ${code},`,
      `    size: ${size},`,
      `    dfsSends: ${dfsSends},`,
      `    csSends: ${csSends},`,
      `    variable: ${tail !== undefined},`,
      '  },',
    ].join('\n'),
  )
  return ['export const csmbMessages = [', ...rows, '] as const', ''].join('\n')
}

function codeTable(group, codes) {
  const rows = codes.flatMap(({ name, value, text }) => [
    `  /** ${text} */`,
    `  ${camelCase(name)}: ${value},`,
  ])
  return [
    `export const ${group} = {`,
    ...rows,
    '} as const',
    `export type ${group} = (typeof ${group})[keyof typeof ${group}]`,
    '',
  ].join('\n')
}
