/** What the schema found, in words: the key as a user writes it, the problem, the remedy. */
import { closest, distance } from 'fastest-levenshtein'
import type { z } from 'zod'
import type { ConfigIssue } from '../errors.js'
import { isLaterKey } from './later.js'

type Path = readonly PropertyKey[]

function child(value: unknown, part: PropertyKey): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  return (value as Record<PropertyKey, unknown>)[part]
}

/** The path as far as the user's own value goes: the schema sees a single address as a list. */
function writtenPath(config: unknown, path: Path): Path {
  let value = config
  const end = path.findIndex((part) => {
    if (typeof value !== 'object' || value === null) return true
    if (typeof part === 'number' && !Array.isArray(value)) return true
    value = child(value, part)
    return false
  })
  return end < 0 ? path : path.slice(0, end)
}

export function formatKey(path: Path): string {
  const text = path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
  return text.replace(/^\./, '') || 'the configuration'
}

const article = (noun: string) => (/^[aeiou]/.test(noun) ? `an ${noun}` : `a ${noun}`)

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  return article(Array.isArray(value) ? 'list' : typeof value)
}

const notYet = {
  problem: 'is not supported by this version yet',
  remedy: 'take it out; CHANGELOG.md says what each version brings',
}

function unknownKey(path: Path, key: string, valid: readonly string[]): ConfigIssue {
  const where = formatKey([...path, key])
  if (isLaterKey(path, key)) return { key: where, ...notYet }
  const nearest = closest(key, valid)
  const remedy =
    nearest && distance(key, nearest) <= Math.max(2, key.length / 3)
      ? `did you mean '${nearest}'?`
      : `take it out; the keys here are ${valid.join(', ')}`
  return { key: where, problem: 'is not a key that Sluice knows', remedy }
}

function wrongValue(key: string, value: unknown, values: readonly unknown[]): ConfigIssue {
  if (value === undefined) {
    return { key, problem: 'is missing', remedy: `set it to ${values.join(', ')}` }
  }
  return {
    key,
    problem: `is ${JSON.stringify(value)}`,
    remedy: `take ${values.join(', ')}`,
  }
}

function wrongType(key: string, value: unknown, expected: string): ConfigIssue {
  const noun = { record: 'object', array: 'list' }[expected] ?? expected
  if (value === undefined) return { key, problem: 'is missing', remedy: `add ${article(noun)}` }
  return { key, problem: `is ${kindOf(value)}`, remedy: `make it ${article(noun)}` }
}

/** Keys of the object that the schema has at a path. */
export type KeysAt = (path: Path) => readonly string[]

function describe(issue: z.core.$ZodIssue, config: unknown, keysAt: KeysAt): ConfigIssue[] {
  const path = writtenPath(config, issue.path)
  const key = formatKey(path)
  const value = path.reduce(child, config)
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((name) => unknownKey(path, name, keysAt(issue.path)))
  }
  switch (issue.code) {
    case 'invalid_type':
      return [wrongType(key, value, issue.expected)]
    case 'invalid_value':
      return [wrongValue(key, value, issue.values)]
    case 'invalid_key':
      return [
        {
          key,
          problem: 'is not a name that Sluice takes',
          remedy: 'begin with a letter, go on with letters, digits, and the signs _ . -',
        },
      ]
    case 'too_small':
      return [{ key, problem: 'is empty', remedy: 'name at least one' }]
    case 'custom':
      return [
        {
          key,
          problem: value === undefined ? 'is missing' : issue.message,
          remedy: String(issue.params?.remedy),
        },
      ]
    default:
      return [
        { key, problem: `is not valid: ${issue.message}`, remedy: 'write it as the examples do' },
      ]
  }
}

/** Every problem, each key once. */
export function describeIssues(
  error: z.ZodError,
  config: unknown,
  keysAt: KeysAt,
): readonly ConfigIssue[] {
  const all = error.issues.flatMap((issue) => describe(issue, config, keysAt))
  return all.filter((issue, i) => all.findIndex((other) => other.key === issue.key) === i)
}
