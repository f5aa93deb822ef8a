/**
 * The configuration in force: virtual servers, pools and policies, through its changes, and what
 * somebody listens on beside it. The data flow segment is told, and the old one comes back where it
 * refuses.
 */
import type { ResolvedConfig, ResolvedVirtualServer } from '../config/resolved.js'
import { SluiceError } from '../errors.js'
import type { Monitor } from '../health/monitor.js'
import type { Logger } from '../logger.js'
import { type ConfigurationLink, unacknowledged } from './configuration-link.js'
import type { Decider } from './decider.js'
import type { Outbound } from './outbound.js'
import type { Pools } from './pools.js'
import type { SourceAddress, SourceAddresses } from './source-addresses.js'
import { listenOf, type VirtualServer } from './virtual-server.js'
import type { VirtualServerChange, VirtualServers } from './virtual-servers.js'

export interface DeploymentParts {
  readonly config: ResolvedConfig
  readonly pools: Pools
  readonly servers: VirtualServers
  readonly monitor: Monitor
  readonly sources: SourceAddresses
  readonly outbound: Outbound
  readonly decider: Decider
  readonly link: ConfigurationLink
  readonly log: Logger
  /** What the link was told leaves soon. */
  readonly sendSoon: () => void
}

const acknowledgeMs = 5000

interface Change extends VirtualServerChange {
  /** Addresses that flows leave from now. */
  readonly sources: readonly SourceAddress[]
}

export class Deployment {
  readonly #parts: DeploymentParts
  #config: ResolvedConfig
  /** Virtual servers that no configuration has. */
  #listeners: readonly ResolvedVirtualServer[] = []
  /** Ends with the last change, where one is under way: they come one after the other. */
  #last: Promise<void> | undefined

  constructor(parts: DeploymentParts) {
    this.#parts = parts
    this.#config = parts.config
  }

  get config(): ResolvedConfig {
    return this.#config
  }

  /** Resolves when the data flow segment has all of it. */
  async start(): Promise<void> {
    await this.#tell(this.#change(this.#config))
    this.#parts.monitor.watch(this.#parts.pools.checked)
  }

  /**
   * Puts another configuration in force, between two questions. Live flows keep their decision.
   * Resolves when the data flow segment has it; where it refuses, the old one is in force again.
   */
  reload(config: ResolvedConfig): Promise<void> {
    return this.#inTurn(() => this.#replace(config, this.#listeners))
  }

  /**
   * Takes one more virtual server. What it resolves with takes that back.
   * @throws {SluiceError} `ERR_SLUICE_ADDR_IN_USE`
   */
  async listen(settings: ResolvedVirtualServer): Promise<() => Promise<void>> {
    await this.#inTurn(async () => {
      const listen = listenOf(settings)
      const other = [...this.#parts.servers].find((server) => server.listen === listen)
      if (other && other.state !== 'removed') throw addressInUse(listen, other.name)
      return this.#replace(this.#config, [...this.#listeners, settings])
    })
    return () =>
      this.#inTurn(() => {
        const others = this.#listeners.filter((one) => one !== settings)
        return this.#replace(this.#config, others)
      })
  }

  /** A virtual server has another state, which is the data flow segment's business. */
  async announce(server: VirtualServer): Promise<void> {
    try {
      await this.#tell({ sources: [], removed: [], added: [server] })
    } catch (err) {
      const code = 'ERR_SLUICE_VIRTUAL_SERVER'
      const details = { event: 'drain', code, virtualServer: server.name, err } as const
      this.#parts.log.warn(details, 'the data flow segment did not take it')
    }
  }

  async #replace(
    config: ResolvedConfig,
    listeners: readonly ResolvedVirtualServer[],
  ): Promise<void> {
    const [before, listenersBefore] = [this.#config, this.#listeners]
    try {
      await this.#put(config, listeners)
    } catch (error) {
      if (this.#config === config && this.#listeners === listeners) {
        await this.#goBack(before, listenersBefore)
      }
      throw error
    }
  }

  #put(config: ResolvedConfig, listeners: readonly ResolvedVirtualServer[]): Promise<void> {
    const { pools, monitor, decider } = this.#parts
    const change = this.#change(config, listeners)
    const isReload = config !== this.#config
    this.#config = config
    this.#listeners = listeners
    if (isReload) {
      pools.replace(config.pools)
      monitor.watch(pools.checked)
      decider.forgetLogged()
    }
    return this.#tell(isReload ? this.#withForgetful(change) : change)
  }

  /** What the nodes of old could not honour is no business of the new ones: told anew, it is forgotten (TCPX-06). */
  #withForgetful(change: Change): Change {
    const told = new Set(change.added)
    const others = [...this.#parts.servers].filter(
      (server) => server.learnsOffers && server.state !== 'removed' && !told.has(server),
    )
    return { ...change, added: [...change.added, ...others] }
  }

  async #goBack(
    config: ResolvedConfig,
    listeners: readonly ResolvedVirtualServer[],
  ): Promise<void> {
    try {
      await this.#put(config, listeners)
    } catch (err) {
      this.#parts.log.error(
        { event: 'virtualServersLost', code: 'ERR_SLUICE_VIRTUAL_SERVER', err },
        'the old virtual servers cannot be had again: restart the engine',
      )
    }
  }

  #change(config: ResolvedConfig, listeners = this.#listeners): Change {
    const { servers, outbound, sources } = this.#parts
    const change = servers.replace([...config.virtualServers, ...listeners])
    outbound.configure(config)
    return { ...change, sources: sources.replace(config) }
  }

  /** What goes first makes room: the endpoint of one that goes may be that of one that comes. */
  async #tell({ sources, removed, added }: Change): Promise<void> {
    const { link } = this.#parts
    const { drainMs } = this.#config.timeouts
    const timeOf = ({ settings }: VirtualServer) => (settings.onRemove === 'drain' ? drainMs : 0)
    const sent = [
      ...sources.map((source) => link.addSource(source)),
      ...removed.map((server) => link.remove(server, timeOf(server))),
      ...added.map((server) => link.add(server)),
    ]
    const timer = setTimeout(() => link.giveUp(unacknowledged(acknowledgeMs)), acknowledgeMs)
    this.#parts.sendSoon()
    try {
      await Promise.all(sent)
    } finally {
      clearTimeout(timer)
    }
  }

  #inTurn(run: () => Promise<void>): Promise<void> {
    const result = this.#last ? this.#last.then(run) : run()
    const last = result
      .catch(() => {})
      .then(() => {
        if (this.#last === last) this.#last = undefined
      })
    this.#last = last
    return result
  }
}

function addressInUse(listen: string, name: string): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_ADDR_IN_USE',
    `The virtual server ${name} listens on ${listen}.`,
    'Take another address or port, or close that one first.',
  )
}
