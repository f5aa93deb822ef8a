/** The virtual servers of an engine and their numbers, through changes of the configuration. */
import type { ResolvedVirtualServer } from '../config/resolved.js'
import { SluiceError } from '../errors.js'
import { listenOf, VirtualServer } from './virtual-server.js'

/** What the data flow segment has to be told of another set of virtual servers. */
export interface VirtualServerChange {
  /** Those that are new or have other settings. */
  readonly added: readonly VirtualServer[]
  readonly removed: readonly VirtualServer[]
}

/** One with another name or endpoint is another virtual server. */
const identityOf = (settings: ResolvedVirtualServer) => `${settings.name} ${listenOf(settings)}`

/** Their numbers have 16 bits (SSMB, CSMB: vs_id), and 0 is none. */
const mostIds = 0xffff

export class VirtualServers {
  readonly #byId = new Map<number, VirtualServer>()
  #lastId = 0

  get(id: number): VirtualServer | undefined {
    return this.#byId.get(id)
  }

  /** The one of this name that the configuration has. */
  named(name: string): VirtualServer | undefined {
    return [...this].find((server) => server.name === name && server.state !== 'removed')
  }

  /** Those that were removed are among them for as long as they have flows. */
  [Symbol.iterator](): IterableIterator<VirtualServer> {
    return this.#byId.values()
  }

  /**
   * Takes another set. One that stays keeps its flows and figures, one that comes back while it still
   * has flows finds them, one that goes takes no new flows.
   * @throws {SluiceError} `ERR_SLUICE_VIRTUAL_SERVER` before anything is changed
   */
  replace(servers: readonly ResolvedVirtualServer[]): VirtualServerChange {
    this.forgetEnded()
    const known = new Map([...this].map((server) => [identityOf(server.settings), server]))
    const fresh = servers.filter((settings) => !known.has(identityOf(settings)))
    if (this.#byId.size + fresh.length > mostIds) throw tooMany()
    const added: VirtualServer[] = []
    for (const settings of servers) {
      const identity = identityOf(settings)
      const old = known.get(identity)
      known.delete(identity)
      if (!old) added.push(this.#make(settings))
      else if (configure(old, settings)) added.push(old)
    }
    const removed = [...known.values()].filter(({ state }) => state !== 'removed')
    for (const server of removed) server.state = 'removed'
    return { added, removed }
  }

  /** @throws {SluiceError} `ERR_SLUICE_NO_VIRTUAL_SERVER` */
  order(name: string, order: 'active' | 'draining'): VirtualServer {
    const server = this.named(name)
    if (!server)
      throw unknown(
        name,
        [...this].map((each) => each.name),
      )
    server.state = order === 'active' ? 'up' : order
    return server
  }

  /** Lets go of those that were removed and whose last flow has ended. */
  forgetEnded(): void {
    for (const { id, state, connections } of this) {
      if (state === 'removed' && connections === 0) this.#byId.delete(id)
    }
  }

  #make(settings: ResolvedVirtualServer): VirtualServer {
    do this.#lastId = (this.#lastId % mostIds) + 1
    while (this.#byId.has(this.#lastId))
    const server = new VirtualServer(this.#lastId, settings)
    this.#byId.set(server.id, server)
    return server
  }
}

/** Whether the data flow segment has to know: policies, which are functions, are not its business. */
function configure(server: VirtualServer, settings: ResolvedVirtualServer): boolean {
  const comesBack = server.state === 'removed'
  const differs = JSON.stringify(server.settings) !== JSON.stringify(settings)
  if (comesBack) server.state = 'up'
  server.settings = settings
  return comesBack || differs
}

function unknown(name: string, names: readonly string[]): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_NO_VIRTUAL_SERVER',
    `There is no virtual server ${name}.`,
    `Name one of ${names.join(', ')}.`,
  )
}

function tooMany(): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_VIRTUAL_SERVER',
    'Virtual servers that were removed still have flows, and with these there are more than 65 535.',
    'Wait until their flows have ended (timeouts.drainMs at most), or restart the engine.',
  )
}
