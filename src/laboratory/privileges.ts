/**
 * Laboratories without root: the present command runs again as root of a user namespace of its own,
 * where named network namespaces, veth, bridges, AF_PACKET and nftables all work. TAP does where
 * /dev/net/tun is open to everybody.
 */
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { capabilities } from './capabilities.js'
import { LaboratoryError } from './error.js'

/** Marks the second run, so that a host which refuses there as well is not asked for ever. */
const MARK = 'SLUICE_USER_NAMESPACE'

/**
 * Inside the new namespaces: a /run of our own, for `ip netns` to write in, with the user's own
 * run-time folder back in its place, so that sockets there are reachable from outside.
 */
const PREPARE = `
set -e
home="\${XDG_RUNTIME_DIR:-}"
if [ -n "$home" ] && [ -d "$home" ]; then exec 9<"$home"; else home=; fi
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/netns
if [ -n "$home" ]; then
  mkdir -p "$home"
  mount --no-canonicalize --bind /proc/self/fd/9 "$home"
  exec 9<&-
fi
ip link set lo up
exec "$@"
`

/**
 * Returns when this process can lay laboratories. Where it must become root of a user namespace for
 * that, runs the present command there and ends this process with its exit code: call it before
 * anything has an effect. @throws {LaboratoryError} where the host allows neither.
 */
export async function ensurePrivileges(): Promise<void> {
  const host = await capabilities()
  if (host.netns.available) return
  if (process.env[MARK] || !host.userNamespaces.available) {
    const { reason, remedy } = process.env[MARK] ? host.netns : host.userNamespaces
    throw new LaboratoryError(
      'ERR_SLUICE_LAB_PRIVILEGE',
      `not root, and user namespaces are not to be had: ${reason}`,
      remedy,
    )
  }
  process.exit(await runAgain())
}

/** The command line that runs `command` as root of a user namespace of its own. */
export function inUserNamespace(command: readonly string[]): [string, ...string[]] {
  // pdeathsig: if this process is killed, the second run still comes to an orderly end.
  const prefix = ['setpriv', '--pdeathsig', 'TERM', 'sh', '-c', PREPARE, 'sh'] as const
  return ['unshare', '-Urnm', '--', ...prefix, ...command]
}

async function runAgain(): Promise<number> {
  const command = [process.execPath, ...process.execArgv, ...process.argv.slice(1)]
  const [file, ...args] = inUserNamespace(command)
  const child = spawn(file, args, { stdio: 'inherit', env: { ...process.env, [MARK]: '1' } })
  // A terminal sends SIGINT to both; here it must only not end the waiting parent.
  process.on('SIGINT', () => {})
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => child.kill(signal))
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) =>
      resolve(code ?? 128 + constants.signals[signal as NodeJS.Signals]),
    )
  })
}
