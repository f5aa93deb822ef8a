/** The engine as its users run it: `sluice run` in a process of its own, beside a laboratory. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Laboratory, LabProcess, Namespace } from '../../src/laboratory/index.js'
import { tryRun } from '../../src/laboratory/lab-process.js'
import { root } from './repository.js'

const EXECUTABLE = join(root, 'bin/sluice.js')

let serial = 0

export class SluiceProcess {
  private constructor(
    readonly process: LabProcess,
    readonly configFile: string,
    readonly socket: string,
  ) {}

  /**
   * Starts the engine and completes the laboratory. `config` is a configuration, or the source of
   * a TypeScript file that exports one. Returns once packets flow. `host` is the namespace of which it
   * uses the kernel's connections, as checks do.
   */
  static async start(
    lab: Laboratory,
    config: object | string,
    args: string[] = [],
    host: Pick<Namespace, 'spawn'> = lab,
  ): Promise<SluiceProcess> {
    const name = `sluice-${serial++}`
    const file = join(lab.folder, `${name}.ts`)
    const source = typeof config === 'string' ? config : `export default ${JSON.stringify(config)}`
    writeFileSync(file, `${source}\n`)
    const socket = join(lab.folder, `${name}.sock`)
    const command = [EXECUTABLE, 'run', '--json', '--socket', socket, ...args, file]
    const engine = await host.spawn(process.execPath, command)
    await engine.waitForOutput(/"event":\s*"ready"/, 30_000)
    await lab.afterStart()
    return new SluiceProcess(engine, file, socket)
  }

  /** The JSON objects that `sluice run` has printed so far. */
  events(): Record<string, unknown>[] {
    return (
      this.process
        .output()
        .split('\n')
        // The last one may not be whole yet.
        .slice(0, -1)
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as Record<string, unknown>)
    )
  }

  /** Replaces the configuration's file, as a user's editor does. */
  rewrite(source: string): void {
    writeFileSync(this.configFile, source)
  }

  /** What `sluice COMMAND --json` answers about this engine. @throws where it fails. */
  async ask<T>(command: string, ...args: string[]): Promise<T> {
    const line = [EXECUTABLE, command, '--json', '--socket', this.socket, ...args]
    const { code, stdout, stderr } = await tryRun([process.execPath, ...line])
    if (code !== 0) throw new Error(`sluice ${command}: exit code ${code}\n${stdout}${stderr}`)
    return JSON.parse(stdout) as T
  }

  /** Ends the engine with SIGTERM. @throws {Error} unless it exits with 0. */
  async stop(timeoutMs = 30_000): Promise<void> {
    const { code, signal } = await this.process.stop('SIGTERM', timeoutMs)
    if (code === 0) return
    const end = code === null ? `killed by ${signal}` : `exit code ${code}`
    throw new Error(`sluice run: ${end} after SIGTERM\n${this.process.output()}`)
  }
}
