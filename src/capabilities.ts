/** What the kernel lets this process do beyond its user's rights (capabilities(7)). */
import { readFileSync } from 'node:fs'
import { dropCapabilitiesBut } from './native.js'

/** By their bits. */
const names = [
  ...['CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_DAC_READ_SEARCH', 'CAP_FOWNER', 'CAP_FSETID'],
  ...['CAP_KILL', 'CAP_SETGID', 'CAP_SETUID', 'CAP_SETPCAP', 'CAP_LINUX_IMMUTABLE'],
  ...['CAP_NET_BIND_SERVICE', 'CAP_NET_BROADCAST', 'CAP_NET_ADMIN', 'CAP_NET_RAW'],
  ...['CAP_IPC_LOCK', 'CAP_IPC_OWNER', 'CAP_SYS_MODULE', 'CAP_SYS_RAWIO', 'CAP_SYS_CHROOT'],
  ...['CAP_SYS_PTRACE', 'CAP_SYS_PACCT', 'CAP_SYS_ADMIN', 'CAP_SYS_BOOT', 'CAP_SYS_NICE'],
  ...['CAP_SYS_RESOURCE', 'CAP_SYS_TIME', 'CAP_SYS_TTY_CONFIG', 'CAP_MKNOD', 'CAP_LEASE'],
  ...['CAP_AUDIT_WRITE', 'CAP_AUDIT_CONTROL', 'CAP_SETFCAP', 'CAP_MAC_OVERRIDE'],
  ...['CAP_MAC_ADMIN', 'CAP_SYSLOG', 'CAP_WAKE_ALARM', 'CAP_BLOCK_SUSPEND', 'CAP_AUDIT_READ'],
  ...['CAP_PERFMON', 'CAP_BPF', 'CAP_CHECKPOINT_RESTORE'],
] as const

export type CapabilityName = (typeof names)[number]

/** Those in force; `status` is what /proc/PID/status says. */
export function effectiveCapabilities(
  status: string = readFileSync('/proc/self/status', 'utf8'),
): CapabilityName[] {
  const set = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`)
  return names.filter((_, bit) => ((set >> BigInt(bit)) & 1n) === 1n)
}

/**
 * Gives up all but these, on every thread of the process and for good: nor does a program that it
 * starts get any, set-user-id ones and those of root included.
 * @throws {Error} with `errno` where the kernel refuses
 */
export function dropCapabilities(kept: readonly CapabilityName[]): void {
  dropCapabilitiesBut(kept.map((name) => names.indexOf(name)))
}
