/**
 * Asks a running engine over its administration socket.
 */
import { type IncomingMessage, request } from 'node:http'
import { SluiceError } from '../index.js'

const patienceMs = 10_000

type Method = 'GET' | 'POST' | 'DELETE'

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

/** Takes something back: `DELETE path`. @throws as `askEngine` */
export function cancelAtEngine<T>(socketPath: string, path: string): Promise<T> {
  return exchange<T>(socketPath, 'DELETE', path)
}

/** The answer to `GET path` as it comes, for as long as it comes. @throws as `askEngine` */
export async function streamFromEngine(socketPath: string, path: string): Promise<IncomingMessage> {
  const answer = await begin(socketPath, 'GET', path, undefined)
  if ((answer.statusCode ?? 0) < 300) {
    answer.socket.setTimeout(0)
    return answer
  }
  const body = Buffer.concat(await answer.toArray()).toString()
  throw problemIn(body) ?? unexpected(path, answer.statusCode ?? 0)
}

async function exchange<T>(
  socketPath: string,
  method: Method,
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

async function send(
  socketPath: string,
  method: Method,
  path: string,
  sent: string | undefined,
): Promise<{ status: number; body: string }> {
  const answer = await begin(socketPath, method, path, sent)
  const chunks: Buffer[] = await answer.toArray().catch((cause) => {
    throw unreachable(socketPath, cause)
  })
  return { status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString() }
}

/** Resolves when the head of the answer is there. */
function begin(
  socketPath: string,
  method: Method,
  path: string,
  sent: string | undefined,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = sent === undefined ? {} : { 'content-type': 'application/json' }
    const options = { socketPath, method, path, headers, timeout: patienceMs, agent: false }
    const asking = request(options, resolve)
    asking.once('timeout', () => asking.destroy(new Error('no answer in time')))
    asking.once('error', (cause) => reject(unreachable(socketPath, cause)))
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
