/** Messages about sockets that wait to be read, whole and in order. */

interface MessageClass<Message> {
  readonly size: number
  new (view: DataView, at?: number): Message & { clear(): unknown; socket: number }
}

export class StreamOutbox {
  #messages: Uint8Array[] = []
  #wake: () => void = () => {}
  #isScheduled = false
  /** Whether what comes waits for a call of `flush`. */
  isPaused = false

  start<Message>(type: MessageClass<Message>, socket: number): Message {
    const message = new type(new DataView(new ArrayBuffer(type.size)))
    message.clear()
    message.socket = socket
    this.add(new Uint8Array((message as unknown as { view: DataView }).view.buffer))
    return message
  }

  /** A message, which may be filled in until this turn of the event loop is over. */
  add(message: Uint8Array): void {
    this.#messages.push(message)
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.#wake()
    })
  }

  onMessages(wake: () => void): void {
    this.#wake = wake
  }

  get length(): number {
    return this.#messages.length
  }

  read(into: Uint8Array): number {
    let at = 0
    while (this.#messages.length > 0) {
      const [message] = this.#messages
      const size = (message.length + 3) & ~3
      if (at + size > into.length) break
      into.set(message, at)
      at += size
      this.#messages.shift()
    }
    return at
  }
}
