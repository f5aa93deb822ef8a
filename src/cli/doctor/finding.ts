/**
 * What one check of the doctor found.
 */
export interface Finding {
  check: string
  ok: boolean
  /** Whether the engine cannot do without, so that a miss is a failure and not just a remark. */
  needed: boolean
  detail: string
  /** What to do; '' when all is well. */
  remedy: string
}

export const healthy = (check: string, detail: string): Finding => ({
  check,
  ok: true,
  needed: true,
  detail,
  remedy: '',
})

/** The engine, or what was asked of it, cannot run like this. */
export const missing = (check: string, detail: string, remedy: string): Finding => ({
  check,
  ok: false,
  needed: true,
  detail,
  remedy,
})

/** Worth knowing, and nothing that stops the engine. */
export const remark = (check: string, detail: string, remedy: string): Finding => ({
  check,
  ok: false,
  needed: false,
  detail,
  remedy,
})
