/** A running engine: a data flow segment and the control segment that decides for it. */
import { constants } from 'node:os'
import type { NodeOrder, VirtualServerOrder } from './admin/source.js'
import { type CapabilityName, effectiveCapabilities } from './capabilities.js'
import { type CaptureOptions, Captures, captureOrder } from './capture.js'
import type { SluiceConfig } from './config/config.js'
import { restartKeys } from './config/reload.js'
import { resolveConfig } from './config/resolve.js'
import type { ResolvedConfig } from './config/resolved.js'
import { ControlSegment } from './control/control-segment.js'
import { CounterReader } from './control/counter-reader.js'
import { nativeOptions } from './control/native-options.js'
import { RefusalNews } from './control/refusal-news.js'
import type { EngineStatus, FlowRecord } from './control/status.js'
import { Terminal } from './control/terminal.js'
import type { VirtualServer } from './control/virtual-server.js'
import { SluiceError } from './errors.js'
import { type Logger, silentLogger } from './logger.js'
import { createNativeSegment, type NativeSegment } from './native.js'
import type { Stack } from './stack.js'

export interface EngineOptions {
  /** Where to report what needs attention; default nowhere. */
  readonly logger?: Logger
  /** Stops the engine, also while it starts. */
  readonly signal?: AbortSignal
  /** Name of the revision of the configuration, for status(). */
  readonly policyRevision?: string
  /** A data flow segment of your own; for tests. */
  readonly segment?: NativeSegment
}

export interface ReloadOptions {
  readonly policyRevision?: string | null
}

/** What an engine is made of, and what it remembers of its start. */
interface Parts {
  readonly config: ResolvedConfig
  readonly segment: NativeSegment
  readonly control: ControlSegment
  readonly log: Logger
  readonly signal: AbortSignal | undefined
}

export class Engine implements AsyncDisposable {
  readonly #segment: NativeSegment
  readonly #control: ControlSegment
  readonly #terminal: Terminal
  readonly #counters: CounterReader
  readonly #captures: Captures
  readonly #refusals: RefusalNews
  readonly #log: Logger
  readonly #signal: AbortSignal | undefined
  readonly #startedAt = performance.now()
  readonly #onAbort = () => void this.stop()
  #config: ResolvedConfig
  #policyRevision: string | null
  /** Ends with the last reload: they come one after the other. */
  #reloading = Promise.resolve()
  #state: EngineStatus['state'] = 'starting'

  private constructor(parts: Parts, policyRevision: string | null) {
    this.#config = parts.config
    this.#segment = parts.segment
    this.#control = parts.control
    this.#terminal = new Terminal({ ...parts, stop: () => this.stop() })
    this.#log = parts.log
    this.#signal = parts.signal
    this.#refusals = new RefusalNews(() => parts.control.decisions, parts.log)
    this.#counters = new CounterReader(parts.segment, parts.config.ports)
    this.#captures = new Captures(parts.segment)
    this.#policyRevision = policyRevision
  }

  /**
   * Starts an engine. Resolves when packets flow and every virtual server is in force.
   * @throws {SluiceError} `ERR_SLUICE_CONFIG`, `ERR_SLUICE_ADDON`, `ERR_SLUICE_PERMISSION`,
   * `ERR_SLUICE_DEVICE`, `ERR_SLUICE_VIRTUAL_SERVER`, `ERR_SLUICE_TIMEOUT`; and the reason of
   * `signal`. Nothing is left behind then.
   */
  static async start(
    config: SluiceConfig | ResolvedConfig,
    options: EngineOptions = {},
  ): Promise<Engine> {
    const { logger: log = silentLogger, signal } = options
    signal?.throwIfAborted()
    const resolved = resolveConfig(config)
    const segment = options.segment ?? loadSegment()
    const control = new ControlSegment({ config: resolved, segment, log })
    const parts = { config: resolved, segment, control, log, signal }
    const engine = new Engine(parts, options.policyRevision ?? null)
    try {
      await engine.#start()
    } catch (error) {
      await engine.stop()
      signal?.throwIfAborted()
      throw error
    }
    return engine
  }

  async #start(): Promise<void> {
    this.#signal?.addEventListener('abort', this.#onAbort, { once: true })
    const [wakeControl, wakeTerminal] = [this.#control.wake, this.#terminal.wake]
    startSegment(this.#segment, this.#config, () => {
      wakeControl()
      wakeTerminal()
    })
    await this.#control.start()
    this.#state = 'ready'
    this.#refusals.start()
    const { ports, virtualServers } = this.#config
    const counts = { ports: ports.length, virtualServers: virtualServers.length }
    this.#log.info({ event: 'ready', ...counts }, 'packets flow')
  }

  /** The sockets of this engine. */
  get stack(): Stack {
    return this.#terminal.stack
  }

  status(): EngineStatus {
    const { counters, drops, packets, ports } = this.#counters.read()
    return {
      ready: this.#state === 'ready',
      state: this.#state,
      uptimeMs: Math.round(performance.now() - this.#startedAt),
      flows: counters.flows,
      lingering: counters.lingering,
      virtualServers: [...this.#control.servers].map((server) => server.report()),
      pools: this.#control.pools.report(),
      ports,
      drops,
      packets,
      decisions: this.#control.decisions,
      bus: this.#control.bus,
      reaper: this.#control.reaper,
      sockets: this.#terminal.report(),
      events: this.#control.events,
      counters,
      capabilities: effectiveCapabilities(),
      policyRevision: this.#policyRevision,
    }
  }

  /** What stop() needs of capabilities, to undo what start() did to devices. */
  get capabilitiesToStop(): readonly CapabilityName[] {
    return this.#segment.restoresSettings() ? ['CAP_NET_ADMIN'] : []
  }

  /**
   * Ends every flow, or those of a virtual server. Virtual servers stay, and new flows come as ever;
   * what goes on in the middle meets the `midSession` of its virtual server.
   * @throws {SluiceError} `ERR_SLUICE_VIRTUAL_SERVER` where there is none of that name,
   * `ERR_SLUICE_STOPPED`
   */
  reset(virtualServer?: string): void {
    this.#assertRunning()
    if (virtualServer === undefined) this.#control.resetFlows()
    else this.#control.resetFlows(this.#serverNamed(virtualServer))
  }

  /**
   * The live flows, with packet counts of this moment.
   * @throws {SluiceError} `ERR_SLUICE_TIMEOUT`, `ERR_SLUICE_STOPPED`
   */
  async flows(): Promise<FlowRecord[]> {
    return [...(await this.eachFlow())]
  }

  /** The same, each record made when it is asked for: a million of them need not be in memory. */
  async eachFlow(): Promise<Iterable<FlowRecord>> {
    this.#assertRunning()
    return joined(await this.#control.flows(), this.#terminal.flows())
  }

  /**
   * Takes a node out, or lets it in again. A node that drains gets no new flows, and its live ones go
   * on; in maintenance it is not checked either.
   * @param address 'address:port'
   * @param pool where it is meant; default every pool that has it
   * @throws {SluiceError} `ERR_SLUICE_NODE`
   */
  setNode(address: string, order: NodeOrder, pool?: string): void {
    this.#assertRunning()
    this.#control.pools.order(address, order, pool)
  }

  /**
   * Lets a virtual server refuse new flows, while its live ones go on, or take them again.
   * @throws {SluiceError} `ERR_SLUICE_NO_VIRTUAL_SERVER`
   */
  setVirtualServer(name: string, order: VirtualServerOrder): void {
    this.#assertRunning()
    this.#control.orderServer(name, order)
    this.#log.info({ event: 'drain', virtualServer: name, order }, `a virtual server is ${order}`)
  }

  /** From now on no virtual server takes new flows, and the engine is not ready. */
  drain(): void {
    this.#assertRunning()
    this.#state = 'draining'
    for (const { name, state } of this.#control.servers) {
      if (state === 'up') this.#control.orderServer(name, 'draining')
    }
    this.#log.info({ event: 'drain' }, 'the engine drains')
  }

  /** Sessions of all virtual servers. */
  get connections(): number {
    return [...this.#control.servers].reduce((sum, server) => sum + server.connections, 0)
  }

  /**
   * Puts other virtual servers, pools and policies in force, between two packets. Live flows keep
   * their decision. Resolves when every packet meets the new ones.
   * @throws {SluiceError} `ERR_SLUICE_CONFIG`; `ERR_SLUICE_RESTART` where more than that differs;
   * `ERR_SLUICE_VIRTUAL_SERVER`, `ERR_SLUICE_TIMEOUT` where the data flow segment does not take it.
   * The old configuration stays in force then.
   */
  reload(config: SluiceConfig | ResolvedConfig, options: ReloadOptions = {}): Promise<void> {
    const reloaded = this.#reloading.then(() => this.#reload(config, options))
    this.#reloading = reloaded.catch(() => {})
    return reloaded
  }

  async #reload(
    config: SluiceConfig | ResolvedConfig,
    { policyRevision = null }: ReloadOptions,
  ): Promise<void> {
    this.#assertRunning()
    if (this.#state === 'draining') throw drains()
    const resolved = resolveConfig(config)
    const keys = restartKeys(this.#config, resolved)
    if (keys.length > 0) throw needsRestart(keys)
    await this.#control.deployment.reload(resolved)
    this.#config = resolved
    this.#terminal.reloaded()
    this.#policyRevision = policyRevision
    this.#log.info({ event: 'reload', policyRevision }, 'another configuration is in force')
  }

  /**
   * Shows what passes the ports, in the pcapng format, until the stream is cancelled or has as many
   * packets as were wanted. One at a time. It costs nothing while nobody looks.
   * @throws {SluiceError} `ERR_SLUICE_CAPTURE`, `ERR_SLUICE_BUSY`, `ERR_SLUICE_VIRTUAL_SERVER`
   */
  capture(options: CaptureOptions = {}): Promise<ReadableStream<Uint8Array>> {
    this.#assertRunning()
    const { virtualServer, count } = options
    const server = virtualServer === undefined ? undefined : this.#serverNamed(virtualServer)
    const order = captureOrder(options, this.#config.ports, server?.settings)
    this.#log.info({ event: 'capture', ...options }, 'somebody looks at packets')
    return this.#captures.open(order, count)
  }

  /** Ends the capture that is at work; false where there is none. */
  stopCapture(): boolean {
    return this.#captures.stop()
  }

  /** Stops the engine and undoes what it did to devices. Idempotent. */
  async stop(): Promise<void> {
    if (this.#state === 'stopped') return
    this.#state = 'stopped'
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#refusals.stop()
    this.#captures.stop()
    this.#terminal.close()
    this.#control.stop()
    this.#segment.stop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #serverNamed(name: string): VirtualServer {
    const { servers } = this.#control
    const server = servers.named(name)
    if (server) return server
    const names = [...servers].map((one) => one.name).join(', ') || 'none yet'
    throw new SluiceError(
      'ERR_SLUICE_VIRTUAL_SERVER',
      `There is no virtual server named ${name}.`,
      `Take one of: ${names}.`,
    )
  }

  #assertRunning(): void {
    if (this.#state !== 'stopped') return
    throw new SluiceError('ERR_SLUICE_STOPPED', 'The engine was stopped.', 'Start a new one.')
  }
}

function* joined<Item>(...lists: Iterable<Item>[]): Generator<Item> {
  for (const list of lists) yield* list
}

function drains(): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_STOPPED',
    'The engine drains, and takes no other configuration.',
    'Start a new one with it.',
  )
}

function needsRestart(keys: readonly string[]): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_RESTART',
    `A running engine takes other virtual servers, pools and policies, but these differ too: ${keys.join(', ')}.`,
    'Put them back as they were, or stop the engine and start it with the new configuration.',
  )
}

function loadSegment(): NativeSegment {
  try {
    return createNativeSegment()
  } catch (cause) {
    throw new SluiceError(
      'ERR_SLUICE_ADDON',
      'The native addon of Sluice cannot be loaded.',
      'Build it again for this machine and this Node.js: npm rebuild sluice (in a clone: npm run build).',
      { cause },
    )
  }
}

function startSegment(segment: NativeSegment, config: ResolvedConfig, wake: () => void): void {
  try {
    segment.start(nativeOptions(config), wake)
  } catch (cause) {
    throw hostRefusal(cause)
  }
}

/** What a segment throws where the host refuses (native.ts), as an error of ours. */
function hostRefusal(cause: unknown): unknown {
  if (!(cause instanceof Error)) return cause
  const { errno, remedy } = cause as Error & { errno?: unknown; remedy?: unknown }
  const denied = errno === constants.errno.EPERM || errno === constants.errno.EACCES
  return new SluiceError(
    denied ? 'ERR_SLUICE_PERMISSION' : 'ERR_SLUICE_DEVICE',
    cause.message,
    typeof remedy === 'string' ? remedy : 'sluice doctor tells what this machine allows.',
    { cause },
  )
}
