/**
 * What the engine moves from one line to another without JavaScript: who gives to whom, and how much
 * it is. The engine counts, so whoever asks in the middle of it is told what has passed by then.
 */

/** What the engine has moved of the bytes that a line received. */
export interface RelayProgress {
  /** All that it ever did. */
  readonly bytes: number
  /** When it did last, in milliseconds since 1970; 0 before. */
  readonly movedAt: number
}

interface Meter {
  progress(): RelayProgress
}

/** One line's part of it. */
export class RelayLink {
  /** To whom its line's bytes go; undefined where they are JavaScript's. */
  target: RelayLink | undefined
  /** From whom those come that its line sends. */
  source: RelayLink | undefined
  /** Up to the last end of it, or the last time that somebody asked. */
  #given = 0
  #taken = 0
  #movedAt = 0
  /** Of what it gave, before it gave to the present target. */
  #before = 0

  constructor(private readonly meter: Meter) {}

  /** Bytes that its line received and the engine gave to others. */
  get given(): number {
    this.#look()
    return this.#given
  }

  /** Bytes of others that its line sent. */
  get taken(): number {
    return this.source ? this.#taken + this.source.given - this.source.#before : this.#taken
  }

  get movedAt(): number {
    this.#look()
    return Math.max(this.#movedAt, this.source ? this.source.#gaveAt : 0)
  }

  get #gaveAt(): number {
    this.#look()
    return this.#movedAt
  }

  begin(target: RelayLink): void {
    this.target = target
    this.#before = this.#given
    target.source = this
  }

  /** Nothing happens where it gives to nobody. @param bytes all that it ever gave */
  end(bytes: number): void {
    const { target } = this
    if (!target) return
    this.#look()
    this.#given = bytes
    target.#taken += bytes - this.#before
    target.#movedAt = Math.max(target.#movedAt, this.#movedAt)
    target.source = undefined
    this.target = undefined
  }

  /** An engine that was stopped tells no more: what was known stays. */
  #look(): void {
    if (!this.target) return
    const { bytes, movedAt } = this.meter.progress()
    this.#given = Math.max(this.#given, bytes)
    this.#movedAt = Math.max(this.#movedAt, movedAt)
  }
}
