/**
 * Asks a running engine over its administration socket.
 */
import { request } from 'node:http'
import { SluiceError } from '../index.js'

const patienceMs = 10_000

/**
 * The JSON answer to `GET path`.
 * @throws {SluiceError} what the engine answers in place of it; `ERR_SLUICE_UNREACHABLE` where no
 *   engine answers, `ERR_SLUICE_PERMISSION` where the socket may not be opened, `ERR_SLUICE_SOCKET`
 *   for an answer that was not expected.
 */
export function askEngine<T>(socketPath: string, path: string): Promise<T> {
  return exchange<T>(socketPath, 'GET', path)
}

/** Has the engine do something: `POST path`, with a JSON body. @throws as `askEngine` */
export function tellEngine<T>(socketPath: string, path: string, body: object = {}): Promise<T> {
  return exchange<T>(socketPath, 'POST', path, JSON.stringify(body))
}

async function exchange<T>(
  socketPath: string,
  method: 'GET' | 'POST',
  path: string,
  sent?: string,
): Promise<T> {
  const { status, body } = await send(socketPath, method, path, sent)
  if (status < 300) return JSON.parse(body) as T
  throw problemIn(body) ?? unexpected(path, status)
}

/** The error that the engine answered, as it was thrown there. */
function problemIn(body: string): SluiceError | undefined {
  try {
    const { code, message, remedy, issues } = JSON.parse(body).error
    return new SluiceError(code, message, remedy, { issues })
  } catch {
    return undefined
  }
}

function unexpected(path: string, status: number): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_SOCKET',
    `The engine answered ${path} with status ${status}.`,
    'See that the command and the engine are of the same version of Sluice.',
  )
}

function send(
  socketPath: string,
  method: string,
  path: string,
  sent: string | undefined,
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error) => reject(unreachable(socketPath, cause))
    const headers = sent === undefined ? {} : { 'content-type': 'application/json' }
    const options = { socketPath, method, path, headers, timeout: patienceMs, agent: false }
    const asking = request(options, (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.once('error', fail)
      answer.once('end', () => {
        resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString() })
      })
    })
    asking.once('timeout', () => asking.destroy(new Error('no answer in time')))
    asking.once('error', fail)
    asking.end(sent)
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
