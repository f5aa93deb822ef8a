/** Runs the C++ tests (doctest) and reads its XML report. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../helpers/repository.js'

export interface NativeCase {
  name: string
  /** Where it stands in the source. */
  place: string
}

export interface NativeResult {
  passed: boolean
  /** What failed, one paragraph for each assertion. */
  report: string
  /** Why it did not run to its end on this machine: what it printed on a line after `SKIPPED:`. */
  skipped?: string
}

// doctest escapes quotes in attributes, but not '>'.
const attributeList = '((?:\\w+="[^"]*"\\s*)*)'
const testCase = new RegExp(`<TestCase ${attributeList}`)
const finding = new RegExp(
  `<(Expression|Exception|Message) ${attributeList}>([\\s\\S]*?)</\\1>`,
  'g',
)
const allTests = 'out/cmake/build/sluice_tests'

/** The cases that the executable holds, in its order; none where it was not built. */
export function listCases(executable = allTests): NativeCase[] {
  if (!existsSync(join(root, executable))) return []
  return elements(run(executable, ['--list-test-cases']).output).map((element) => {
    const attributes = attributesOf(element)
    const file = attribute(attributes, 'filename')
    return {
      name: attribute(attributes, 'name'),
      place: `${file}:${attribute(attributes, 'line')}`,
    }
  })
}

/** Runs all cases in one process; a case that is not in the map did not come to run. */
export function runCases(executable = allTests): {
  results: Map<string, NativeResult>
  end: string
} {
  const { output, end } = run(executable, [])
  const results = new Map<string, NativeResult>()
  for (const element of elements(output)) {
    const passed = / test_case_success="true"/.test(element)
    const report = passed ? '' : failures(element)
    const skipped = /^SKIPPED: (.*)$/m.exec(element)?.[1]
    results.set(attribute(attributesOf(element), 'name'), { passed, report, skipped })
  }
  return { results, end }
}

function run(executable: string, args: string[]): { output: string; end: string } {
  const options = { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 } as const
  const { stdout, stderr, status, signal } = spawnSync(
    join(root, executable),
    ['-r=xml', ...args],
    options,
  )
  return { output: stdout, end: `${stderr}ended with ${signal ?? `exit code ${status}`}` }
}

/** The text of each TestCase element, also of one that a crash cut short. */
function elements(output: string): string[] {
  return output.split(/(?=<TestCase )/).slice(1)
}

function attributesOf(element: string): string {
  return testCase.exec(element)?.[1] ?? ''
}

function failures(element: string): string {
  const paragraphs = [...element.matchAll(finding)]
    .filter(([, , attributes = '']) => attribute(attributes, 'success') !== 'true')
    .map(([, , attributes = '', body = '']) => {
      const place = `${attribute(attributes, 'filename')}:${attribute(attributes, 'line')}`
      const words = body.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ')
      return [place, attribute(attributes, 'type'), plainText(words).trim()].join(' ')
    })
  return paragraphs.join('\n') || 'the program ended inside this case'
}

function attribute(attributes: string, name: string): string {
  const [, value = ''] = new RegExp(`(?:^|\\s)${name}="([^"]*)"`).exec(attributes) ?? []
  return plainText(value)
}

function plainText(text: string): string {
  return text
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&quot;/g, '"')
    .replace(/&apos;/g, "'")
    .replace(/&amp;/g, '&')
}
