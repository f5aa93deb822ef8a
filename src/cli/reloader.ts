/**
 * Keeps a running engine at what its configuration's file says: on SIGHUP, and with `watch` whenever
 * the file, or one that it imports, changes. A file that is wrong leaves the old configuration in force.
 */
import { resolve } from 'node:path'
import {
  type AdminNetwork,
  type CompiledConfig,
  compileConfigFile,
  type Engine,
  type LoadedConfig,
  type ReloadResult,
} from '../index.js'
import { FileWatch } from './file-watch.js'

/** An editor writes a file in several steps: wait until it is quiet for so long. */
const quietMs = 50

export interface ReloadOutcome {
  reloaded(policyRevision: string): void
  refused(error: unknown): void
  /** Changes of the files may go by. */
  unwatched(error: unknown): void
}

export class Reloader implements Disposable {
  readonly #engine: Pick<Engine, 'reload'>
  readonly #file: string
  readonly #outcome: ReloadOutcome
  readonly #network: Pick<AdminNetwork, 'prepare'> | undefined
  readonly #request = () => void this.reload().catch(() => {})
  #watch: FileWatch | undefined
  #files: readonly string[]
  /** What is in force. */
  #admin: LoadedConfig['config']['admin']
  #revision: string
  #quiet: NodeJS.Timeout | undefined
  /** Ends with the last reload: they come one after the other. */
  #last: Promise<unknown> = Promise.resolve()

  /** Listens to SIGHUP from now on, until disposed of. */
  constructor(
    engine: Pick<Engine, 'reload'>,
    file: string,
    { config, files, revision }: LoadedConfig,
    outcome: ReloadOutcome,
    network?: Pick<AdminNetwork, 'prepare'>,
  ) {
    this.#engine = engine
    this.#file = resolve(file)
    this.#files = this.#withOwn(files)
    this.#admin = config.admin
    this.#revision = revision
    this.#outcome = outcome
    this.#network = network
    process.on('SIGHUP', this.#request)
  }

  /**
   * Reads the file again, and the certificates that it names. The same content is not run again, and
   * changes nothing.
   * @throws why the old configuration stays in force; the outcome was told then, too
   */
  reload(): Promise<ReloadResult> {
    const result = this.#last.then(() => this.#load())
    this.#last = result.catch(() => {})
    return result
  }

  /** From now on, reloads when one of the files changes. */
  watch(): void {
    this.#watch = new FileWatch(() => this.#soon(), this.#outcome.unwatched)
    this.#watch.follow(this.#files)
  }

  [Symbol.dispose](): void {
    process.off('SIGHUP', this.#request)
    clearTimeout(this.#quiet)
    this.#watch?.[Symbol.dispose]()
    this.#watch = undefined
  }

  /** The compiler knows files by their real paths; the path that was given may lead elsewhere one day. */
  #withOwn(files: readonly string[]): string[] {
    return [...new Set([this.#file, ...files])]
  }

  #soon(): void {
    clearTimeout(this.#quiet)
    this.#quiet = setTimeout(this.#request, quietMs)
  }

  async #load(): Promise<ReloadResult> {
    try {
      return await this.#takeOver(await this.#compile())
    } catch (error) {
      this.#outcome.refused(error)
      throw error
    }
  }

  async #compile(): Promise<CompiledConfig> {
    // Before anything is read, too: what changes meanwhile in a folder that is new is seen then.
    this.#watch?.follow(this.#files)
    const compiled = await compileConfigFile(this.#file)
    this.#files = this.#withOwn(compiled.files)
    this.#watch?.follow(this.#files)
    return compiled
  }

  async #takeOver({ revision, run }: CompiledConfig): Promise<ReloadResult> {
    // A module that was run stays in memory for good.
    const config = revision === this.#revision ? undefined : await run()
    const admin = config ? config.admin : this.#admin
    const apply = await this.#network?.prepare(admin)
    if (config) await this.#engine.reload(config, { policyRevision: revision })
    const changed = apply?.() || config !== undefined
    this.#admin = admin
    this.#revision = revision
    if (changed) this.#outcome.reloaded(revision)
    return { changed, policyRevision: revision }
  }
}
