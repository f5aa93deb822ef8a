import { describe, expect, test } from 'vitest'
import { bitRate, bytes, count, duration, plural } from '../../src/cli/format.js'
import { table } from '../../src/cli/table.js'
import { quiet, wantsColour } from '../../src/cli/terminal.js'

describe('figures for people', () => {
  test.each([
    [0, '0'],
    [999, '999'],
    [1000, '1\u202f000'],
    [1_234_567, '1\u202f234\u202f567'],
  ])('count %d', (value, text) => expect(count(value)).toBe(text))

  test.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1536, '1.50 KiB'],
    [268_435_456, '256 MiB'],
    [12.34 * 1024 ** 3, '12.3 GiB'],
    [123.4 * 1024 ** 2, '123 MiB'],
    [2 ** 60, '1048576 TiB'],
  ])('bytes %d', (value, text) => expect(bytes(value)).toBe(text))

  test.each([
    [0, '0 bit/s'],
    [9_610_000_000, '9.61 Gbit/s'],
    [96_100_000, '96.1 Mbit/s'],
  ])('bit rate %d', (value, text) => expect(bitRate(value)).toBe(text))

  test.each([
    [350, '350 ms'],
    [2500, '2.5 s'],
    [59_999, '1 min'],
    [60_000, '1 min'],
    [250_000, '4 min 10 s'],
    [11_100_000, '3 h 5 min'],
    [187_200_000, '2 d 4 h'],
  ])('duration %d', (value, text) => expect(duration(value)).toBe(text))

  test('plural', () => {
    expect([0, 1, 2000].map((n) => plural(n, 'flow'))).toEqual([
      '0 flows',
      '1 flow',
      '2\u202f000 flows',
    ])
  })
})

describe('tables', () => {
  test('columns are apart by two blanks, numbers to the right, no blanks at the end', () => {
    const columns = [{ head: 'name' }, { head: 'count', align: 'right' as const }]
    const text = table(
      quiet(),
      columns,
      [
        ['web', '7'],
        ['longer-name', '12'],
      ],
      1,
    )
    expect(text.split('\n')).toEqual([
      ' name         count',
      ' web              7',
      ' longer-name     12',
    ])
  })

  test('a table without heads has no empty first line', () => {
    expect(table(quiet(), [], [['a', 'b']])).toBe('a  b')
  })
})

describe('colour', () => {
  const terminal = { write: () => true, isTTY: true }
  const pipe = { write: () => true }
  test.each([
    ['a terminal', true, {}, terminal, true],
    ['a pipe', true, {}, pipe, false],
    ['a dumb terminal', true, { TERM: 'dumb' }, terminal, false],
    ['NO_COLOR', true, { NO_COLOR: '1' }, terminal, false],
    ['FORCE_COLOR into a pipe', true, { FORCE_COLOR: '1' }, pipe, true],
    ['FORCE_COLOR=0', true, { FORCE_COLOR: '0' }, terminal, false],
    ['--no-color beats FORCE_COLOR', false, { FORCE_COLOR: '1' }, terminal, false],
  ])('%s', (_, flag, env, stream, wanted) => expect(wantsColour(flag, env, stream)).toBe(wanted))
})
