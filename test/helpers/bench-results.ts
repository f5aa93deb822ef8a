/** Short runs of the bench, for tests of the bench itself. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { Result } from '../../bench/statistics.js'
import { Laboratory } from '../../src/laboratory/index.js'
import { tryRun } from '../../src/laboratory/lab-process.js'
import { root } from './repository.js'

/** The results of one short run of what `scope` names. */
export async function resultsOf(scope: string[]): Promise<Result[]> {
  // For its folder only.
  await using lab = await Laboratory.create({ topology: 'tap', servers: 1 })
  const [json, svg] = [join(lab.folder, 'bench.json'), join(lab.folder, 'bench.svg')]
  const short = ['--runs', '1', '--seconds', '1', '--json', json, '--svg', svg]
  const bench = join(root, 'bench/run.mjs')
  const { code, stderr } = await tryRun([process.execPath, bench, ...scope, ...short])
  expect(stderr).toBe('')
  expect(code).toBe(0)
  return JSON.parse(readFileSync(json, 'utf8')).results
}
