/** Writes docs/messages.md, docs/streams.md and docs/counters.md. */

export function messagesPage({ blocks, ssmb, csmb, enums, flags }) {
  return [
    '# Messages',
    '',
    'Network byte order; offsets and sizes in bytes; addresses are 16 bytes, IPv4 as',
    '`::ffff:a.b.c.d`. The table that this page is made from is the only place that holds a number.',
    '',
    '## Blocks',
    '',
    ...blocks.flatMap((block) => [`### ${block.name} (${block.size})`, '', ...fieldTable(block)]),
    '## State-sharing bus (SSMB)',
    '',
    'Header of 8 bytes: `msg_type` U8 at 0, `error_code` U8 at 1, `flags` U16 at 2, `serial` U32 at 4.',
    '',
    '| Message | Code | Size | DFS sends | CS sends | Priority | Batching | State sharing |',
    '|---|---|---|---|---|---|---|---|',
    ...ssmb.map(
      (m) =>
        `| ${m.name} | ${m.code} | ${sizeOf(m)} | ${yes(m.dfsSends)} | ${yes(m.csSends)} ` +
        `| ${m.priority} | ${yes(m.batching)} | ${yes(m.stateSharing)} |`,
    ),
    '',
    ...ssmb.flatMap((message) => [`### ${message.name}`, '', ...fieldTable(message)]),
    '## Configuration bus (CSMB)',
    '',
    'Header of 12 bytes: `msg_type`, `msg_length`, `serial_global`, `serial_bytype`, `error_code`,',
    '`flags`, each U16.',
    '',
    '| Message | Code | Size | DFS sends | CS sends |',
    '|---|---|---|---|---|',
    ...csmb.map(
      (m) => `| ${m.name} | ${m.code} | ${sizeOf(m)} | ${yes(m.dfsSends)} | ${yes(m.csSends)} |`,
    ),
    '',
    ...csmb.flatMap((message) => [`### ${message.name}`, '', ...fieldTable(message)]),
    '## Codes',
    '',
    ...[...enums, ...flags].flatMap(([group, codes]) => codeTable(group, codes)),
  ].join('\n')
}

export function streamsPage({ streams, enums, flags }) {
  const sender = (message) => (message.engineSends ? 'engine' : 'sockets')
  return [
    '# Messages about sockets',
    '',
    'Network byte order; offsets and sizes in bytes. Header of 12 bytes: `msg_type` U8 at 0, `reason` U8',
    'at 1, `flags` U16 at 2, `socket` U32 at 4, `length` U32 at 8, which counts the whole message; the next',
    'one begins at the next multiple of 4.',
    '',
    '| Message | Code | Size | Sender |',
    '|---|---|---|---|',
    ...streams.map((m) => `| ${m.name} | ${m.code} | ${sizeOf(m)} | ${sender(m)} |`),
    '',
    ...streams
      .filter(({ fields }) => fields.length > 0)
      .flatMap((message) => [`## ${message.name}`, '', ...fieldTable(message)]),
    '## Codes',
    '',
    ...[...enums, ...flags].flatMap(([group, codes]) => codeTable(group, codes)),
  ].join('\n')
}

export function countersPage({ counters, gauges, portCounters, dropReasons }) {
  return [
    '# Counters',
    '',
    'In the order in which a data flow segment reports them. Counters are cumulative.',
    '',
    '## Counters',
    '',
    ...nameTable(counters),
    '## Gauges',
    '',
    ...nameTable(gauges),
    '## Drop reasons',
    '',
    'One counter each.',
    '',
    ...nameTable(dropReasons),
    '## Ports',
    '',
    'For each port:',
    '',
    ...portCounters.map(({ name }) => `- \`${name}\``),
    '',
  ].join('\n')
}

const yes = (value) => (value ? 'yes' : 'no')
const sizeOf = ({ size, tail }) => (tail ? `${size} + \`${tail.name}\`` : `${size}`)

function fieldTable({ fields, parts, tail, size }) {
  const members = [
    ...fields.map(({ name, type, offset }) => ({ name, type, offset })),
    ...parts.map(({ name, block, offset }) => ({ name, type: block, offset })),
    ...(tail ? [{ name: tail.name, type: `\`${tail.lengthField}\` bytes`, offset: size }] : []),
  ].sort((a, b) => a.offset - b.offset)
  return [
    '| Offset | Field | Type |',
    '|---|---|---|',
    ...members.map(({ name, type, offset }) => `| ${offset} | \`${name}\` | ${type} |`),
    '',
  ]
}

function codeTable(group, codes) {
  return [
    `### ${group}`,
    '',
    '| Value | Name | Meaning |',
    '|---|---|---|',
    ...codes.map(({ name, value, text }) => `| ${value} | \`${name}\` | ${text} |`),
    '',
  ]
}

function nameTable(items) {
  return [
    '| Name | Meaning |',
    '|---|---|',
    ...items.map(({ name, text }) => `| \`${name}\` | ${text} |`),
    '',
  ]
}
