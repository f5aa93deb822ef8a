/**
 * Keeps a running engine at what its configuration's file says: on SIGHUP, and with `watch` whenever
 * the file, or one that it imports, changes. A file that is wrong leaves the old configuration in force.
 */
import { type FSWatcher, watch } from 'node:fs'
import { dirname, resolve } from 'node:path'
import {
  type AdminNetwork,
  type Engine,
  type LoadedConfig,
  loadConfigFile,
  type ReloadResult,
} from '../index.js'

/** An editor writes a file in several steps: wait until it is quiet for so long. */
const quietMs = 50

export interface ReloadOutcome {
  reloaded(policyRevision: string): void
  refused(error: unknown): void
}

export class Reloader implements Disposable {
  readonly #engine: Pick<Engine, 'reload'>
  readonly #file: string
  readonly #outcome: ReloadOutcome
  readonly #network: Pick<AdminNetwork, 'prepare'> | undefined
  readonly #watchers = new Map<string, FSWatcher>()
  readonly #request = () => void this.reload().catch(() => {})
  #files: ReadonlySet<string>
  #revision: string
  #quiet: NodeJS.Timeout | undefined
  /** Ends with the last reload: they come one after the other. */
  #last: Promise<unknown> = Promise.resolve()

  /** Listens to SIGHUP from now on, until disposed of. */
  constructor(
    engine: Pick<Engine, 'reload'>,
    file: string,
    { files, revision }: LoadedConfig,
    outcome: ReloadOutcome,
    network?: Pick<AdminNetwork, 'prepare'>,
  ) {
    this.#engine = engine
    this.#file = file
    this.#files = new Set(files)
    this.#revision = revision
    this.#outcome = outcome
    this.#network = network
    process.on('SIGHUP', this.#request)
  }

  /**
   * Reads the file again, and the certificates that it names; the same content changes nothing.
   * @throws why the old configuration stays in force; the outcome was told then, too
   */
  reload(): Promise<ReloadResult> {
    const result = this.#last.then(() => this.#load())
    this.#last = result.catch(() => {})
    return result
  }

  /** From now on, reloads when one of the files changes. */
  watch(): void {
    // Folders, not files: an editor puts a new file in the place of the old one.
    for (const folder of new Set([...this.#files].map((file) => dirname(file)))) {
      if (this.#watchers.has(folder)) continue
      const onChange = (_: string, name: string | null) => {
        if (name === null || this.#files.has(resolve(folder, name))) this.#soon()
      }
      this.#watchers.set(folder, watch(folder, onChange))
    }
  }

  [Symbol.dispose](): void {
    process.off('SIGHUP', this.#request)
    clearTimeout(this.#quiet)
    for (const watcher of this.#watchers.values()) watcher.close()
    this.#watchers.clear()
  }

  #soon(): void {
    clearTimeout(this.#quiet)
    this.#quiet = setTimeout(this.#request, quietMs)
  }

  async #load(): Promise<ReloadResult> {
    try {
      const { config, revision, files } = await loadConfigFile(this.#file)
      const apply = await this.#network?.prepare(config.admin)
      const same = revision === this.#revision
      if (!same) await this.#engine.reload(config, { policyRevision: revision })
      const changed = apply?.() || !same
      if (!changed) return { changed, policyRevision: revision }
      this.#revision = revision
      this.#files = new Set(files)
      if (this.#watchers.size > 0) this.watch()
      this.#outcome.reloaded(revision)
      return { changed, policyRevision: revision }
    } catch (error) {
      this.#outcome.refused(error)
      throw error
    }
  }
}
