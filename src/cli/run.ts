/**
 * `sluice run FILE`: one engine in the foreground, from its configuration to a clean end.
 */
import {
  AdminNetwork,
  AdminServer,
  type AdminSource,
  claimSocketPath,
  defaultSocketPath,
  dropCapabilities,
  Engine,
  EventLog,
  guardEnd,
  type Logger,
  loadConfigFile,
  Supervisor,
} from '../index.js'
import type { Command, Context } from './context.js'
import { Draining } from './draining.js'
import { ExitCode } from './exit-code.js'
import { type LogOptions, openLog } from './log.js'
import { Reloader, type ReloadOutcome } from './reloader.js'
import { codeOf, reportError } from './report-error.js'
import { announce, type RunEvent, readyEvent } from './run-event.js'
import { StopRequest } from './stop-request.js'
import { StrayErrors } from './stray-errors.js'

/** Time to end in good order. After that a policy that never returns is not waited for. */
const endGraceMs = 5000

interface RunOptions extends LogOptions {
  file: string
  json?: boolean
  socket?: string
  admin: boolean
  watch?: boolean
}

export const run: Command<RunOptions> = async (options, context) => {
  const stop = new StopRequest()
  guardEnd(endGraceMs)
  try {
    await runUntil(stop, options, context)
    return ExitCode.ok
  } finally {
    stop.forget()
  }
}

async function runUntil(stop: StopRequest, options: RunOptions, context: Context): Promise<void> {
  const { file, json = false, watch } = options
  const tell = (event: RunEvent) => announce(event, context.terminal, json)
  const loaded = await Promise.race([loadConfigFile(file), stop.requested])
  if (typeof loaded === 'string') return tell({ event: 'stopping', signal: loaded })
  const socketPath = options.admin ? (options.socket ?? defaultSocketPath(context.env)) : undefined
  if (socketPath) await claimSocketPath(socketPath)
  const { config, revision: policyRevision } = loaded
  const log = new EventLog(openLog(options, context.terminal, context.env))
  using network = options.admin ? new AdminNetwork(log) : undefined
  const apply = await network?.prepare(config.admin)
  apply?.()
  // Disposed of after the engine, so that no stray error keeps it from stopping in good order.
  using strayErrors = new StrayErrors(log)
  await using engine = await Engine.start(config, { logger: log, policyRevision })
  const outcome: ReloadOutcome = {
    reloaded: (policyRevision) => tell({ event: 'reloaded', policyRevision }),
    refused: (error) => {
      const code = codeOf(error)
      log.warn({ event: 'reloadRefused', code, err: error }, 'the old configuration stays in force')
      reportError(error, context, json)
      tell({ event: 'reloadRefused' })
    },
    unwatched: (err) => {
      const details = { event: 'watch', code: 'ERR_SLUICE_WATCH', err } as const
      log.warn(details, 'not every change of the configuration will be noticed')
    },
  }
  using reloader = new Reloader(engine, file, loaded, outcome, network)
  using draining = new Draining(engine, () => stop.drained())
  const source = sourceOf({ engine, reloader, draining, network, log })
  await using admin = socketPath ? await AdminServer.listen(source, socketPath) : undefined
  network?.open(source)
  if (watch) reloader.watch()
  giveUpPrivileges(engine, log)
  strayErrors.catch()
  using supervisor = new Supervisor(context.env, log)
  supervisor.ready()
  tell(readyEvent(engine.status(), admin?.socketPath))
  const signal = await stop.requested
  supervisor.stopping()
  tell({ event: 'stopping', signal })
}

interface Running {
  readonly engine: Engine
  readonly reloader: Reloader
  readonly draining: Draining
  readonly network: AdminNetwork | undefined
  readonly log: EventLog
}

function sourceOf({ engine, reloader, draining, network, log }: Running): AdminSource {
  return {
    status: () => engine.status(),
    eachFlow: () => engine.eachFlow(),
    setNode: (...order) => engine.setNode(...order),
    setVirtualServer: (...order) => engine.setVirtualServer(...order),
    reloadFile: () => reloader.reload(),
    drainProcess: (timeoutMs) => draining.begin(timeoutMs),
    capture: (options) => engine.capture(options),
    stopCapture: () => engine.stopCapture(),
    network: () => network?.status() ?? null,
    events: log,
  }
}

/** Ports and sockets are open: from here on there is nothing that a policy could take away with it. */
function giveUpPrivileges(engine: Engine, log: Logger): void {
  try {
    dropCapabilities(engine.capabilitiesToStop)
  } catch (err) {
    log.warn(
      { event: 'privileges', code: 'ERR_SLUICE_PERMISSION', err },
      'the engine keeps its capabilities',
    )
  }
}
