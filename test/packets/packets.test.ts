/** One case for each packet script and family; the program that plays them runs once. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { filesUnder, root } from '../helpers/repository.js'

const program = 'out/cmake/build/packet_scripts'
const scripts = filesUnder('test/packets', '.pkt').filter((path) => !path.includes('/common/'))
/** What went wrong, by family and path; empty where nothing did. */
const results = new Map<string, string>()

beforeAll(() => {
  if (!existsSync(join(root, program))) return
  const { stdout, stderr, signal } = spawnSync(join(root, program), scripts, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  for (const result of stdout.split(/^(?=ok |not ok )/m)) {
    const [, family, path, problem] = /^(?:not )?ok (\d) (\S+)\n([\s\S]*)$/.exec(result) ?? []
    if (path) results.set(`${family} ${path}`, (problem ?? '').trim())
  }
  if (signal) throw new Error(`packet_scripts ended by ${signal}\n${stderr}`)
})

test('the player of packet scripts is built', () => {
  expect(existsSync(join(root, program)), 'npm run build:native').toBe(true)
})

/** A script's first line says which requirements it shows, and what. */
function subject(path: string): string {
  const [first = ''] = readFileSync(join(root, path), 'utf8').split('\n')
  return first.replace(/^# */, '')
}

test('every script names its requirements and its clause', () => {
  const wrong = scripts.filter((path) => !/^[A-Z]{2,}-\d\d.*\(RFC .*\)$/.test(subject(path)))
  expect(wrong).toEqual([])
})

/** Both, but where headers of different size make a difference. */
function families(path: string): string[] {
  const [, only] = /^set family (\d)$/m.exec(readFileSync(join(root, path), 'utf8')) ?? []
  return only ? [only] : ['4', '6']
}

for (const path of scripts) {
  for (const family of families(path)) {
    test(`${subject(path)}: ${path}, IPv${family}`, () => {
      expect(results.get(`${family} ${path}`)).toBe('')
    })
  }
}
