/**
 * Moves the bytes of one direction of a pair through JavaScript: from a socket, through a transform
 * where there is one, to the other socket. A slow target stops its source, and so at last the sender.
 */
import type { Duplex } from 'node:stream'
import type { Socket } from './socket.js'

export interface PumpEvents {
  /** A transform failed. */
  failed(error: Error): void
  /** What somebody waits for may have come to be. */
  moved(): void
}

export interface PumpOptions {
  readonly source: Socket
  readonly target: Socket
  /** Zlib's streams and the like will do, too. */
  readonly transform: Duplex | undefined
  /** Whether the target ends when the source does. */
  readonly passesEnd: boolean
}

export class Pump {
  readonly #source: Socket
  readonly #target: Socket
  readonly #transform: Duplex | undefined
  readonly #passesEnd: boolean
  readonly #events: PumpEvents
  /** Chunks that the transform has not done with. */
  #inside = 0
  #isStarted = false

  constructor({ source, target, transform, passesEnd }: PumpOptions, events: PumpEvents) {
    this.#source = source
    this.#target = target
    this.#transform = transform
    this.#passesEnd = passesEnd
    this.#events = events
    transform?.on('data', this.#onTransformed)
    transform?.on('end', this.#onTransformEnd)
    transform?.on('drain', this.#onTransformDrain)
    transform?.on('error', (error) => events.failed(error))
  }

  start(): void {
    if (this.#isStarted) return
    this.#isStarted = true
    this.#source.on('data', this.#onData)
    this.#source.on('end', this.#onEnd)
    this.#target.on('drain', this.#onDrain)
    this.#source.resume()
    // An end that was told before anybody listened.
    if (this.#source.readableEnded) this.#onEnd()
  }

  /** What has not been read stays where it is. */
  stop(): void {
    this.#isStarted = false
    this.#source.off('data', this.#onData)
    this.#source.off('end', this.#onEnd)
    this.#target.off('drain', this.#onDrain)
    this.#source.pause()
  }

  /** Everything that came is with the target's engine. */
  get isIdle(): boolean {
    const held = this.#transform?.readableLength ?? 0
    return this.#source.readableLength + this.#inside + held + this.#target.writableLength === 0
  }

  /** Nobody needs it any more. */
  destroy(): void {
    this.stop()
    this.#transform?.destroy()
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#transform === undefined) {
      if (!this.#target.write(chunk)) this.#source.pause()
      return
    }
    this.#inside++
    if (!this.#transform.write(chunk, this.#onTaken)) this.#source.pause()
  }

  readonly #onTaken = (): void => {
    this.#inside--
    this.#events.moved()
  }

  readonly #onTransformed = (chunk: Buffer): void => {
    if (!this.#target.write(chunk)) this.#transform?.pause()
  }

  readonly #onDrain = (): void => {
    if (this.#transform) this.#transform.resume()
    else this.#source.resume()
  }

  readonly #onTransformDrain = (): void => {
    this.#source.resume()
  }

  readonly #onEnd = (): void => {
    if (!this.#passesEnd) return
    if (this.#transform) this.#transform.end()
    else this.#target.end()
  }

  readonly #onTransformEnd = (): void => {
    this.#target.end()
  }
}
