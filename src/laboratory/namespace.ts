/** A network namespace of a laboratory and the commands that run in it. */
import { join } from 'node:path'
import { type CommandOptions, type CommandResult, LabProcess, run, tryRun } from './lab-process.js'
import { NAMESPACE_FOLDER } from './owner.js'

export class Namespace {
  /** What it is in the topology: `cli`, `ctl`, `lan`, `srv1` ... */
  readonly role: string
  /** Its name for `ip netns` and for `netns` in a Sluice configuration. */
  readonly name: string
  private readonly processes: Set<LabProcess>

  constructor(role: string, name: string, processes: Set<LabProcess>) {
    this.role = role
    this.name = name
    this.processes = processes
  }

  /** Path that setns(2) takes. */
  get path(): string {
    return join(NAMESPACE_FOLDER, this.name)
  }

  /** Runs a command to its end. @throws {LaboratoryError} when it does not exit with 0. */
  exec(command: string, args: readonly string[] = [], options?: CommandOptions) {
    return run(this.enter(command, args), options)
  }

  /** Runs a command to its end, whatever the end is. */
  tryExec(
    command: string,
    args: readonly string[] = [],
    options?: CommandOptions,
  ): Promise<CommandResult> {
    return tryRun(this.enter(command, args), options)
  }

  /** Starts a long-running process, which ends with the laboratory at the latest. */
  async spawn(
    command: string,
    args: readonly string[] = [],
    options?: Pick<CommandOptions, 'env' | 'cwd'>,
  ): Promise<LabProcess> {
    const started = await LabProcess.start(this.enter(command, args), options)
    this.processes.add(started)
    started.exited.then(() => this.processes.delete(started))
    return started
  }

  /** Runs lines of `ip -batch` here, all in one process. */
  async ip(lines: readonly string[]): Promise<void> {
    if (lines.length === 0) return
    await run(['ip', '-n', this.name, '-batch', '-'], { input: `${lines.join('\n')}\n` })
  }

  /** Sets sysctls by their path below /proc/sys/net; one that this kernel lacks is left out. */
  async setSysctls(settings: Record<string, string | number>): Promise<void> {
    const lines = Object.entries(settings).map(
      ([key, value]) => `[ ! -e ${key} ] || echo '${value}' > ${key} || exit 1`,
    )
    await this.exec('sh', [], { input: `cd /proc/sys/net\n${lines.join('\n')}\n` })
  }

  // nsenter only joins the namespace; `ip netns exec` would remount /sys for each command as well.
  private enter(command: string, args: readonly string[]): [string, ...string[]] {
    return ['nsenter', `--net=${this.path}`, '--', command, ...args]
  }
}
