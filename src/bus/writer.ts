/** Collects whole messages for a data flow segment, in order, until it takes them. */

/** A view of src/generated/messages.ts that can be moved and started. */
interface MovableView {
  view: DataView
  at: number
  clear(): unknown
}

const firstCapacity = 65_536

export class MessageWriter {
  #bytes = new Uint8Array(firstCapacity)
  #view = new DataView(this.#bytes.buffer)
  #start = 0
  #end = 0

  /** Bytes that wait to be taken. */
  get length(): number {
    return this.#end - this.#start
  }

  /** What waits, good until the next start(). */
  get pending(): Uint8Array {
    return this.#bytes.subarray(this.#start, this.#end)
  }

  /** The bytes under the views, to set addresses in. */
  get bytes(): Uint8Array {
    return this.#bytes
  }

  /** Starts a message after the others: the view is moved there and cleared. */
  start<View extends MovableView>(message: View, size: number): View {
    if (this.#end + size > this.#bytes.length) this.#makeRoom(size)
    if (message.view !== this.#view) message.view = this.#view
    message.at = this.#end
    message.clear()
    this.#end += size
    return message
  }

  /** The first `count` bytes, whole messages, have been taken. */
  taken(count: number): void {
    this.#start += count
    if (this.#start === this.#end) this.#start = this.#end = 0
  }

  #makeRoom(size: number): void {
    const { pending } = this
    const needed = pending.length + size
    let capacity = this.#bytes.length
    while (capacity < needed * 2) capacity *= 2
    const bytes = new Uint8Array(capacity)
    bytes.set(pending)
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer)
    this.#start = 0
    this.#end = pending.length
  }
}
