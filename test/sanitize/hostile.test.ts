/**
 * Hostile frames, random lives of flows and the fuzz corpora, with AddressSanitizer and
 * UndefinedBehaviorSanitizer: any finding ends the program, and with it the case it happened in.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { corpusFiles, fuzzTargets } from '../../scripts/native-build.mjs'
import { root } from '../helpers/repository.js'
import { listCases, runCases } from '../native/doctest.js'

const program = 'out/hostile/sluice_hostile'
const built = spawnSync(process.execPath, ['scripts/sanitize.mjs', '--build-hostile'], {
  cwd: root,
  encoding: 'utf8',
})
const cases = listCases(program)

test('the instrumented programs are built', () => {
  expect(built.status, `${built.stdout}${built.stderr}`).toBe(0)
  expect(cases.length).toBeGreaterThan(0)
})

describe('under ASan and UBSan', () => {
  let run: ReturnType<typeof runCases>

  beforeAll(() => {
    run = runCases(program)
  })

  for (const { name, place } of cases) {
    test(name, () => {
      const result = run.results.get(name)
      expect(
        result?.passed,
        `${place}\n${result?.report ?? 'did not come to run'}\n${run.end}`,
      ).toBe(true)
    })
  }

  for (const target of fuzzTargets()) {
    test(`${target} takes every kept input`, () => {
      const replay = join(root, `out/hostile/replay_${target}`)
      const options = { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 } as const
      const { status, signal, stderr } = spawnSync(replay, corpusFiles(target), options)
      const ended = { status, signal }
      expect(ended, stderr.split('\n').slice(-60).join('\n')).toEqual({ status: 0, signal: null })
    })
  }
})
