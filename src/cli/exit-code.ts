/**
 * What a command's exit code tells a script. The numbers are part of the interface: README.md and
 * docs/troubleshooting.md name them.
 */
export const ExitCode = {
  ok: 0,
  failure: 1,
  usage: 2,
  unreachable: 3,
  invalid: 4,
  denied: 5,
} as const

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode]

const byErrorCode: Readonly<Record<string, ExitCode>> = {
  ERR_SLUICE_UNREACHABLE: ExitCode.unreachable,
  ERR_SLUICE_CONFIG: ExitCode.invalid,
  ERR_SLUICE_RESTART: ExitCode.invalid,
  ERR_SLUICE_ADMIN_CERTIFICATE: ExitCode.invalid,
  ERR_SLUICE_PERMISSION: ExitCode.denied,
  ERR_SLUICE_DEVICE: ExitCode.denied,
  ERR_SLUICE_ADMIN_PEER: ExitCode.denied,
  ERR_SLUICE_ADMIN_READ_ONLY: ExitCode.denied,
  ERR_SLUICE_LAB_PRIVILEGE: ExitCode.denied,
}

/** The exit code for an error that ended a command. */
export function exitCodeFor(error: unknown): ExitCode {
  const code = (error as { code?: unknown } | null)?.code
  return (typeof code === 'string' && byErrorCode[code]) || ExitCode.failure
}
