/**
 * A laboratory and an engine in the test's own process, whose services are the test's own functions:
 * for what is asked of sockets themselves. `Site` has the engine as its users run it.
 */
import { expect } from 'vitest'
import type { SluiceConfig } from '../../src/config/config.js'
import { Engine, type ServiceFunction, type Socket, type Stack } from '../../src/index.js'
import {
  type Family,
  type Host,
  Laboratory,
  type LaboratoryOptions,
  type Namespace,
  until,
} from '../../src/laboratory/index.js'
import type { LogDetails, Logger } from '../../src/logger.js'
import type { NativeSegment } from '../../src/native.js'
import { Capture } from './capture.js'
import { listen } from './site.js'
import { type ClientSocket, type Destination, SocketClients } from './socket-clients.js'

export interface EngineSiteOptions<Started = unknown> extends Partial<LaboratoryOptions> {
  /** By L4 port of the virtual address, the same for each family. */
  services: Record<number, ServiceFunction>
  /** Further virtual servers, by name. */
  virtualServers?: (family: Family, lab: Laboratory) => Record<string, object>
  /** What runs on the servers; default nothing. */
  startServers?: (lab: Laboratory) => Promise<Started>
  /** The data flow segment, where the test looks at it. */
  segment?: NativeSegment
  /** Further keys of the configuration. */
  more?: (lab: Laboratory) => object
}

export class EngineSite<Started = unknown> implements AsyncDisposable {
  private constructor(
    readonly lab: Laboratory,
    readonly engine: Engine,
    readonly clients: SocketClients,
    /** What the engine logged as trouble. */
    readonly troubles: LogDetails[],
    /** What `startServers` came to. */
    readonly started: Started,
  ) {}

  static async start<Started>(options: EngineSiteOptions<Started>): Promise<EngineSite<Started>> {
    const { topology = 'two-arm', servers = 1 } = options
    const lab = await Laboratory.create({ ...options, topology, servers })
    try {
      const started = (await options.startServers?.(lab)) as Started
      const troubles: LogDetails[] = []
      const logger = logTroubles(troubles)
      const { segment } = options
      const engine = await Engine.start(configOf(lab, options), {
        logger,
        ...(segment && { segment }),
      })
      await lab.afterStart()
      const clients = await SocketClients.start(lab.client.namespace)
      return new EngineSite(lab, engine, clients, troubles, started)
    } catch (error) {
      await lab.close()
      throw error
    }
  }

  get stack(): Stack {
    return this.engine.stack
  }

  get client(): Namespace {
    return this.lab.client.namespace
  }

  get server(): Host {
    return this.lab.servers[0] as Host
  }

  /** A client's connection to the virtual address. */
  connect(family: Family, port: number, more: Partial<Destination> = {}): Promise<ClientSocket> {
    return this.clients.connect({ host: this.lab.virtualAddress(family), port, ...more })
  }

  captureOutside(filter = 'tcp'): Promise<Capture> {
    return Capture.start(this.lab, this.client, 'eth0', { filter })
  }

  captureInside(filter = 'tcp'): Promise<Capture> {
    return Capture.start(this.lab, this.server.namespace, 'eth0', { filter })
  }

  /** No socket is left, no pair, and no byte of theirs. */
  async untilIdle(): Promise<void> {
    await until(
      () => `no socket is left: ${JSON.stringify(this.stack.stats())}`,
      () => {
        const { sockets, pairs, bytesHeld } = this.stack.stats()
        const paired = Object.values(pairs).reduce((sum, count) => sum + count, 0)
        return sockets === 0 && paired === 0 && bytesHeld === 0
      },
    )
  }

  /** Ends the engine, which must have leaked nothing, and have had one verdict for every packet. */
  async end({ troubles = 0 } = {}): Promise<void> {
    await this.untilIdle()
    await until('the engine is quiet', () => {
      const { received, forwarded, delivered, dropped, waiting } = this.engine.status().packets
      return received === forwarded + delivered + dropped + waiting
    })
    expect(this.troubles).toHaveLength(troubles)
    await this.engine.stop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine.stop()
    await this.lab.close()
  }
}

function configOf(lab: Laboratory, options: EngineSiteOptions): SluiceConfig {
  const servers = lab.families.flatMap((family) => [
    ...Object.entries(options.services).map(([port, service]) => [
      `service${port}_${family}`,
      { listen: listen(lab, family, Number(port)), service },
    ]),
    ...Object.entries(options.virtualServers?.(family, lab) ?? {}),
  ])
  const virtualServers = Object.fromEntries(servers)
  return { ports: lab.ports(), virtualServers, ...options.more?.(lab) } as SluiceConfig
}

function logTroubles(troubles: LogDetails[]): Logger {
  const keep = (details: LogDetails) => void troubles.push(details)
  return { debug: () => {}, info: () => {}, warn: keep, error: keep }
}

/** Hands the connections of a service to the test, one by one. */
export class AcceptedSockets {
  readonly #waiting: Socket[] = []

  readonly service: ServiceFunction = (inbound) => {
    // The test reads what a service would.
    inbound.on('error', () => {})
    this.#waiting.push(inbound)
  }

  /** The next one, in the order in which they came. */
  next(): Promise<Socket> {
    return until('a connection is accepted', () => this.#waiting.shift())
  }
}
