/**
 * The service manager that started this process, where there is one (sd_notify(3)): it is told when
 * the engine is ready and when it ends, and at regular times that JavaScript still runs.
 */
import type { Logger } from './logger.js'
import { notifySocket } from './native.js'

export class Supervisor implements Disposable {
  readonly #socket: string | undefined
  readonly #watchdogMs: number
  readonly #log: Logger
  #timer: NodeJS.Timeout | undefined

  constructor(env: NodeJS.ProcessEnv, log: Logger) {
    this.#socket = env.NOTIFY_SOCKET || undefined
    const ours = !env.WATCHDOG_PID || Number(env.WATCHDOG_PID) === process.pid
    this.#watchdogMs = ours ? Number(env.WATCHDOG_USEC ?? 0) / 1000 : 0
    this.#log = log
  }

  /** The engine is ready; from now on it shows that it lives, twice in each interval. */
  ready(): void {
    this.#tell(`READY=1\nMAINPID=${process.pid}`)
    if (this.#socket === undefined || !(this.#watchdogMs > 0)) return
    this.#timer = setInterval(() => this.#tell('WATCHDOG=1'), this.#watchdogMs / 2).unref()
  }

  stopping(): void {
    this.#tell('STOPPING=1')
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  #tell(message: string): void {
    if (this.#socket === undefined) return
    try {
      notifySocket(this.#socket, message)
    } catch (err) {
      const code = 'ERR_SLUICE_SERVICE_MANAGER'
      this.#log.warn({ event: 'serviceManager', code, err }, 'the service manager cannot be told')
    }
  }
}
