import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Reporter, TestCase, TestModule } from 'vitest/node'
import { root } from './repository.js'

/**
 * Ends a run with every reason for which tests were skipped, and one plain line of totals, which it
 * also leaves in out/test-summary.txt for .ci/run.
 */
export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>, errors: ReadonlyArray<unknown>): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()])
    const inState = (state: string) => tests.filter((test) => test.result().state === state)
    const skipped = inState('skipped')
    // A file that does not load has no tests that could fail.
    const broken = modules.filter((module) => module.errors().length > 0).length + errors.length
    const failed = inState('failed').length + broken
    const totals = `${inState('passed').length} passed, ${failed} failed, ${skipped.length} skipped`
    for (const [reason, count] of countReasons(skipped)) console.log(`skipped ${count}: ${reason}`)
    console.log(totals)
    mkdirSync(join(root, 'out'), { recursive: true })
    writeFileSync(join(root, 'out/test-summary.txt'), `${totals}\n`)
  }
}

function countReasons(skipped: TestCase[]): Map<string, number> {
  const reasons = new Map<string, number>()
  for (const test of skipped) {
    const result = test.result()
    const reason = (result.state === 'skipped' && result.note) || 'no reason given'
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
  }
  return reasons
}
