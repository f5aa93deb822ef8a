import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { corpusFiles, fuzzTargets } from '../../scripts/native-build.mjs'
import { root } from '../helpers/repository.js'

describe('fuzz corpora', () => {
  for (const target of fuzzTargets()) {
    test(`${target} takes every kept input`, () => {
      const files = corpusFiles(target)
      expect(files.length).toBeGreaterThan(0)
      const program = join(root, `out/cmake/build/replay_${target}`)
      const { status, signal, stderr } = spawnSync(program, files, { cwd: root, encoding: 'utf8' })
      // The last line of stderr names the input that ended the program.
      expect({ status, signal }, stderr.split('\n').slice(-4).join('\n')).toEqual({
        status: 0,
        signal: null,
      })
    })
  }
})
