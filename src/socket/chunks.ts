/**
 * The chunks of a socket, one by one. read() joins all that wait, which copies them; asked for the
 * length of the first one it hands that out as it came.
 */
import type { Socket } from './socket.js'

/** Lengths of chunks in the order in which they came. Where somebody else reads, too, they are wrong,
 *  and chunks are cut elsewhere: no byte is lost. */
export class ChunkLengths {
  #lengths: number[] = []
  #next = 0

  /** @param waiting bytes that wait already */
  constructor(waiting: number) {
    if (waiting > 0) this.#lengths.push(waiting)
  }

  add(length: number): void {
    this.#lengths.push(length)
  }

  /** Null where nothing waits. */
  take(socket: Socket): Buffer | null {
    if (this.#next === this.#lengths.length) {
      this.#lengths = []
      this.#next = 0
      return socket.read()
    }
    const length = this.#lengths[this.#next++]
    if (socket.readableEncoding !== null || length > socket.readableLength) return socket.read()
    return socket.read(length)
  }
}

/** Ends when the peer has; who leaves it before that destroys the socket, unless others move its bytes. */
export async function* chunksOf(
  socket: Socket,
  lengths: ChunkLengths,
): AsyncGenerator<Buffer, undefined> {
  let wake = () => {}
  const news = () => wake()
  const events = ['readable', 'end', 'error', 'close']
  for (const event of events) socket.on(event, news)
  try {
    for (;;) {
      const chunk = socket.destroyed ? null : lengths.take(socket)
      if (chunk !== null) yield chunk
      else if (socket.readableEnded) return undefined
      else if (socket.destroyed) throw socket.errored ?? prematureClose()
      else {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    }
  } finally {
    for (const event of events) socket.off(event, news)
    if (!socket.readableEnded && !socket.isHeld) socket.destroy()
  }
}

function prematureClose(): Error {
  return Object.assign(new Error('Premature close'), { code: 'ERR_STREAM_PREMATURE_CLOSE' })
}
