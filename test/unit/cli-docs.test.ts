/** What the pages for users say must be so. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { limitBounds, timeoutBounds } from '../../src/config/defaults.js'
import { configurationSchema } from '../../src/config/json-schema.js'
import { keysAt } from '../../src/config/schema.js'
import { filesUnder, readText, root } from '../helpers/repository.js'

const configuration = readText('docs/configuration.md')

/** The cells of the row of a table that begins with a key; undefined where there is none. */
function row(key: string): string[] | undefined {
  const line = configuration.split('\n').find((one) => one.startsWith(`| \`${key}\` |`))
  return line?.split('|').map((cell) => cell.trim())
}

/** The rows below a heading, before the next one. */
function section(heading: string): string[][] {
  const begin = configuration.indexOf(`\n${heading}\n`) + heading.length + 2
  const text = configuration.slice(begin).split(/^#/m, 1)[0] ?? ''
  const lines = text.split('\n').filter((line) => line.startsWith('| `'))
  return lines.map((line) => line.split('|').map((cell) => cell.trim()))
}

interface Described {
  properties: Record<string, Described & { default?: unknown }>
  additionalProperties: Described
  anyOf: Described[]
  items: Described
}

const of = configurationSchema() as Described
const named = (key: string) => of.properties[key]?.additionalProperties as Described
const inPool = named('pools').properties
const describedObjects: [string, Described][] = [
  ['## ports', named('ports')],
  ['## pools', named('pools')],
  ['### nodes', inPool.nodes?.items.anyOf.find(({ properties }) => properties) as Described],
  ['### check', inPool.check as Described],
  ['### passive', inPool.passive as Described],
  ['## virtualServers', named('virtualServers')],
  ['## admin', of.properties.admin as Described],
  ['## limits', of.properties.limits as Described],
  ['## timeouts', of.properties.timeouts as Described],
]

/** `262 144` of a cell such as `262 144, from 100`. */
const firstNumber = (cell = '') => Number(/^[\d ]+/.exec(cell)?.[0].replaceAll(' ', ''))

describe('docs/configuration.md', () => {
  test.each([
    [['ports', 'x']],
    [['pools', 'x']],
    [['virtualServers', 'x']],
    [['snat']],
    [['admin']],
    [['limits']],
    [['timeouts']],
  ])('has a row for every key of %j', (path) => {
    expect(keysAt(path).filter((key) => !row(key))).toEqual([])
  })

  test.each(describedObjects)('has the keys and the defaults of the schema: %s', (heading, of) => {
    const told = section(heading)
    for (const [key, value] of Object.entries(of.properties)) {
      const cell = told.find((cells) => cells[1] === `\`${key}\``)?.[2]
      expect({ key, cell }).toEqual({ key, cell: expect.any(String) })
      const usual = value.default
      // An empty text is none.
      if (usual === undefined || usual === '') continue
      const plain = cell?.replaceAll(/[`']|(?<=\d) (?=\d{3})/g, '') ?? ''
      expect({ key, plain }).toEqual({ key, plain: expect.stringMatching(`^${usual}(?![\\w.])`) })
    }
  })

  test('has a section for every key of a configuration', () => {
    expect(keysAt([]).filter((key) => !configuration.includes(`\n## ${key}\n`))).toEqual([])
  })

  test.each(Object.entries({ ...limitBounds, ...timeoutBounds }))(
    'gives the default of %s',
    (key, bounds) => expect(firstNumber(row(key)?.[2])).toBe(bounds.default),
  )
})

test('docs/troubleshooting.md has every error code', () => {
  const known = readText('docs/troubleshooting.md')
  const codes = filesUnder('src', '.ts').flatMap(
    (path) => readText(path).match(/\bERR_SLUICE_[A-Z_]+\b/g) ?? [],
  )
  const missing = [...new Set(codes)].filter((code) => {
    const short = code.replace(/^ERR_SLUICE_(LAB|ADMIN)(?=_)/, '')
    return !known.includes(`\`${code}\``) && !known.includes(`\`${short}\``)
  })
  expect(missing).toEqual([])
})

test('TCPX-28 docs/sockets.md says for which protocols a splice is none', () => {
  const page = readText('docs/sockets.md')
  const begin = page.indexOf('\n### Let go\n')
  expect(begin).toBeGreaterThan(0)
  const letGo = page
    .slice(begin + 1)
    .split(/^##+ (?!Let go)/m, 1)[0]
    ?.replaceAll('\n', ' ')
  expect(letGo).toContain('Nothing that passes is changed but headers')
  expect(letGo).toMatch(
    /addresses or L4 ports in its payload \(active FTP, .*needs a service that reads it/,
  )
})

test('README.md names every command', () => {
  const readme = readText('README.md')
  const commands = [...readText('src/cli/main.ts').matchAll(/\.command\('(\w+)/g)].map(
    ([, name]) => name,
  )
  expect(commands).toContain('run')
  expect(commands.filter((name) => !readme.includes(`| \`sluice ${name}`))).toEqual([])
})

test.each(['README.md', 'CONTRIBUTING.md', ...filesUnder('docs', '.md')])(
  'every relative link of %s leads somewhere',
  (page) => {
    const links = [...readText(page).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)]
    const dead = links.filter(([, to = '']) => !existsSync(join(root, dirname(page), to)))
    expect(dead.map(([, to]) => to)).toEqual([])
  },
)
