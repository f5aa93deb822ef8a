/**
 * The line between a socket and its connection in the engine: credits both ways, and what is said on
 * it. Nothing is asked for byte by byte (BUF-02): each side says in large pieces what it has room for.
 */
import type { RelayMore } from '../bus/stream-orders.js'
import { type RelayEnds, type SocketOption, StreamEnd } from '../generated/streams.js'
import { brokenPipe, closed, endError } from './errors.js'
import type { LineEnd, LineWatcher, Totals } from './line-end.js'
import { RelayLink, type RelayProgress } from './relay-link.js'
import type { SocketState } from './socket-state.js'
import { type Sockets, window } from './sockets.js'
import type { WriteRoom, Writer } from './write-room.js'

type Done = (error?: Error | null) => void

interface Waiter<Value> {
  resolve(value: Value): void
  reject(error: Error): void
}

const nothing: readonly Uint8Array[] = []
const ignoreNews: LineEnd = {
  readableLength: 0,
  active() {},
  received() {},
  peerEnded() {},
  lineClosed() {},
  resetAndDestroy() {},
  bytesHeld: 0,
}

export class Line implements Writer {
  watcher: LineWatcher | undefined
  /** Called when the connection is over, whoever has let go of it. */
  whenOver: ((totals: Totals) => void) | undefined
  /** The user's half; what it is told is lost once it let go. */
  end: LineEnd = ignoreNews
  /** Users that it has had. */
  uses = 1
  /** The client's address, where its peer sees that. */
  shows: string | undefined
  bytesReceived = 0
  bytesSent = 0
  /** Of these, bytes of a write that is not done: the stream counts all of it as waiting. */
  bytesUnderWay = 0
  #readCredit = 0
  /** It grows where bytes come in such numbers: those that are idle may be many, and a body that is to
   *  pass by the engine is not to come here first, because of all the answers before it. */
  #window: number = window.least
  #turn = 0
  #bytesOfTurn = 0
  #mayGrow = false
  /** What it has of the sockets' committed bytes. */
  #committed = 0
  #writeCredit: number
  readonly #room: WriteRoom
  #chunks = nothing
  #chunk = 0
  #offset = 0
  #done: Done | undefined
  #hasPeerEnded = false
  #isShut = false
  #reason: number | undefined
  #isHeld = false
  /** The engine has not answered to that. */
  #awaitsHeld = false
  readonly #relay = new RelayLink(this)
  #onHeld: Waiter<void> | undefined
  #onUnrelayed: Waiter<void> | undefined

  /** @param credit bytes that may be written at once */
  constructor(
    readonly id: number,
    readonly sockets: Sockets,
    credit: number,
  ) {
    this.#writeCredit = credit
    this.#room = sockets.roomOf(id)
  }

  get isOver(): boolean {
    return this.#reason !== undefined
  }
  /** Why it is over: a StreamEnd. */
  get reason(): number | undefined {
    return this.#reason
  }
  get hasPeerEnded(): boolean {
    return this.#hasPeerEnded
  }
  get isShut(): boolean {
    return this.#isShut
  }
  get isHeld(): boolean {
    return this.#isHeld
  }
  /** The engine gives what it receives to another one. */
  get isRelayed(): boolean {
    return this.#relay.target !== undefined
  }
  /** The engine sends on it what another one receives. */
  get isFed(): boolean {
    return this.#relay.source !== undefined
  }
  /** Bytes received that the engine gave to others, up to now. */
  get bytesRelayed(): number {
    return this.#relay.given
  }
  /** Bytes of others that the engine sent on it, up to now. */
  get bytesFed(): number {
    return this.#relay.taken
  }
  /** When the engine moved the last of either, in milliseconds since 1970; 0 before the first. */
  get movedAt(): number {
    return this.#relay.movedAt
  }

  // -- what the user's half says

  /**
   * Lets the engine hand up more, where half of the window is neither granted nor waiting to be read.
   * Where nothing more comes, what it had is the others'.
   * To be called when something was received, and when something was taken: _read() alone would not
   * do, which is called before the chunk that is about to be taken is gone, and not again before a push.
   */
  grant(): void {
    this.#commit(this.#readCredit + this.end.readableLength)
    if (this.#isHeld || this.#awaitsHeld || this.isOver || this.#hasPeerEnded) return
    const window = Math.min(this.#window, this.sockets.window)
    const missing = window - this.#committed
    if (missing * 2 < window) return
    if (this.#mayGrow) this.#window = Math.min(window * 2, this.sockets.window)
    this.#mayGrow = false
    this.#readCredit += missing
    this.#commit(window)
    this.sockets.orders.read(this.id, missing)
  }

  /** Calls `done` when the engine has all of them. One call at a time. */
  write(chunks: readonly Uint8Array[], done: Done): void {
    if (this.isOver || this.#isShut) {
      done(brokenPipe())
      return
    }
    this.#chunks = chunks
    this.#done = done
    this.#flush()
  }

  shut(): void {
    if (this.isOver || this.#isShut) return
    this.#isShut = true
    this.sockets.orders.shut(this.id)
    this.watcher?.written(this)
  }

  /** All that was handed up has been read. */
  drained(): void {
    this.watcher?.drained(this)
  }

  /** Nobody reads or writes any more. @param how what was written still goes, or a RST at once */
  letGo(how: 'close' | 'abort'): void {
    this.end = ignoreNews
    this.#commit(0)
    this.#fail(() => closed('The socket was destroyed.'))
    if (!this.isOver) this.sockets.orders[how](this.id)
  }

  /** @throws {SluiceError} `ERR_SLUICE_CLOSED`, `ERR_SLUICE_STOPPED` */
  ask(): Promise<SocketState> {
    return this.sockets.ask(this.id)
  }

  set(option: SocketOption, value: number): void {
    if (!this.isOver) this.sockets.orders.set(this.id, option, value)
  }

  // -- what its pair says

  /** Resolves when nothing more is handed up, and all that was has been. */
  hold(): Promise<void> {
    if (this.isOver) return Promise.reject(closed('The connection is over.'))
    // Where the last one was given up meanwhile, its answer will do: nothing was granted since.
    if (!this.#awaitsHeld) this.sockets.orders.hold(this.id)
    return this.untilHeld()
  }

  /** Resolves when the engine says so, which was told to hold. */
  protected untilHeld(): Promise<void> {
    this.#isHeld = true
    this.#awaitsHeld = true
    return new Promise((resolve, reject) => {
      this.#onHeld = { resolve, reject }
    })
  }

  /** As release(), where others had its bytes or nobody is to read: what may be handed up is little again. */
  rest(): void {
    this.#window = window.least
    this.release()
  }

  /** The engine hands up again. */
  release(): void {
    this.#isHeld = false
    this.grant()
  }

  /** Its bytes, which are held, go to another one in the engine from now on; or so many of them. */
  relayTo(target: Line, ends: RelayEnds, more?: RelayMore): void {
    this.giveTo(target)
    this.sockets.orders.relay(this.id, target.id, ends, more)
  }

  /** The engine knows that already. */
  protected giveTo(target: Line): void {
    this.#relay.begin(target.#relay)
  }

  /** They do no longer, when the engine answers; what is written to the other one follows them. */
  unrelay(): void {
    if (this.isRelayed && !this.isOver) this.sockets.orders.unrelay(this.id)
  }

  /** What the engine has moved of its bytes so far. */
  progress(): RelayProgress {
    return this.sockets.progressOf(this.id)
  }

  /** Resolves when the engine moves no more of its bytes: at once where it moves none. */
  untilUnrelayed(): Promise<void> {
    if (this.isOver) return Promise.reject(closed('The connection is over.'))
    if (!this.isRelayed) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.#onUnrelayed = { resolve, reject }
    })
  }

  // -- what the engine says

  data(bytes: Buffer): void {
    if (this.end === ignoreNews) return
    this.#readCredit -= bytes.length
    this.#weigh(bytes.length)
    this.bytesReceived += bytes.length
    this.end.received(bytes)
    this.grant()
    this.watcher?.received(this)
  }

  ended(): void {
    this.#hasPeerEnded = true
    this.#readCredit = 0
    this.grant()
    this.watcher?.peerEnded(this)
    this.end.peerEnded()
  }

  writable(credit: number): void {
    this.#writeCredit += credit
    this.end.active()
    if (this.#done) this.#flush()
  }

  roomCame(): void {
    if (this.#done) this.#flush()
  }

  held(): void {
    this.#awaitsHeld = false
    this.#readCredit = 0
    this.#onHeld?.resolve()
    this.#onHeld = undefined
    this.grant()
  }

  spliced(block: number): void {
    this.watcher?.spliced(this, block)
  }

  /** @param bytes all that it ever received and the engine gave to others; so are datagrams of UDP */
  unrelayed(bytes: number, _datagrams: number): void {
    this.#relay.end(bytes)
    this.#onUnrelayed?.resolve()
    this.#onUnrelayed = undefined
    this.watcher?.unrelayed(this)
  }

  closed(reason: number, totals: Totals): void {
    this.#reason = reason
    this.#readCredit = 0
    this.#relay.end(totals.bytesReceivedNumber - this.bytesReceived)
    this.grant()
    const error = endError(reason)
    this.#fail(() => error ?? closed('The connection is over.'))
    if (!this.#isHeld) this.tellEnd()
    this.watcher?.closed(this, reason)
    this.end.lineClosed(error)
    this.whenOver?.(totals)
  }

  /** The engine says nothing of an end as long as it holds, and a connection that both ends have ended
   *  is over at once: that it has come to its end is all that tells of it then. Nothing is behind what
   *  was handed up, or the engine would have kept it. */
  tellEnd(): void {
    this.#isHeld = false
    const isEnd = this.#reason === StreamEnd.finished && !this.#hasPeerEnded
    if (isEnd && this.end !== ignoreNews) this.ended()
  }

  /** There is no engine any more: its user is told by 'close' alone. */
  stop(): void {
    this.end.resetAndDestroy()
    this.closed(StreamEnd.aborted, {
      bytesReceivedNumber: this.bytesReceived + this.bytesRelayed,
      bytesSentNumber: this.bytesSent + this.bytesFed,
    })
  }

  /** The engine may hand up so much more, and knows it. */
  protected credited(bytes: number): void {
    this.#readCredit += bytes
    this.#commit(this.#readCredit + this.end.readableLength)
  }

  /** Half of the window at once is what a larger one is good for. */
  #weigh(bytes: number): void {
    const { turn } = this.sockets
    this.#bytesOfTurn = bytes + (turn === this.#turn ? this.#bytesOfTurn : 0)
    this.#turn = turn
    this.#mayGrow ||= this.#bytesOfTurn * 2 >= this.#window
  }

  #commit(bytes: number): void {
    this.sockets.committed += bytes - this.#committed
    this.#committed = bytes
  }

  #flush(): void {
    const chunks = this.#chunks
    for (;;) {
      while (this.#chunk < chunks.length && this.#offset === chunks[this.#chunk].length) {
        this.#chunk++
        this.#offset = 0
      }
      if (this.#chunk === chunks.length) {
        this.#finish()
        return
      }
      if (this.#writeCredit === 0) return
      const most = Math.min(this.#writeCredit, this.#room.bytes)
      if (most === 0) {
        this.#room.wait(this)
        return
      }
      const { orders } = this.sockets
      this.#advance(orders.write(this.id, chunks, this.#chunk, this.#offset, most))
    }
  }

  #advance(count: number): void {
    this.#writeCredit -= count
    this.#room.take(count)
    this.bytesSent += count
    this.bytesUnderWay += count
    let left = count + this.#offset
    while (left > 0 && left >= this.#chunks[this.#chunk].length) {
      left -= this.#chunks[this.#chunk].length
      this.#chunk++
    }
    this.#offset = left
  }

  #finish(error?: Error): void {
    const done = this.#done
    this.#done = undefined
    this.#chunks = nothing
    this.#chunk = this.#offset = this.bytesUnderWay = 0
    done?.(error)
    this.watcher?.written(this)
  }

  /** Whoever waits for something learns that it does not come. */
  #fail(why: () => Error): void {
    if (!this.#done && !this.#onHeld && !this.#onUnrelayed) return
    const error = why()
    if (this.#done) this.#finish(error)
    this.#onHeld?.reject(error)
    this.#onUnrelayed?.reject(error)
    this.#onHeld = this.#onUnrelayed = undefined
  }
}
