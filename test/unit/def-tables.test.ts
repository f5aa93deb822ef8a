import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { camelCase, macroCalls, readMessages } from '../../scripts/generate/def.mjs'

const folder = mkdtempSync(join(tmpdir(), 'sluice-def-'))
afterAll(() => rmSync(folder, { recursive: true }))

function read(...lines: string[]) {
  const path = join(folder, 'messages.def')
  writeFileSync(path, lines.join('\n'))
  return readMessages(path)
}

const block = ['BLOCK_BEGIN(Pair, 8)', 'FIELD(U32, a, 0)', 'FIELD(U32, b, 4)', 'BLOCK_END(Pair)']

describe('.def tables', () => {
  test('macro calls are read with commas inside their sentences', () => {
    expect(macroCalls('// X(no)\nENUM(Group, name, 1, "one, or more")\n#define ENUM(a)')).toEqual([
      { macro: 'ENUM', values: ['Group', 'name', '1', 'one, or more'], line: 2 },
    ])
  })

  test('names become camelCase', () => {
    expect(['tcp_seq', 'wshift_c2s', 't_open'].map(camelCase)).toEqual([
      'tcpSeq',
      'wshiftC2s',
      'tOpen',
    ])
  })

  test('a message has its parts, its fields and its columns', () => {
    const { ssmb } = read(
      ...block,
      'SSMB_BEGIN(Query, 0x01, 20, 1, 0, HIGH, 1, 0)',
      'PART(Pair, pair, 8)',
      'FIELD(U16, flags, 16)',
      'SSMB_END(Query)',
    )
    expect(ssmb).toMatchObject([
      {
        name: 'Query',
        code: '0x01',
        size: 20,
        dfsSends: true,
        csSends: false,
        priority: 'high',
        batching: true,
        stateSharing: false,
        fields: [{ type: 'U16', name: 'flags', offset: 16 }],
        parts: [{ block: 'Pair', name: 'pair', offset: 8 }],
      },
    ])
  })

  test.each([
    ['overlaps', ['BLOCK_BEGIN(B, 8)', 'FIELD(U32, a, 0)', 'FIELD(U32, b, 2)', 'BLOCK_END(B)']],
    ['not aligned', ['BLOCK_BEGIN(B, 8)', 'FIELD(U32, a, 2)', 'BLOCK_END(B)']],
    ['does not fit', ['BLOCK_BEGIN(B, 4)', 'FIELD(U64, a, 0)', 'BLOCK_END(B)']],
    ['does not fit', ['BLOCK_BEGIN(B, 6)', 'FIELD(U32, a, 0)', 'BLOCK_END(B)']],
    ['overlaps', ['CSMB_BEGIN(M, 1, 16, 1, 1)', 'FIELD(U32, a, 8)', 'CSMB_END(M)']],
    ['no block Nix', ['CSMB_BEGIN(M, 1, 16, 1, 1)', 'PART(Nix, a, 12)', 'CSMB_END(M)']],
    ['unknown field type', ['BLOCK_BEGIN(B, 8)', 'FIELD(F32, a, 0)', 'BLOCK_END(B)']],
    ['unknown macro', ['BLOCK_BEGIN(B, 8)', 'FEILD(U32, a, 0)', 'BLOCK_END(B)']],
    ['outside', ['FIELD(U32, a, 0)']],
  ])('a table in error is refused: %s', (words, lines) => {
    expect(() => read(...lines)).toThrow(words)
  })
})
