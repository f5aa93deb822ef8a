/** The JSON Schema of a configuration says what the readers say, as far as JSON Schema goes. */
import { writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, onTestFinished, test } from 'vitest'
import { main } from '../../src/cli/main.js'
import { configurationSchema } from '../../src/config/json-schema.js'
import { loadConfigFile } from '../../src/config/load.js'
import { resolveConfig } from '../../src/config/resolve.js'
import { base, changed } from '../helpers/config-issues.js'
import { filesUnder, readText } from '../helpers/repository.js'

const schema = configurationSchema()
const validates = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(schema)
const site = 'virtualServers.site'

/** Each schema inside, with its path. */
function* parts(of: unknown, path: string): Generator<[string, Record<string, unknown>]> {
  if (typeof of !== 'object' || of === null) return
  yield [path, of as Record<string, unknown>]
  for (const [key, value] of Object.entries(of)) yield* parts(value, `${path}/${key}`)
}

test('is a schema, strict in itself, of which every value has a form', () => {
  const empty = [...parts(schema, '')].filter(
    ([path, part]) =>
      Object.keys(part).length === 0 && !path.endsWith('/not') && !path.endsWith('/default'),
  )
  expect(empty.map(([path]) => path)).toEqual([])
})

test('sluice schema prints it', async () => {
  let printed = ''
  const sink = {
    write: (text: unknown) => {
      printed += String(text)
    },
  }
  expect(await main(['schema'], { stdout: sink, stderr: sink, env: {} })).toBe(0)
  expect(JSON.parse(printed)).toEqual(JSON.parse(JSON.stringify(schema)))
})

describe('what is valid', () => {
  test.each([
    ['the base', {}],
    ['a $schema', { $schema: './sluice.schema.json' }],
    ['addresses in a list', { 'ports.outside.address': ['192.0.2.1/24', '2001:db8::1/64'] }],
    ['a node in full', { 'pools.web.nodes.1': { address: '[2001:db8:1::11]:80', weight: 2 } }],
    ['a hash', { 'pools.web.balance': { hash: 'source' } }],
    ['a check', { 'pools.web.check': { kind: 'http', status: [200, 299], body: 'ok' } }],
    ['reapMs of 0', { 'timeouts.reapMs': 0 }],
    ['a MAC', { 'ports.outside.mac': '02:00:00:00:AB:cd' }],
    ['UDP', { [`${site}.listen`]: 'udp://192.0.2.100:53' }],
    ['ping', { [`${site}.listen`]: 'icmp://192.0.2.100' }],
    ['a protocol by its number', { [`${site}.listen`]: 'ip-89://192.0.2.100' }],
    ['every protocol', { [`${site}.listen`]: 'ip://192.0.2.100' }],
    ['a node without a port', { 'pools.web.nodes.0': '10.1.0.11' }],
  ])('%s', (_, changes) => {
    const config = changed(changes)
    expect({ valid: validates(config), errors: validates.errors }).toMatchObject({ valid: true })
    if (!('pools.web.nodes.1' in changes)) resolveConfig(structuredClone(config))
  })

  test.each(filesUnder('examples', '.ts'))('%s, but for its functions', async (path) => {
    const text = readText(path)
    const { default: config } = (await import(join('../..', path))) as { default: typeof base }
    const written = JSON.parse(
      JSON.stringify(config, (_, value) => (typeof value === 'function' ? undefined : value)),
    )
    expect({ valid: validates(written), errors: validates.errors }).toMatchObject({ valid: true })
    expect(text).toContain('defineConfig')
  })

  test('a file in JSON is a configuration', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-json-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const file = join(folder, 'site.json')
    writeFileSync(file, JSON.stringify({ $schema: './sluice.schema.json', ...base }))
    expect((await loadConfigFile(file)).config.virtualServers).toMatchObject([{ name: 'site' }])
  })
})
