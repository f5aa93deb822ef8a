/** Reads a socket piece by piece: heads, lines, and bodies as they come. */
import type { Socket } from '../socket/socket.js'
import { BadMessage } from './bad-message.js'

const headEnd = Buffer.from('\r\n\r\n')
const lineEnd = Buffer.from('\r\n')
const nothing = Buffer.alloc(0)
/** At most so many bytes are taken beyond what is asked for: what is in the socket is bounded with all others'. */
const ahead = 16_384
/** As long as a timer can be. */
const longestMs = 2 ** 31 - 1
const events = ['readable', 'end', 'close'] as const

export class StreamReader {
  /** Taken from the socket, and nobody's yet. */
  #rest: Buffer = nothing
  #wake: (() => void) | undefined
  #failure: Error | undefined
  /** Makes the error of who is late: making one costs more than all the rest. */
  #late: (() => Error) | undefined
  /** On the clock of performance.now(); so is when the timer goes off. */
  #lateAt = 0
  #timerAt = Number.POSITIVE_INFINITY
  #timer: NodeJS.Timeout | undefined
  readonly #news = () => this.#wake?.()

  constructor(readonly socket: Socket) {
    for (const event of events) socket.on(event, this.#news)
  }

  /** What it is told goes to whoever comes next. */
  stop(): void {
    clearTimeout(this.#timer)
    for (const event of events) this.socket.off(event, this.#news)
  }

  /** Whoever reads, now or later, gets this. */
  fail(error: Error): void {
    this.#failure ??= error
    this.#wake?.()
  }

  /** In so many milliseconds whoever reads gets this, unless another time is set, or none. */
  limit(ms: number, late: () => Error): void {
    this.#late = late
    this.#lateAt = performance.now() + ms
    // One that goes off too soon is set again then: that is cheaper than setting it for each.
    if (this.#timerAt > this.#lateAt) this.#setTimer(ms)
  }

  noLimit(): void {
    this.#late = undefined
  }

  /** Bytes have come that nobody has taken. */
  get hasBytes(): boolean {
    return this.hasRest || this.socket.readableLength > 0
  }

  /** The socket has no longer all of them. */
  get hasRest(): boolean {
    return this.#rest.length > 0
  }

  /** Whether a byte has come, or comes before the end. */
  async untilBytes(): Promise<boolean> {
    return this.#rest.length > 0 || this.#fill(1)
  }

  /** What has come behind what was read. */
  takeRest(): Buffer | undefined {
    const rest = this.#rest
    this.#rest = nothing
    return rest.length > 0 ? rest : undefined
  }

  /** So many bytes, where they have all come. */
  takeWhole(bytes: number): Buffer | undefined {
    const missing = bytes - this.#rest.length
    if (missing <= 0) return this.#take(bytes)
    if (this.socket.readableLength < missing) return undefined
    const chunk: Buffer | null = this.socket.read(missing)
    if (!chunk) return undefined
    const rest = this.takeRest()
    return rest ? Buffer.concat([rest, chunk]) : chunk
  }

  /** At most so many bytes; undefined at the end. */
  async some(most: number): Promise<Buffer | undefined> {
    if (this.#rest.length > 0) return this.#take(Math.min(most, this.#rest.length))
    return this.#next(most)
  }

  /** A head without its empty line; undefined where the end comes before its first byte. */
  async head(most: number): Promise<string | undefined> {
    // RFC 9112 2.2: some clients send an empty line behind a body.
    for (let lines = 0; lines < 2; lines++) {
      const hasTwo = this.#rest.length > 1 || (await this.#fill(2))
      if (!hasTwo || !this.#rest.subarray(0, 2).equals(lineEnd)) break
      this.#take(2)
    }
    return this.#until(headEnd, most)
  }

  /** @throws {BadMessage} where it is longer, or cut off */
  async line(most: number): Promise<string> {
    const line = await this.#until(lineEnd, most)
    if (line === undefined) throw new BadMessage(400, 'the body is cut off')
    return line
  }

  async #until(mark: Buffer, most: number): Promise<string | undefined> {
    for (let from = 0; ; ) {
      const rest = this.#rest
      const end = rest.indexOf(mark, from)
      if (end > most || (end < 0 && rest.length >= most + mark.length)) {
        throw new BadMessage(431, 'it is too long')
      }
      if (end >= 0) {
        this.#take(end + mark.length)
        return rest.toString('latin1', 0, end)
      }
      from = Math.max(0, rest.length - mark.length + 1)
      if (await this.#fill(rest.length + 1)) continue
      if (rest.length > 0) throw new BadMessage(400, 'it is cut off')
      return undefined
    }
  }

  #take(bytes: number): Buffer {
    const rest = this.#rest
    this.#rest = bytes === rest.length ? nothing : rest.subarray(bytes)
    return bytes === rest.length ? rest : rest.subarray(0, bytes)
  }

  /** False where fewer come before the end. */
  async #fill(least: number): Promise<boolean> {
    while (this.#rest.length < least) {
      const chunk = await this.#next(Math.max(ahead, least - this.#rest.length))
      if (!chunk) return false
      this.#rest = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk
    }
    return true
  }

  /** What the socket has. */
  async #next(most: number): Promise<Buffer | undefined> {
    for (;;) {
      if (this.#failure) throw this.#failure
      const { readableLength, destroyed } = this.socket
      if (destroyed) return undefined
      const isPart = readableLength > most
      const chunk: Buffer | null = this.socket.read(isPart ? most : undefined)
      if (chunk !== null) return chunk
      if (this.socket.readableEnded) return undefined
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  #setTimer(ms: number): void {
    clearTimeout(this.#timer)
    const soonMs = Math.min(ms, longestMs)
    this.#timerAt = performance.now() + soonMs
    this.#timer = setTimeout(this.#look, soonMs)
  }

  readonly #look = (): void => {
    this.#timerAt = Number.POSITIVE_INFINITY
    if (!this.#late) return
    const restMs = this.#lateAt - performance.now()
    if (restMs > 0) this.#setTimer(restMs)
    else this.fail(this.#late())
  }
}
