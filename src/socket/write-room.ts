/**
 * What all sockets of a worker together may write: chunks of its buffers, promised by the engine
 * (Room, docs/streams.md). Where they are used up sockets wait for more, in turn.
 */

/** Of one chunk. */
const chunkBytes = 2048

/** Who waits for room. */
export interface Writer {
  roomCame(): void
}

export class WriteRoom {
  #chunks = 0
  readonly #waiting = new Set<Writer>()

  /** Bytes that one message may have. */
  get bytes(): number {
    return this.#chunks * chunkBytes
  }

  /** A message with so many bytes was sent. */
  take(bytes: number): void {
    this.#chunks -= Math.ceil(bytes / chunkBytes)
  }

  wait(writer: Writer): void {
    this.#waiting.add(writer)
  }

  grant(chunks: number): void {
    this.#chunks += chunks
    for (const writer of this.#waiting) {
      if (this.#chunks === 0) return
      this.#waiting.delete(writer)
      writer.roomCame()
    }
  }
}
