/** The administration over the network: as many addresses as the configuration names, one certificate. */
import { isDeepStrictEqual } from 'node:util'
import { formatEndpoint } from '../bus/address.js'
import type { ResolvedAdmin } from '../config/resolved.js'
import type { Logger } from '../logger.js'
import { createAdminApp } from './app.js'
import { type Credentials, readCredentials } from './credentials.js'
import { NetworkListener } from './network-listener.js'
import type { AdminSource, NetworkStatus } from './source.js'

/** What is wanted, read and found to be usable. */
interface Wanted {
  readonly settings: ResolvedAdmin
  readonly credentials: Credentials
}

export class AdminNetwork implements Disposable {
  readonly #log: Logger
  readonly #listeners = new Map<string, NetworkListener>()
  #source: AdminSource | undefined
  #wanted: Wanted | undefined

  constructor(log: Logger) {
    this.#log = log
  }

  /**
   * Reads the files of other settings, or of the same ones again. What it returns puts them in force,
   * cannot fail, and says whether anything has changed.
   * @throws {SluiceError} `ERR_SLUICE_ADMIN_CERTIFICATE`
   */
  async prepare(settings: ResolvedAdmin | undefined): Promise<() => boolean> {
    const wanted = settings && { settings, credentials: await readCredentials(settings) }
    return () => this.#want(wanted)
  }

  /** Listens from now on, to what was put in force, and answers with what `source` says. */
  open(source: AdminSource): void {
    this.#source = source
    this.#begin()
  }

  status(): NetworkStatus | null {
    if (!this.#wanted) return null
    const { settings, credentials } = this.#wanted
    const listeners = settings.listen.flatMap((one) => {
      const listener = this.#listeners.get(formatEndpoint(one))
      return listener ? [listener.status()] : []
    })
    const notAfter = new Date(credentials.notAfter).toISOString()
    return { notAfter, write: settings.write, listeners }
  }

  /** Ends every connection. */
  [Symbol.dispose](): void {
    this.#source = undefined
    for (const listener of this.#listeners.values()) listener.close()
    this.#listeners.clear()
  }

  #want(wanted: Wanted | undefined): boolean {
    const before = this.#wanted
    if (isDeepStrictEqual(before, wanted)) return false
    this.#wanted = wanted
    // Its rights are part of an application: who has the old one loses it.
    if (before?.settings.write !== wanted?.settings.write) this.#retire(() => true)
    else if (wanted && !isDeepStrictEqual(before?.credentials, wanted.credentials)) {
      for (const listener of this.#listeners.values()) listener.use(wanted.credentials)
    }
    this.#begin()
    return true
  }

  /** Listens where it should and does not yet, and nowhere else. */
  #begin(): void {
    const source = this.#source
    if (!source) return
    const { settings, credentials } = this.#wanted ?? {}
    const endpoints = new Map(settings?.listen.map((one) => [formatEndpoint(one), one]))
    this.#retire((address) => !endpoints.has(address))
    if (!settings || !credentials) return
    for (const [address, endpoint] of endpoints) {
      if (this.#listeners.has(address)) continue
      const app = createAdminApp(source, settings)
      this.#listeners.set(address, new NetworkListener(endpoint, app, credentials, this.#log))
    }
  }

  #retire(gone: (address: string) => boolean): void {
    for (const [address, listener] of this.#listeners) {
      if (!gone(address)) continue
      listener.retire()
      this.#listeners.delete(address)
    }
  }
}
