/**
 * The Unix socket of the administration interface: where it is by default, and how a path is
 * claimed. A socket that a dead process left is replaced; one that answers is never touched.
 */
import { lstat, unlink } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { SluiceError } from '../errors.js'

/** Longest path that fits `sun_path` of a Linux `sockaddr_un` with its closing zero byte. */
const maxPathBytes = 107

/**
 * `/run/sluice.sock` for root, `$XDG_RUNTIME_DIR/sluice.sock` for everybody else, and a file in
 * `/tmp` that carries the user's number where no such directory is set.
 */
export function defaultSocketPath(
  env: NodeJS.ProcessEnv = process.env,
  uid: number = process.getuid?.() ?? 0,
): string {
  if (uid === 0) return '/run/sluice.sock'
  return env.XDG_RUNTIME_DIR ? join(env.XDG_RUNTIME_DIR, 'sluice.sock') : `/tmp/sluice-${uid}.sock`
}

/**
 * Makes `path` free to listen on.
 * @throws {SluiceError} where the path is too long, in use by a live process, or not a socket.
 */
export async function claimSocketPath(path: string): Promise<void> {
  if (Buffer.byteLength(path) > maxPathBytes) {
    throw refused(
      `The socket path ${path} is too long for Linux`,
      'Give a shorter one with --socket.',
    )
  }
  const found = await lstat(path).catch(() => undefined)
  if (!found) return
  if (!found.isSocket()) {
    throw refused(
      `${path} exists and is not a socket`,
      'Remove it, or give another path with --socket.',
    )
  }
  if (await answers(path)) {
    throw refused(
      `Another engine listens on ${path}`,
      'Stop that one first, or give this one a path of its own with --socket.',
    )
  }
  await unlink(path).catch((cause) => {
    throw refused(
      `The socket ${path}, left by a process that is gone, cannot be replaced`,
      'Remove it as its owner, or give another path with --socket.',
      cause,
    )
  })
}

function refused(sentence: string, remedy: string, cause?: unknown): SluiceError {
  return new SluiceError('ERR_SLUICE_SOCKET', `${sentence}.`, remedy, { cause })
}

/** Whether a process accepts connections on the socket. Without permission to ask, assume so. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createConnection(path)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT')
    })
  })
}
