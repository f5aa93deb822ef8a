/** What the schema's values are made of: readings of any input, each with its remedy. */
import { z } from 'zod'

export interface Trouble {
  problem: string
  remedy: string
  /** The key inside the value that is to blame. */
  inside?: string
}

const isTrouble = (value: object): value is Trouble => 'problem' in value && 'remedy' in value

/** What JSON Schema can say of a value: it may let pass what the reading refuses, never the reverse. */
export type JsonForm = z.core.JSONSchema.BaseSchema

/** No value of JSON will do: a function is wanted. */
export const notInJson: JsonForm = { not: {} }

/**
 * A value that `read` makes of any input, or says what is wrong with it.
 * @param json the same, as far as JSON Schema goes (json-schema.ts)
 */
export function reading<T extends object | string | number>(
  json: JsonForm,
  read: (input: unknown) => T | Trouble,
) {
  const value = z.unknown().transform((input, context): T => {
    const result = read(input)
    if (typeof result !== 'object' || !isTrouble(result)) return result
    const { problem, remedy, inside } = result
    const path = inside === undefined ? [] : [inside]
    context.addIssue({ code: 'custom', message: problem, params: { remedy }, path })
    return z.NEVER
  })
  return value.meta(json)
}

/** What may be written in the place of another value, for those that turn one into the other. */
export const writtenForms = new WeakMap<z.ZodType, z.ZodType>()

/** A value with a short form, which `complete` turns into the long one. */
export function withShortForm<T extends z.ZodType>(
  short: z.ZodType | undefined,
  complete: (input: unknown) => unknown,
  long: T,
) {
  const value = z.preprocess(complete, long)
  writtenForms.set(value, short ? z.union([short, long]) : long)
  return value
}

/** One value or a list of them, as a list. */
export const oneOrMore = <T extends z.ZodType>(item: T) =>
  withShortForm(item, (input) => (Array.isArray(input) ? input : [input]), z.array(item).min(1))

interface Bounds {
  readonly min: number
  readonly max: number
  /** May lie outside, if it has a meaning of its own. */
  readonly default?: number
}

export const bounded = ({ min, max, default: usual }: Bounds) =>
  reading<number>(numberForm(min, max, usual), (input) =>
    typeof input === 'number' &&
    ((Number.isInteger(input) && input >= min && input <= max) || input === usual)
      ? input
      : { problem: `is not a whole number from ${min} to ${max}`, remedy: 'choose one in between' },
  )

function numberForm(minimum: number, maximum: number, usual: number | undefined): JsonForm {
  const within: JsonForm = { type: 'integer', minimum, maximum }
  if (usual === undefined) return within
  if (usual >= minimum && usual <= maximum) return { ...within, default: usual }
  return { anyOf: [{ const: usual }, within], default: usual }
}

const units = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const

/** The number of bytes in '64MiB'; the input itself where it is not written so. */
function sizeOf(input: unknown): unknown {
  const [, digits, unit] = /^(\d{1,12})(KiB|MiB|GiB)$/.exec(String(input)) ?? []
  return unit === undefined ? input : Number(digits) * units[unit as keyof typeof units]
}

/** A number of bytes, or a text with its unit. */
export const size = (bounds: Bounds) => {
  const text: JsonForm = { type: 'string', pattern: '^[0-9]{1,12}(KiB|MiB|GiB)$' }
  return reading<number>(
    { anyOf: [numberForm(bounds.min, bounds.max, undefined), text], default: bounds.default },
    (input) => {
      const bytes = sizeOf(input)
      if (Number.isInteger(bytes) && Number(bytes) >= bounds.min && Number(bytes) <= bounds.max) {
        return Number(bytes)
      }
      const problem = `is no size from ${bounds.min} to ${bounds.max} bytes`
      return { problem, remedy: "write it as a number, or as '64MiB'" }
    },
  )
}

const number = bounded({ min: 0, max: 0 }).default(0)

export function boundedObject<
  B extends Record<
    string,
    {
      readonly min: number
      readonly max: number
      readonly default: number
      readonly isSize?: true
    }
  >,
>(bounds: B) {
  const shape = Object.fromEntries(
    Object.entries(bounds).map(([key, value]) => {
      const one = value.isSize ? size(value) : bounded(value)
      return [key, one.default(value.default)]
    }),
  )
  return z.strictObject(shape as { [K in keyof B]: typeof number }).prefault({} as never)
}

export const matching = (pattern: RegExp, problem: string, remedy: string) =>
  reading<string>({ type: 'string', pattern: pattern.source }, (input) =>
    typeof input === 'string' && pattern.test(input) ? input : { problem, remedy },
  )
