/**
 * `sluice capture -w FILE`: the packets that pass a running engine, until SIGINT or as many as wanted.
 */
import { createWriteStream, type WriteStream } from 'node:fs'
import { Transform, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { SluiceError } from '../index.js'
import { cancelAtEngine, streamFromEngine } from './admin-client.js'
import { CaptureTally } from './capture-tally.js'
import type { Command, Context } from './context.js'
import { type EngineAtOptions, engineAt } from './engine-at.js'
import { ExitCode } from './exit-code.js'
import { plural } from './format.js'
import { StopRequest } from './stop-request.js'

interface CaptureOptions extends EngineAtOptions {
  write: string
  port?: string
  client?: string
  virtualServer?: string
  count?: number
  snapLength?: number
  json?: boolean
}

export const capture: Command<CaptureOptions> = async (options, context) => {
  const stop = new StopRequest()
  try {
    const tally = new CaptureTally()
    await write(options, tally, stop, context)
    report(options, tally, context)
    return ExitCode.ok
  } finally {
    stop.forget()
  }
}

async function write(
  options: CaptureOptions,
  tally: CaptureTally,
  stop: StopRequest,
  { terminal, env }: Context,
): Promise<void> {
  const engine = await engineAt(options, env)
  const target =
    options.write === '-'
      ? new Writable({ write: (chunk, _, done) => terminal.write(chunk, done) })
      : await openFile(options.write)
  const answer = await streamFromEngine(engine, `/api/v1/capture?${query(options)}`)
  terminal.note('capturing: SIGINT (control-C) ends it')
  // The engine ends the file then, with the number of packets that it had no room for.
  void stop.requested.then(() => cancelAtEngine(engine, '/api/v1/capture')).catch(() => {})
  const count = new Transform({
    transform(chunk: Buffer, _, done) {
      tally.add(chunk)
      done(undefined, chunk)
    },
  })
  await pipeline(answer, count, target).catch((error: NodeJS.ErrnoException) => {
    // The reader of a pipe has had enough.
    if (error.code === 'EPIPE' && options.write === '-') return
    throw error.syscall === 'write' ? unwritable(options.write, error) : cutOff(error)
  })
}

function query({ port, client, virtualServer, count, snapLength }: CaptureOptions): string {
  const said = new URLSearchParams()
  for (const [key, value] of Object.entries({ port, client, virtualServer, count, snapLength })) {
    if (value !== undefined) said.set(key, `${value}`)
  }
  return said.toString()
}

/** Resolves when it is open: before the engine is asked for anything. */
function openFile(path: string): Promise<WriteStream> {
  return new Promise((resolve, reject) => {
    const file = createWriteStream(path, { mode: 0o600 })
    file.once('open', () => resolve(file))
    file.once('error', (error) => reject(unwritable(path, error)))
  })
}

function report({ write: path, json }: CaptureOptions, tally: CaptureTally, { terminal }: Context) {
  const { packets, lost } = tally
  const note = `${plural(packets, 'packet')} captured, ${lost} lost for lack of room`
  if (!json) terminal.note(note)
  else if (path === '-') terminal.note(JSON.stringify({ packets, lost }))
  else terminal.printJson({ file: path, packets, lost })
}

function unwritable(path: string, cause: NodeJS.ErrnoException): SluiceError {
  const full = cause.code === 'ENOSPC' || cause.code === 'EDQUOT'
  return new SluiceError(
    'ERR_SLUICE_FILE',
    `${path} cannot be written: ${full ? 'the disk is full' : cause.code}.`,
    full
      ? 'Free some room, or capture less: --count, --snap-length, --client.'
      : 'Name a file in a directory that exists and is writable.',
    { cause },
  )
}

function cutOff(cause: Error): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_UNREACHABLE',
    'The engine ended before the capture did.',
    'The file has what came until then.',
    { cause },
  )
}
