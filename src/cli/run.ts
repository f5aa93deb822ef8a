/**
 * `sluice run FILE`: one engine in the foreground, from its configuration to a clean end.
 */
import { pino } from 'pino'
import {
  AdminServer,
  claimSocketPath,
  defaultSocketPath,
  Engine,
  type EngineStatus,
  loadConfigFile,
} from '../index.js'
import type { Command, Context } from './context.js'
import { ExitCode } from './exit-code.js'
import { plural } from './format.js'
import { StopRequest } from './stop-request.js'

interface RunOptions {
  file: string
  json?: boolean
  socket?: string
  admin: boolean
}

export const run: Command<RunOptions> = async (options, context) => {
  const stop = new StopRequest()
  try {
    const { config, revision } = await loadConfigFile(options.file)
    const socketPath = options.admin
      ? (options.socket ?? defaultSocketPath(context.env))
      : undefined
    if (socketPath) await claimSocketPath(socketPath)
    const engine = await Engine.start(config, { logger: logger(context), policyRevision: revision })
    try {
      await serve(engine, socketPath, stop, (event) => announce(event, options, context))
    } finally {
      await engine.stop()
    }
    return ExitCode.ok
  } finally {
    stop.forget()
  }
}

/** From `ready` to the request to stop. */
async function serve(
  engine: Engine,
  socketPath: string | undefined,
  stop: StopRequest,
  tell: (event: RunEvent) => void,
): Promise<void> {
  const admin = socketPath ? await AdminServer.listen(engine, socketPath) : undefined
  try {
    tell(readyEvent(engine.status(), socketPath))
    tell({ event: 'stopping', signal: await stop.requested })
  } finally {
    await admin?.close()
  }
}

/** What `--json` prints, one on each line. */
type RunEvent =
  | {
      event: 'ready'
      pid: number
      socket: string | null
      policyRevision: string | null
      ports: Pick<EngineStatus['ports'][number], 'name' | 'kind' | 'device' | 'addresses'>[]
      virtualServers: Pick<EngineStatus['virtualServers'][number], 'name' | 'listen'>[]
    }
  | { event: 'stopping'; signal: string }

function readyEvent(status: EngineStatus, socketPath: string | undefined): RunEvent {
  return {
    event: 'ready',
    pid: process.pid,
    socket: socketPath ?? null,
    policyRevision: status.policyRevision,
    ports: status.ports.map(({ name, kind, device, addresses }) => ({
      name,
      kind,
      device,
      addresses,
    })),
    virtualServers: status.virtualServers.map(({ name, listen }) => ({ name, listen })),
  }
}

function announce(event: RunEvent, { json }: RunOptions, { terminal }: Context): void {
  if (json) terminal.printJson(event)
  else if (event.event === 'ready') terminal.print(`ready: ${inWords(event)}`)
  else terminal.note(`${event.signal}: stopping`)
}

function inWords({ ports, virtualServers, socket }: Extract<RunEvent, { event: 'ready' }>): string {
  const counts = [plural(ports.length, 'port'), plural(virtualServers.length, 'virtual server')]
  return `${counts.join(', ')}${socket ? `, administration on ${socket}` : ''}`
}

/** Lines of JSON on stderr: stdout is for what the command has to say. */
function logger({ env }: Context) {
  return pino({ level: env.SLUICE_LOG ?? 'info' }, pino.destination({ fd: 2, sync: true }))
}
