import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { loadConfigFile } from '../../src/config/load.js'
import type { SluiceError } from '../../src/errors.js'
import type { NewFlow } from '../../src/policy/new-flow.js'

const files = vi.hoisted(() => ({ access: vi.fn() }))
vi.mock('node:fs/promises', async (actual) => ({ ...(await actual<object>()), ...files }))

const ports = `{ a: { kind: 'memory', address: '192.0.2.1/24' } }`

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-load-test-'))
})

afterEach(async () => {
  await rm(folder, { recursive: true })
})

async function write(name: string, text: string): Promise<string> {
  const path = join(folder, name)
  await mkdir(join(path, '..'), { recursive: true })
  await writeFile(path, text)
  return path
}

async function failure(path: string): Promise<SluiceError> {
  const outcome = await loadConfigFile(path).then(
    () => undefined,
    (error: SluiceError) => error,
  )
  expect(outcome?.code).toBe('ERR_SLUICE_CONFIG')
  return outcome as SluiceError
}

describe('loadConfigFile', () => {
  test.each(['site.ts', 'site.js', 'site.mjs'])('loads %s', async (name) => {
    const path = await write(name, `export default { ports: ${ports} }`)
    const { config, files } = await loadConfigFile(path)
    expect(config.ports[0].name).toBe('a')
    expect(files).toEqual([path])
  })

  test("compiles TypeScript, follows imports, and 'sluice' is this package", async () => {
    await write('lib/name.ts', `export const name: string = 'web'`)
    await write(
      'lib/package.cjs',
      `const os = require('node:os'); module.exports = { os: os.type() }`,
    )
    const path = await write(
      'site.ts',
      `import { defineConfig } from 'sluice'
       import { name } from './lib/name.js'
       import host from './lib/package.cjs'
       import { basename } from 'node:path'
       export default defineConfig({
         ports: ${ports},
         pools: { web: { nodes: ['192.0.2.11:80'] } },
         virtualServers: { site: {
           listen: 'tcp://192.0.2.100:80',
           policy: async (flow) => [name, host.os, basename(import.meta.url), import.meta.dirname] as never,
         } },
       })`,
    )
    const { config, files } = await loadConfigFile(path)
    const policy = config.virtualServers[0].decide as (flow: NewFlow) => Promise<unknown>
    expect(await policy({} as NewFlow)).toEqual(['web', 'Linux', 'site.ts', folder])
    expect([...files].sort()).toEqual([
      join(folder, 'lib/name.ts'),
      join(folder, 'lib/package.cjs'),
      path,
    ])
  })

  test('LB-12 the revision names the content, imports included', async () => {
    await write('pool.ts', `export const nodes = ['192.0.2.11:80']`)
    const path = await write(
      'site.ts',
      `import { nodes } from './pool.js'
       export default { ports: ${ports}, pools: { web: { nodes } } }`,
    )
    const first = await loadConfigFile(path)
    const again = await loadConfigFile(path)
    expect(again.revision).toBe(first.revision)
    expect(first.revision).toMatch(/^[0-9a-f]{12}$/)

    await write('pool.ts', `export const nodes = ['192.0.2.12:80']`)
    const next = await loadConfigFile(path)
    expect(next.revision).not.toBe(first.revision)
    expect(next.config.pools[0].nodes[0].endpoint.address).toBe('192.0.2.12')
  })

  test('a file URL will do', async () => {
    const path = await write('site.ts', `export default { ports: ${ports} }`)
    expect((await loadConfigFile(new URL(`file://${path}`))).files).toEqual([path])
  })

  test('leaves nothing behind, also where it fails', async () => {
    const temporary = join(folder, 'tmp')
    await mkdir(temporary)
    vi.stubEnv('TMPDIR', temporary)
    onTestFinished(() => void vi.unstubAllEnvs())
    await loadConfigFile(await write('site.ts', `export default { ports: ${ports} }`))
    await failure(await write('bad.ts', `throw new Error('no')`))
    expect(await readdir(temporary)).toEqual([])
    expect(await readdir(folder)).toEqual(['bad.ts', 'site.ts', 'tmp'])
  })
})

describe('what does not load says where', () => {
  test('a syntax error: file, line and column', async () => {
    const path = await write('site.ts', `const a = 1\nexport default { ports: { a: b c } }\n`)
    const { issues, message } = await failure(path)
    expect(issues[0].key).toBe(`${path}:2:32`)
    expect(message).toContain('does not compile: Expected "}" but found "c"')
  })

  test('an import that cannot be found, in the file that imports it', async () => {
    await write('lib.ts', `import './nowhere.js'`)
    const { issues } = await failure(await write('site.ts', `import './lib.js'`))
    expect(issues[0].key).toBe(`${join(folder, 'lib.ts')}:1:8`)
    expect(issues[0].problem).toContain('nowhere')
  })

  test('a file that does not exist', async () => {
    const path = join(folder, 'none.ts')
    const { issues } = await failure(path)
    expect(issues).toEqual([
      { key: path, problem: 'does not exist', remedy: 'correct the path, or write it' },
    ])
  })

  test('a file below what is no folder', async () => {
    const path = await write('site.ts', '')
    expect((await failure(join(path, 'none.ts'))).issues[0].problem).toBe('does not exist')
  })

  test('a folder', async () => {
    const { issues } = await failure(folder)
    expect(issues).toEqual([
      { key: folder, problem: 'is a folder', remedy: 'name the configuration file in it' },
    ])
  })

  test.each(['EACCES', 'EPERM'])('a file that is not to be read: %s', async (code) => {
    const path = await write('site.ts', '')
    // Root may read everything, so the answer of the system is made up.
    files.access.mockRejectedValueOnce(Object.assign(new Error('no'), { code }))
    const { issues } = await failure(path)
    expect(issues).toMatchObject([{ key: path, problem: 'may not be read' }])
  })

  test('code that throws', async () => {
    const error = await failure(await write('site.ts', `throw new TypeError('not today')`))
    expect(error.message).toContain('throws when it is run: not today')
    expect(error.cause).toBeInstanceOf(TypeError)
  })

  test('a top level that waits for ever, after ten seconds', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const running = new Promise((resolve) => process.once('waits', resolve))
    const path = await write('site.ts', `process.emit('waits'); await new Promise(() => {})`)
    const failed = failure(path)
    await running
    vi.advanceTimersByTime(10_000)
    expect((await failed).issues).toMatchObject([
      { key: path, problem: expect.stringContaining('does not come to an end: after 10 s') },
    ])
  })

  test('no default export', async () => {
    const { issues } = await failure(await write('site.ts', `export const config = {}`))
    expect(issues[0].remedy).toContain('export default defineConfig')
  })

  test('a configuration that is wrong: the file stands in the sentence', async () => {
    const error = await failure(await write('site.ts', `export default { port: {} }`))
    expect(error.message).toMatch(/site\.ts has 2 problems: ports is missing; port is not a key/)
  })
})
