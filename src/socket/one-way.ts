/**
 * One direction of a pair that passes so many bytes by the engine, while a service goes on with the
 * other one: what it has not read goes first, then the engine counts, and behind the last byte it
 * reads again.
 */
import { RelayCount, RelayEnds } from '../generated/streams.js'
import type { Count } from './count.js'
import { passOn } from './pump.js'
import { lineOf, type Socket } from './socket.js'
import { until } from './until.js'

export class OneWay {
  readonly target: Socket
  /** Resolves when it is over, whatever came of it. */
  readonly over: Promise<unknown>
  readonly done: Promise<void>
  readonly #source: Socket
  readonly #ending = new AbortController()
  #wake: (() => void) | undefined

  constructor(
    readonly count: Count,
    signal: AbortSignal | undefined,
  ) {
    const [[source, target]] = count.courses as [readonly [Socket, Socket]]
    this.#source = source
    this.target = target
    const ending = this.#ending.signal
    this.done = this.#pass(signal ? AbortSignal.any([signal, ending]) : ending, signal)
    this.over = this.done.catch(() => {})
  }

  /** The service has the bytes again, wherever that comes to be. */
  end(): Promise<unknown> {
    this.#ending.abort()
    return this.over
  }

  /** The engine has what was written to the target, or knows that it gets no more. */
  written(): void {
    this.#wake?.()
  }

  async #pass(ending: AbortSignal, signal: AbortSignal | undefined): Promise<void> {
    const line = this.#source[lineOf]
    try {
      await until(line.hold(), ending)
      this.count.begin()
      passOn(this.#source, this.target, this.count.left)
      if (!this.count.isReached) await this.#relay(ending)
    } catch {
      // What has passed tells why.
    } finally {
      if (!line.isOver) line.rest()
    }
    if (this.count.isReached) return
    signal?.throwIfAborted()
    // Whoever took nothing back sees an end, told or not.
    throw this.count.failure(!this.#ending.signal.aborted || this.count.isEnded)
  }

  async #relay(ending: AbortSignal): Promise<void> {
    const [line, target] = [this.#source[lineOf], this.target[lineOf]]
    await this.#untilWritten(ending)
    if (line.hasPeerEnded || target.isOver || target.isShut) return
    line.relayTo(target, RelayEnds.stay, {
      counted: { count: RelayCount.one, bytes: this.count.left },
    })
    const stop = () => line.unrelay()
    ending.addEventListener('abort', stop, { once: true })
    await line.untilUnrelayed()
  }

  async #untilWritten(ending: AbortSignal): Promise<void> {
    while (this.target.writableLength > 0 && !this.target.destroyed) {
      const written = new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      await until(written, ending)
    }
    ending.throwIfAborted()
  }
}
