import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { clangFormat, nativeFiles } from '../../scripts/native-files.mjs'
import { root } from '../helpers/repository.js'

function complaints(command: string, args: string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8' })
  return status === 0 ? '' : `${stdout}${stderr}`
}

const tool = (name: string) => join(root, 'node_modules/.bin', name)

test('TypeScript is formatted and clean: npm run format', () => {
  expect(complaints(tool('biome'), ['check', '--max-diagnostics=20', '.'])).toBe('')
})

test('TypeScript has no type errors, tests included', () => {
  expect(complaints(tool('tsc'), ['-p', 'test'])).toBe('')
})

test('C++ is formatted: npm run format', (context) => {
  const command = clangFormat()
  if (!command) return context.skip('clang-format-14 is not installed')
  expect(complaints(command, ['--dry-run', '-Werror', ...nativeFiles()])).toBe('')
})
