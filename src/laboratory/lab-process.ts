/** Processes of a laboratory: one-shot commands with their output, and long-running ones. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { LaboratoryError } from './error.js'
import { toolPath } from './tools.js'

export interface CommandOptions {
  input?: string | Uint8Array
  env?: Record<string, string>
  cwd?: string
  /** Ends the command with SIGKILL when it takes longer. Default: one minute. */
  timeoutMs?: number
}

export interface CommandResult {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

/** Runs a command to its end, whatever the end is. */
export async function tryRun(
  command: readonly [string, ...string[]],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const [file, ...args] = command
  const child = spawn(file, args, {
    cwd: options.cwd,
    env: { ...process.env, PATH: toolPath(), ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: options.timeoutMs ?? 60_000,
    killSignal: 'SIGKILL',
  })
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)]
  // A command that ends without reading its input is no error.
  child.stdin.on('error', () => {})
  child.stdin.end(options.input)
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  return { code, signal, stdout: stdout(), stderr: stderr() }
}

/** Runs a command to its end. @throws {LaboratoryError} when it does not exit with 0. */
export async function run(
  command: readonly [string, ...string[]],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const result = await tryRun(command, options)
  if (result.code === 0) return result
  const end = result.code === null ? `ended by ${result.signal}` : `exit code ${result.code}`
  throw new LaboratoryError(
    'ERR_SLUICE_LAB_COMMAND',
    `${command.join(' ')}: ${end}\n${result.stderr || result.stdout}`.trim(),
  )
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  return () => Buffer.concat(chunks).toString()
}

/** What `output()` of a long-running process keeps: enough for any start-up and last words. */
const KEPT_OUTPUT = 256 * 1024

export interface ExitStatus {
  code: number | null
  signal: NodeJS.Signals | null
}

/**
 * A long-running process in a session of its own, so that Ctrl-C on the terminal reaches the owner
 * only, who ends it in order.
 */
export class LabProcess {
  readonly pid: number
  /** Resolves when the process has ended and its output is read. */
  readonly exited: Promise<ExitStatus>
  private readonly child: ChildProcess
  private readonly command: string
  private text = ''
  private ended = false

  private constructor(child: ChildProcess, command: string) {
    this.child = child
    this.command = command
    this.pid = child.pid as number
    const keep = (chunk: Buffer) => {
      this.text = (this.text + chunk.toString()).slice(-KEPT_OUTPUT)
    }
    child.stdout?.on('data', keep)
    child.stderr?.on('data', keep)
    this.exited = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        this.ended = true
        resolve({ code, signal })
      })
    })
  }

  /** Starts `command`. @throws when the file cannot be executed. */
  static async start(
    command: readonly [string, ...string[]],
    options: Pick<CommandOptions, 'env' | 'cwd'> = {},
  ): Promise<LabProcess> {
    const [file, ...args] = command
    const child = spawn(file, args, {
      ...options,
      env: { ...process.env, PATH: toolPath(), ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    })
    child.stdin.on('error', () => {})
    await once(child, 'spawn')
    return new LabProcess(child, command.join(' '))
  }

  /** For readers who need every byte, or lines; `output()` keeps what passes here as well. */
  get stdout(): Readable {
    return this.child.stdout as Readable
  }

  get running(): boolean {
    return !this.ended
  }

  /** Both output streams, in the order in which they came; the last 256 KiB. */
  output(): string {
    return this.text
  }

  write(text: string): void {
    this.child.stdin?.write(text)
  }

  endInput(): void {
    this.child.stdin?.end()
  }

  signal(signal: NodeJS.Signals): void {
    if (this.running) this.child.kill(signal)
  }

  /** Waits until the output matches. @throws when the process ends or the time is over before. */
  async waitForOutput(pattern: RegExp, timeoutMs = 10_000): Promise<RegExpExecArray> {
    const timeout = AbortSignal.timeout(timeoutMs)
    while (true) {
      const match = pattern.exec(this.text)
      if (match) return match
      if (this.ended) throw this.trouble('ERR_SLUICE_LAB_COMMAND', 'ended', pattern)
      if (timeout.aborted) throw this.trouble('ERR_SLUICE_LAB_TIMEOUT', 'is late', pattern)
      await this.nextOutput(timeout)
    }
  }

  /** Sends `signal`, then SIGKILL if that has not ended the process in time. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', timeoutMs = 5_000): Promise<ExitStatus> {
    this.signal(signal)
    const late = setTimeout(() => this.kill(), timeoutMs)
    try {
      return await this.exited
    } finally {
      clearTimeout(late)
    }
  }

  /** Ends the process and what it started, at once. */
  kill(): void {
    if (this.ended) return
    try {
      process.kill(-this.pid, 'SIGKILL')
    } catch {
      // Ended, only not yet told.
    }
  }

  private nextOutput(timeout: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.child.stdout?.off('data', done)
        this.child.stderr?.off('data', done)
        this.child.off('close', done)
        timeout.removeEventListener('abort', done)
        resolve()
      }
      this.child.stdout?.on('data', done)
      this.child.stderr?.on('data', done)
      this.child.on('close', done)
      timeout.addEventListener('abort', done)
    })
  }

  private trouble(
    code: 'ERR_SLUICE_LAB_COMMAND' | 'ERR_SLUICE_LAB_TIMEOUT',
    what: string,
    pattern: RegExp,
  ): LaboratoryError {
    return new LaboratoryError(
      code,
      `${this.command} ${what} without printing ${pattern}. Its output:\n${this.text}`,
    )
  }
}
