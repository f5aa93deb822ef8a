/**
 * Asks a running engine over its administration socket, or over the network.
 */
import {
  request as askHttp,
  type ClientRequest,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http'
import { request as askHttps } from 'node:https'
import { SluiceError, tlsOptions } from '../index.js'
import { type EngineAt, nameOf } from './engine-at.js'

/** More than a reload takes whose configuration does not come to an end. */
const patienceMs = 20_000

type Method = 'GET' | 'POST' | 'DELETE'

/**
 * The JSON answer to `GET path`.
 * @throws {SluiceError} what the engine answers in place of it; `ERR_SLUICE_UNREACHABLE` where no
 *   engine answers, `ERR_SLUICE_PERMISSION` where the socket may not be opened, `ERR_SLUICE_ADMIN_PEER`
 *   where one side's certificate is not believed, `ERR_SLUICE_SOCKET` for an answer that was not expected.
 */
export function askEngine<T>(at: EngineAt, path: string): Promise<T> {
  return exchange<T>(at, 'GET', path)
}

/** Has the engine do something: `POST path`, with a JSON body. @throws as `askEngine` */
export function tellEngine<T>(at: EngineAt, path: string, body: object = {}): Promise<T> {
  return exchange<T>(at, 'POST', path, JSON.stringify(body))
}

/** Takes something back: `DELETE path`. @throws as `askEngine` */
export function cancelAtEngine<T>(at: EngineAt, path: string): Promise<T> {
  return exchange<T>(at, 'DELETE', path)
}

/** The answer to `GET path` as it comes, for as long as it comes. @throws as `askEngine` */
export async function streamFromEngine(at: EngineAt, path: string): Promise<IncomingMessage> {
  const answer = await begin(at, 'GET', path, undefined)
  if ((answer.statusCode ?? 0) < 300) {
    answer.socket.setTimeout(0)
    return answer
  }
  const body = Buffer.concat(await answer.toArray()).toString()
  throw problemIn(body) ?? unexpected(path, answer.statusCode ?? 0)
}

async function exchange<T>(at: EngineAt, method: Method, path: string, sent?: string): Promise<T> {
  const { status, body } = await send(at, method, path, sent)
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
  at: EngineAt,
  method: Method,
  path: string,
  sent: string | undefined,
): Promise<{ status: number; body: string }> {
  const answer = await begin(at, method, path, sent)
  const chunks: Buffer[] = await answer.toArray().catch((cause) => {
    throw refusal(at, cause)
  })
  return { status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString() }
}

/** Resolves when the head of the answer is there. */
function begin(
  at: EngineAt,
  method: Method,
  path: string,
  sent: string | undefined,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = sent === undefined ? {} : { 'content-type': 'application/json' }
    const options = { method, path, headers, timeout: patienceMs, agent: false }
    const asking = open(at, options, resolve)
    asking.once('timeout', () => asking.destroy(new Error('no answer in time')))
    asking.once('error', (cause) => reject(refusal(at, cause)))
    asking.end(sent)
  })
}

function open(
  at: EngineAt,
  options: RequestOptions,
  resolve: (answer: IncomingMessage) => void,
): ClientRequest {
  if (typeof at === 'string') return askHttp({ ...options, socketPath: at }, resolve)
  return askHttps(at.url, { ...options, ...tlsOptions(at.credentials) }, resolve)
}

/** What says that nobody is there; any other failure of TLS is one of trust. */
const absences = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT', 'ENOTFOUND'])

function refusal(at: EngineAt, cause: NodeJS.ErrnoException): SluiceError {
  const remote = typeof at !== 'string' && cause.code !== undefined && !absences.has(cause.code)
  return remote ? distrusted(nameOf(at), cause) : unreachable(nameOf(at), cause)
}

function distrusted(url: string, cause: NodeJS.ErrnoException): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_ADMIN_PEER',
    `The engine at ${url} and this command do not believe each other: ${cause.message}.`,
    "See that --cert is of an authority in `admin.ca` of the engine, and the engine's certificate of one in --ca, for that address.",
    { cause },
  )
}

function unreachable(name: string, cause: NodeJS.ErrnoException): SluiceError {
  if (cause.code === 'EACCES' || cause.code === 'EPERM') {
    return new SluiceError(
      'ERR_SLUICE_PERMISSION',
      `This user may not open ${name}.`,
      "Ask as the engine's user, as a member of its group, or as root.",
      { cause },
    )
  }
  return new SluiceError(
    'ERR_SLUICE_UNREACHABLE',
    `No engine answers on ${name}.`,
    'Start one with `sluice run FILE`, or name its socket with --socket PATH.',
    { cause },
  )
}
