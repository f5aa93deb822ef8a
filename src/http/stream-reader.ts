/** Reads a socket piece by piece and leaves in it what comes behind, so that the engine may pass that. */
import type { Socket } from '../socket/socket.js'
import { BadMessage } from './bad-message.js'

const headEnd = Buffer.from('\r\n\r\n')
const events = ['readable', 'end', 'close'] as const
const lineEnd = Buffer.from('\r\n')

export class StreamReader {
  #wake: (() => void) | undefined
  #failure: Error | undefined
  readonly #news = () => this.#wake?.()

  constructor(readonly socket: Socket) {
    for (const event of events) socket.on(event, this.#news)
  }

  /** What it is told goes to whoever comes next. */
  stop(): void {
    for (const event of events) this.socket.off(event, this.#news)
  }

  /** Whoever reads, now or later, gets this. */
  fail(error: Error): void {
    this.#failure ??= error
    this.#wake?.()
  }

  /** Runs, and fails where that takes longer. The error is made then: it costs more than the rest. */
  async within<Result>(
    ms: number,
    error: () => Error,
    run: () => Promise<Result>,
  ): Promise<Result> {
    const timer = setTimeout(() => this.fail(error()), ms)
    try {
      return await run()
    } finally {
      clearTimeout(timer)
    }
  }

  /** At most so many bytes; undefined at the end. */
  async some(most: number): Promise<Buffer | undefined> {
    for (;;) {
      if (this.#failure) throw this.#failure
      const { readableLength, destroyed } = this.socket
      if (destroyed) return undefined
      const chunk = this.socket.read(
        readableLength > 0 ? Math.min(most, readableLength) : undefined,
      )
      if (chunk !== null) return chunk
      if (this.socket.readableEnded) return undefined
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /** A head without its empty line; undefined where the end comes before its first byte. */
  async head(most: number): Promise<string | undefined> {
    await this.#skipEmptyLines()
    return this.#until(headEnd, most)
  }

  /** @throws {BadMessage} where it is longer, or cut off */
  async line(most: number): Promise<string> {
    const line = await this.#until(lineEnd, most)
    if (line === undefined) throw new BadMessage(400, 'the body is cut off')
    return line
  }

  async #until(mark: Buffer, most: number): Promise<string | undefined> {
    let read: Buffer = Buffer.alloc(0)
    for (;;) {
      const chunk = await this.some(most + mark.length - read.length)
      if (!chunk) {
        if (read.length > 0) throw new BadMessage(400, 'it is cut off')
        return undefined
      }
      const from = Math.max(0, read.length - mark.length + 1)
      read = read.length > 0 ? Buffer.concat([read, chunk]) : chunk
      const end = read.indexOf(mark, from)
      if (end >= 0) {
        const rest = read.subarray(end + mark.length)
        if (rest.length > 0) this.socket.unshift(rest)
        return read.toString('latin1', 0, end)
      }
      if (read.length >= most + mark.length) throw new BadMessage(431, 'it is too long')
    }
  }

  /** RFC 9112 2.2: some clients send one behind a body. */
  async #skipEmptyLines(): Promise<void> {
    for (let lines = 0; lines < 2; lines++) {
      const first = await this.some(2)
      if (!first) return
      const second = first.length < 2 && first[0] === 13 ? await this.some(1) : undefined
      const start = second ? Buffer.concat([first, second]) : first
      if (!start.equals(lineEnd)) {
        this.socket.unshift(start)
        return
      }
    }
  }
}
