/**
 * How the bytes of a pair pass JavaScript: pumps and transforms of a pair that is processed, pipes
 * that a service laid itself, and the shortcut of each direction that has nobody in its way.
 */
import type { Duplex } from 'node:stream'
import type { Count } from './count.js'
import { closed, reentrant } from './errors.js'
import type { Line } from './line.js'
import { type Pump, passOn, pumpsOf } from './pump.js'
import { type Course, Shortcut } from './shortcut.js'
import { lineOf, type Socket } from './socket.js'
import { type TransformCall, TransformCalls } from './transform-calls.js'
import type { PairTransforms } from './types.js'
import { until } from './until.js'

export class Passage {
  readonly #inbound: Socket
  readonly #outbound: Socket
  /** Whether the pumps pass ends on. */
  readonly #passesEnds: boolean
  #pumps: readonly Pump[] = []
  #transforms: readonly Duplex[] = []
  #shortcuts: readonly Shortcut[] = []
  #calls: TransformCalls | undefined
  #wake: (() => void) | undefined

  constructor(inbound: Socket, outbound: Socket, passesEnds: boolean) {
    this.#inbound = inbound
    this.#outbound = outbound
    this.#passesEnds = passesEnds
  }

  get isProcessed(): boolean {
    return this.#pumps.length > 0
  }

  get hasTransforms(): boolean {
    return this.#transforms.length > 0
  }

  /** Of a transform of its own, which is on the stack. */
  get call(): TransformCall | undefined {
    return this.#calls?.current
  }

  /** @param failed called where a transform does */
  process({ c2s, s2c }: PairTransforms, failed: (error: Error) => void): void {
    const [inbound, outbound, passesEnd] = [this.#inbound, this.#outbound, this.#passesEnds]
    this.#transforms = [c2s, s2c].filter((transform) => transform !== undefined)
    if (this.hasTransforms) this.#calls = new TransformCalls()
    for (const transform of this.#transforms) {
      this.#calls?.watch(transform)
      transform.on('error', failed)
    }
    const there = pumpsOf(
      { source: inbound, target: outbound, transform: c2s, passesEnd },
      this.moved,
    )
    const back = pumpsOf(
      { source: outbound, target: inbound, transform: s2c, passesEnd },
      this.moved,
    )
    this.#pumps = [...there, ...back]
    this.start()
    if (there.length === 1) this.#shortcut(inbound, outbound).follow(there[0].course)
    if (back.length === 1) this.#shortcut(outbound, inbound).follow(back[0].course)
  }

  /** A socket of the pair pipes into the other one, by this. */
  piped(source: Socket, target: Socket, course: Course): void {
    this.#shortcut(source, target).follow(course)
  }

  start(): void {
    for (const pump of this.#pumps) pump.start()
  }

  stop(): void {
    for (const pump of this.#pumps) pump.stop()
  }

  /** There is no pair any more. */
  end(): void {
    this.stop()
    this.#pumps = []
    for (const shortcut of this.#shortcuts) shortcut.forget()
    this.#shortcuts = []
    for (const transform of this.#transforms) transform.destroy()
    this.#transforms = []
    this.moved()
  }

  // -- past JavaScript

  /** Resolves when all bytes go by the streams, as they will until resume(). */
  async suspend(): Promise<void> {
    await Promise.all(this.#shortcuts.map((shortcut) => shortcut.suspend()))
  }

  resume(): void {
    for (const shortcut of this.#shortcuts) shortcut.resume()
  }

  /** Somebody writes to a socket: nobody else does, behind what is on its way. */
  giveWay(target: Socket): void {
    for (const shortcut of this.#shortcuts) if (shortcut.target === target) shortcut.leave()
  }

  // -- what is told of the lines

  received(line: Line): void {
    this.#from(line)?.received()
  }

  drained(line: Line): void {
    this.#from(line)?.moved()
  }

  written(): void {
    for (const shortcut of this.#shortcuts) shortcut.moved()
    this.moved()
  }

  /** The engine moves its bytes no longer, or it is over. */
  unrelayed(line: Line): void {
    this.#from(line)?.ended()
    this.moved()
  }

  readonly moved = (): void => {
    this.#wake?.()
    this.#wake = undefined
  }

  // -- what is on its way through the streams

  /** Bytes pass by themselves, or did. */
  get isUsed(): boolean {
    return this.isProcessed || this.#shortcuts.length > 0
  }

  /** What the service has not read goes on, as far as it is counted. Returns how much. */
  passUnread(count: Count): bigint {
    let passed = 0n
    count.begin()
    if (this.isProcessed) return passed
    for (const [source, target] of count.courses) passed += passOn(source, target, count.left)
    return passed
  }

  get isIdle(): boolean {
    if (this.isProcessed) return this.#pumps.every((pump) => pump.isIdle)
    return this.#inbound.bytesHeld + this.#outbound.bytesHeld === 0
  }

  /**
   * What JavaScript was handed goes to the other side, an end that it was told of, too.
   * @param call of a transform, by which it was asked for
   * @throws {SluiceError} `ERR_SLUICE_REENTRANT`, `ERR_SLUICE_CLOSED`; the reason of `signal`
   */
  async flush(signal: AbortSignal | undefined, call: TransformCall | undefined): Promise<void> {
    const [inbound, outbound] = [this.#inbound, this.#outbound]
    if (!this.isProcessed) {
      passOn(inbound, outbound)
      passOn(outbound, inbound)
    }
    for (;;) {
      const isDone =
        this.isIdle && this.#passedEnd(inbound, outbound) && this.#passedEnd(outbound, inbound)
      const isOver = inbound[lineOf].isOver || outbound[lineOf].isOver
      if (!isDone && call && !call.isDone) throw reentrant()
      if (isOver) throw closed('A side of the pair is over.')
      if (isDone) return
      const moved = new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      await until(moved, signal)
    }
  }

  /** What was handed up comes through the transforms, and nothing behind it; or a side is over. */
  async settle(signal: AbortSignal | undefined, call: TransformCall | undefined): Promise<void> {
    const [a, b] = [this.#inbound[lineOf], this.#outbound[lineOf]]
    try {
      await until(Promise.all([a.hold(), b.hold()]), signal)
      await this.flush(signal, call)
    } catch (error) {
      if (!a.isOver && !b.isOver) throw error
    } finally {
      a.release()
      b.release()
    }
  }

  /** A side had said all before it was cut off: that is not to be lost, what it did not take is. */
  finish(socket: Socket, other: Socket): void {
    for (const pump of this.#pumps) {
      if (pump.source === socket) pump.finish()
      else if (pump.source === other) pump.stop()
    }
    other.resume()
    if (other.writableFinished) other.destroy()
    else other.once('finish', () => other.destroy())
  }

  /** Whether the target has ended, where the source has; pumps pass that on by themselves. */
  #passedEnd(source: Socket, target: Socket): boolean {
    if (!source[lineOf].hasPeerEnded || target[lineOf].isShut) return true
    const isPassedOn = this.isProcessed && this.#passesEnds
    if (!isPassedOn && !target.writableEnded) target.end()
    return target[lineOf].isShut
  }

  #from(line: Line): Shortcut | undefined {
    return this.#shortcuts.find(({ source }) => source[lineOf] === line)
  }

  #shortcut(source: Socket, target: Socket): Shortcut {
    const known = this.#from(source[lineOf])
    if (known) return known
    const shortcut = new Shortcut(source, target)
    this.#shortcuts = [...this.#shortcuts, shortcut]
    return shortcut
  }
}
