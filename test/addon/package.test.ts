import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { readText, root } from '../helpers/repository.js'

/** The package unpacked, inside the clone: it finds its dependencies in the clone's node_modules. */
const folder = join(root, 'out/packed')

function run(command: string, args: string[], cwd = folder): string {
  return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: 'pipe' }).trim()
}

beforeAll(() => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const archive = run('npm', ['pack', '--silent', '--pack-destination', folder], root)
  run('tar', ['-xzf', archive, '--strip-components=1'])
})

test('the packed package imports', () => {
  const code = "console.log(typeof (await import('sluice')).Engine.start)"
  expect(run(process.execPath, ['--input-type=module', '-e', code])).toBe('function')
})

test('the packed package has its command', () => {
  const { version } = JSON.parse(readText('package.json'))
  expect(run(process.execPath, ['bin/sluice.js', '--version'])).toBe(version)
})
