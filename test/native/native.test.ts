import { beforeAll, expect, test } from 'vitest'
import { listCases, runCases } from './doctest.js'

/** One case here for each C++ case; the executable runs once. */
const cases = listCases()
let run: ReturnType<typeof runCases>

beforeAll(() => {
  run = runCases()
})

test('the C++ tests are built and their names differ', () => {
  expect(cases.length, 'npm run build:native').toBeGreaterThan(0)
  expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length)
})

for (const { name, place } of cases) {
  test(name, ({ skip }) => {
    const result = run.results.get(name)
    if (!result) throw new Error(`${place}: did not come to run\n${run.end}`)
    if (!result.passed) throw new Error(`${place}\n${result.report}\n${run.end}`)
    if (result.skipped) skip(result.skipped)
  })
}
