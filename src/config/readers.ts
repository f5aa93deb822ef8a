/** What the schema's values are made of: readings of any input, each with its remedy. */
import { z } from 'zod'

export interface Trouble {
  problem: string
  remedy: string
  /** The key inside the value that is to blame. */
  inside?: string
}

const isTrouble = (value: object): value is Trouble => 'problem' in value && 'remedy' in value

/** A value that `read` makes of any input, or says what is wrong with it. */
export function reading<T extends object | string | number>(read: (input: unknown) => T | Trouble) {
  return z.unknown().transform((input, context): T => {
    const result = read(input)
    if (typeof result !== 'object' || !isTrouble(result)) return result
    const { problem, remedy, inside } = result
    const path = inside === undefined ? [] : [inside]
    context.addIssue({ code: 'custom', message: problem, params: { remedy }, path })
    return z.NEVER
  })
}

/** One value or a list of them, as a list. */
export const oneOrMore = <T extends z.ZodType>(item: T) =>
  z.preprocess((input) => (Array.isArray(input) ? input : [input]), z.array(item).min(1))

interface Bounds {
  readonly min: number
  readonly max: number
  /** May lie outside, if it has a meaning of its own. */
  readonly default?: number
}

export const bounded = ({ min, max, default: usual }: Bounds) =>
  reading<number>((input) =>
    typeof input === 'number' &&
    ((Number.isInteger(input) && input >= min && input <= max) || input === usual)
      ? input
      : { problem: `is not a whole number from ${min} to ${max}`, remedy: 'choose one in between' },
  )

const number = bounded({ min: 0, max: 0 }).default(0)

export function boundedObject<
  B extends Record<
    string,
    { readonly min: number; readonly max: number; readonly default: number }
  >,
>(bounds: B) {
  const shape = Object.fromEntries(
    Object.entries(bounds).map(([key, value]) => [key, bounded(value).default(value.default)]),
  )
  return z.strictObject(shape as { [K in keyof B]: typeof number }).prefault({} as never)
}

export const matching = (pattern: RegExp, problem: string, remedy: string) =>
  reading<string>((input) =>
    typeof input === 'string' && pattern.test(input) ? input : { problem, remedy },
  )
