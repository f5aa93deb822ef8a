/**
 * Moves bytes through JavaScript, from one stream of a pair to the next: a socket, a transform, the
 * other socket. A slow target stops its source, and so at last the sender.
 */
import type { Duplex } from 'node:stream'

export class Pump {
  readonly source: Duplex
  readonly #target: Duplex
  readonly #passesEnd: boolean
  readonly #taken: (() => void) | undefined
  #isStarted = false

  /**
   * @param passesEnd whether the target ends when the source does
   * @param taken called for each chunk that the target is done with, where it is a transform
   */
  constructor(source: Duplex, target: Duplex, passesEnd: boolean, taken?: () => void) {
    this.source = source
    this.#target = target
    this.#passesEnd = passesEnd
    this.#taken = taken
  }

  start(): void {
    if (this.#isStarted) return
    this.#isStarted = true
    this.source.on('data', this.#onData)
    this.#target.on('drain', this.#onDrain)
    if (this.#passesEnd) this.source.on('end', this.#onEnd)
    this.source.resume()
    // An end that was told before anybody listened.
    if (this.#passesEnd && this.source.readableEnded) this.#onEnd()
  }

  /** What has not been read stays where it is. */
  stop(): void {
    if (!this.#isStarted) return
    this.#isStarted = false
    this.source.off('data', this.#onData)
    this.#target.off('drain', this.#onDrain)
    this.source.off('end', this.#onEnd)
    this.source.pause()
  }

  /** The source is about to be gone, and has ended: what is left of it goes on at once, then its end. */
  finish(): void {
    this.stop()
    const target = this.#target
    if (target.writableEnded) return
    for (let chunk = this.source.read(); chunk !== null; chunk = this.source.read()) {
      target.write(chunk, this.#taken)
    }
    target.end()
  }

  /** Its listener of 'data'. */
  get course(): (chunk: Buffer) => void {
    return this.#onData
  }

  /** Everything that came is beyond the target, or with its engine. */
  get isIdle(): boolean {
    return this.source.readableLength + this.#target.writableLength === 0
  }

  readonly #onData = (chunk: Buffer): void => {
    if (!this.#target.write(chunk, this.#taken)) this.source.pause()
  }

  readonly #onDrain = (): void => {
    this.source.resume()
  }

  readonly #onEnd = (): void => {
    this.#target.end()
  }
}

export interface Direction {
  readonly source: Duplex
  readonly target: Duplex
  /** Zlib's streams and the like will do, too. */
  readonly transform: Duplex | undefined
  readonly passesEnd: boolean
}

/** The pumps of one direction. */
export function pumpsOf(direction: Direction, taken: () => void): Pump[] {
  const { source, target, transform, passesEnd } = direction
  if (!transform) return [new Pump(source, target, passesEnd)]
  return [new Pump(source, transform, passesEnd, taken), new Pump(transform, target, passesEnd)]
}

/**
 * What is there, of a source that nobody reads by himself; so many bytes at most. Returns how many.
 */
export function passOn(source: Duplex, target: Duplex, most?: bigint): bigint {
  let passed = 0n
  if (source.readableFlowing || !target.writable) return passed
  while (source.readableLength > 0) {
    const left = most === undefined ? source.readableLength : Number(most - passed)
    const chunk = left > 0 ? source.read(Math.min(left, source.readableLength)) : null
    if (chunk === null) break
    passed += BigInt(chunk.length)
    target.write(chunk)
  }
  return passed
}
