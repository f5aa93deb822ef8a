/**
 * Every failure that a user of the package meets. Match on `code`, which is stable, never on the
 * class or the text: two copies of the package in one process have two classes.
 */

/**
 * The codes of the engine; the command line and the laboratory have some of their own.
 *
 * - `ERR_SLUICE_CONFIG`: the configuration is wrong; `issues` has every problem with its remedy.
 * - `ERR_SLUICE_ADDON`: the native addon is missing or was built for another machine.
 * - `ERR_SLUICE_PERMISSION`: the host refused an operation for want of privilege.
 * - `ERR_SLUICE_DEVICE`: the host refused an operation on a device for another reason.
 * - `ERR_SLUICE_VIRTUAL_SERVER`: the data flow segment refused a virtual server, or there is none of
 *   that name.
 * - `ERR_SLUICE_TIMEOUT`: the data flow segment did not answer in time.
 * - `ERR_SLUICE_STOPPED`: the engine was stopped while the call waited, or before it.
 * - `ERR_SLUICE_RESTART`: the change of configuration needs a new engine.
 * - `ERR_SLUICE_CAPTURE`: what is to be captured is not understood.
 * - `ERR_SLUICE_BUSY`: there is a capture already.
 * - `ERR_SLUICE_NODE`: a pool has no node of that name.
 * - Of sockets (docs/sockets.md): `ERR_SLUICE_ADDR_IN_USE`, `_ADDR_NOT_OWNED`, `_NO_ROUTE`, `_IN_USE`,
 *   `_TUPLE_IN_USE`, `_BYTE_COUNT`, `_PARK_DIRTY`, `_STATE`, `_BUFFERED`, `_IDENTITY`, `_UNPROXIED`, `_REENTRANT`, `_CLOSED`, `_NO_SUCH_FLOW`, `_MEMORY`,
 *   `_POOL`; and those of node:net where its users expect them.
 * - `ERR_SLUICE_ADMIN_CERTIFICATE`: a file of `admin` cannot be used.
 */
export type SluiceErrorCode = `ERR_SLUICE_${string}`

/** One thing that is wrong with a configuration. */
export interface ConfigIssue {
  /** Where: `pools.web.nodes[0]`, or `site.ts:12:7` in a file that does not compile. */
  readonly key: string
  /** What is wrong, as the rest of a sentence that begins with the key. */
  readonly problem: string
  /** What to do about it. */
  readonly remedy: string
}

export interface SluiceErrorOptions {
  cause?: unknown
  issues?: readonly ConfigIssue[]
  passed?: bigint
}

export class SluiceError extends Error {
  override readonly name = 'SluiceError'
  readonly code: SluiceErrorCode
  /** What the user can do. */
  readonly remedy: string
  /** The problems of a configuration; empty for other errors. */
  readonly issues: readonly ConfigIssue[]
  /** Bytes that had passed, of those that `unproxyUntil` was to wait for. */
  readonly passed: bigint | undefined

  constructor(
    code: SluiceErrorCode,
    message: string,
    remedy: string,
    options: SluiceErrorOptions = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.remedy = remedy
    this.issues = options.issues ?? []
    if (options.passed !== undefined) this.passed = options.passed
  }
}

/** The error for a configuration with these problems; `subject` is the file or 'The configuration'. */
export function configError(
  subject: string,
  issues: readonly ConfigIssue[],
  cause?: unknown,
): SluiceError {
  const count = issues.length === 1 ? 'a problem' : `${issues.length} problems`
  const list = issues.map((issue) => `${issue.key} ${issue.problem}`).join('; ')
  const remedy = issues.map((issue) => `${issue.key}: ${issue.remedy}`).join('; ')
  return new SluiceError('ERR_SLUICE_CONFIG', `${subject} has ${count}: ${list}.`, remedy, {
    issues,
    cause,
  })
}
