/** The command line as a process: what it prints where, and its exit codes. Needs no privilege. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tryRun } from '../../src/laboratory/lab-process.js'
import { filesUnder, root } from '../helpers/repository.js'
import { sluice } from '../helpers/sluice-command.js'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-cli-'))
})

afterAll(() => rm(folder, { recursive: true, force: true }))

async function config(name: string, text: string): Promise<string> {
  const file = join(folder, name)
  await writeFile(file, text)
  return file
}

test('--help and --version', async () => {
  expect(await sluice('--help')).toMatchObject({ code: 0, stderr: '' })
  expect((await sluice('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
})

test('a command that does not exist is a usage error', async () => {
  expect(await sluice('fly')).toMatchObject({ code: 2, stdout: '' })
})

test('a reader that has enough is no failure', async () => {
  const line = `"$0" "$1" doctor | head -n 1; exit "\${PIPESTATUS[0]}"`
  const result = await tryRun(['bash', '-c', line, process.execPath, join(root, 'bin/sluice.js')])
  expect(result.stderr).toBe('')
  expect([0, 5]).toContain(result.code)
})

describe('sluice check', () => {
  test.each(filesUnder('examples', '.ts'))('%s is valid', async (path) => {
    const file = join(root, path)
    expect(await sluice('check', file)).toMatchObject({ code: 0, stderr: '' })
    const { code, stdout } = await sluice('check', file, '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ valid: true, ports: 2, issues: [] })
  })

  test('a wrong file: exit 4, each problem with its key and its remedy', async () => {
    const file = await config(
      'wrong.ts',
      `export default {
        ports: { outside: { kind: 'packet', device: 'eth0', adress: '192.0.2.1/24' } },
        virtualServers: { site: { listen: 'tcp://192.0.2.100', pool: 'web' } },
      }`,
    )
    const { code, stdout, stderr } = await sluice('check', file)
    expect({ code, stdout }).toEqual({ code: 4, stdout: '' })
    expect(stderr).toContain('ERR_SLUICE_CONFIG')
    expect(stderr).toContain('ports.outside.adress')
    expect(stderr).toContain('virtualServers.site.listen')
    const json = await sluice('check', file, '--json')
    expect(json.code).toBe(4)
    const { valid, issues } = JSON.parse(json.stdout)
    expect(valid).toBe(false)
    expect(issues.map(({ remedy }: { remedy: string }) => remedy)).not.toContain('')
  })

  test.each([
    ['that does not compile', 'export default {'],
    ['without a default export', 'export const x = 1'],
    ['that throws', 'throw new Error("no")'],
  ])('a file %s: exit 4, with the place', async (_, text) => {
    const file = await config('broken.ts', text)
    const { code, stderr } = await sluice('check', file)
    expect(code).toBe(4)
    expect(stderr).toContain('broken.ts')
  })

  test('a file that does not exist: exit 4', async () => {
    const { code, stderr } = await sluice('check', join(folder, 'absent.ts'))
    expect(code).toBe(4)
    expect(stderr).toContain('absent.ts')
  })
})

describe('sluice doctor', () => {
  test('each finding has a detail, each trouble a remedy', async () => {
    const { code, stdout } = await sluice('doctor', '--json')
    const { ok, findings } = JSON.parse(stdout)
    expect(code).toBe(ok ? 0 : 5)
    for (const finding of findings) {
      expect(finding).toMatchObject({
        check: expect.any(String),
        detail: expect.stringMatching(/./),
      })
      expect(finding.remedy === '').toBe(finding.ok)
    }
  })

  test('a device that is not there: exit 5', async () => {
    const file = await config(
      'absent-device.ts',
      `export default { ports: {
        outside: { kind: 'packet', device: 'absent0', address: '192.0.2.1/24' },
      } }`,
    )
    const { code, stdout } = await sluice('doctor', file, '--json')
    expect(code).toBe(5)
    expect(JSON.parse(stdout).findings).toContainEqual(
      expect.objectContaining({ ok: false, needed: true, detail: 'there is no device absent0' }),
    )
  })
})

test.each([['status'], ['flows']])('%s without an engine: exit 3', async (command) => {
  const { code, stdout, stderr } = await sluice(command, '--socket', join(folder, 'none.sock'))
  expect({ code, stdout }).toEqual({ code: 3, stdout: '' })
  expect(stderr).toContain('ERR_SLUICE_UNREACHABLE')
})
