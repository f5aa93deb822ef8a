/**
 * Asks a running engine over its administration socket.
 */
import { request } from 'node:http'
import { SluiceError } from '../index.js'

const patienceMs = 10_000

/**
 * The JSON answer to `GET path`.
 * @throws {SluiceError} `ERR_SLUICE_UNREACHABLE` where no engine answers, `ERR_SLUICE_PERMISSION`
 *   where the socket may not be opened, `ERR_SLUICE_SOCKET` for an answer that was not expected.
 */
export async function askEngine<T>(socketPath: string, path: string): Promise<T> {
  const { status, body } = await get(socketPath, path)
  if (status !== 200) {
    throw new SluiceError(
      'ERR_SLUICE_SOCKET',
      `The engine answered ${path} with status ${status}.`,
      'See that the command and the engine are of the same version of Sluice.',
    )
  }
  return JSON.parse(body) as T
}

function get(socketPath: string, path: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error) => reject(unreachable(socketPath, cause))
    const asking = request({ socketPath, path, timeout: patienceMs, agent: false }, (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.once('error', fail)
      answer.once('end', () => {
        resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString() })
      })
    })
    asking.once('timeout', () => asking.destroy(new Error('no answer in time')))
    asking.once('error', fail)
    asking.end()
  })
}

function unreachable(socketPath: string, cause: NodeJS.ErrnoException): SluiceError {
  if (cause.code === 'EACCES' || cause.code === 'EPERM') {
    return new SluiceError(
      'ERR_SLUICE_PERMISSION',
      `This user may not open ${socketPath}.`,
      "Ask as the engine's user, as a member of its group, or as root.",
      { cause },
    )
  }
  return new SluiceError(
    'ERR_SLUICE_UNREACHABLE',
    `No engine answers on ${socketPath}.`,
    'Start one with `sluice run FILE`, or name its socket with --socket PATH.',
    { cause },
  )
}
