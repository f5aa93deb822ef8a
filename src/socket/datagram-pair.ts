/** Two sockets of UDP that belong together: a client's, and the one that was opened for it. */
import { EventEmitter } from 'node:events'
import { StreamEnd } from '../generated/streams.js'
import type { DatagramLine } from './datagram-line.js'
import type { DatagramSocket } from './datagram-socket.js'
import { closed, wrongState } from './errors.js'
import type { Line } from './line.js'
import type { LineWatcher } from './line-end.js'
import { joinPair, lineOf } from './socket.js'
import { Turns } from './turns.js'
import type {
  Abortable,
  Boundary,
  DatagramPairStats,
  DatagramUnproxyResult,
  DisassociateOptions,
  PairInfo,
  PairMode,
  Side,
} from './types.js'

/** What becomes of a datagram: another one, or the same; undefined drops it. */
export type DatagramFunction = (datagram: Buffer) => Uint8Array | undefined

/** What the datagrams of a direction pass through. */
export interface DatagramFunctions {
  /** From the client to the server. */
  readonly c2s?: DatagramFunction
  /** From the server to the client. */
  readonly s2c?: DatagramFunction
}

export interface DatagramPairOptions {
  readonly id: number
  readonly inbound: DatagramSocket
  readonly outbound: DatagramSocket
  /** Called when it is over. */
  readonly ended: (pair: DatagramPair) => void
}

export interface DatagramPairEvents {
  mode: [before: PairMode, now: PairMode]
  sideclose: [side: Side, how: 'reset' | 'timeout']
  error: [error: Error]
  close: []
}

/** It ends when both its sockets are closed, or when it is disassociated. */
export class DatagramPair extends EventEmitter<DatagramPairEvents> implements LineWatcher {
  readonly id: number
  readonly inbound: DatagramSocket
  readonly outbound: DatagramSocket
  /** Milliseconds since 1970. */
  readonly openedAt = Date.now()
  readonly #ended: (pair: DatagramPair) => void
  /** Changes of the mode. */
  readonly #turns = new Turns()
  #mode: PairMode = 'proxied'
  #transitions = 0
  /** Ends that JavaScript passes datagrams on. */
  #stop: (() => void) | undefined

  constructor({ id, inbound, outbound, ended }: DatagramPairOptions) {
    super()
    this.id = id
    this.inbound = inbound
    this.outbound = outbound
    this.#ended = ended
    for (const socket of [inbound, outbound]) {
      socket[joinPair](this)
      socket[lineOf].watcher = this
      // What happens to one side is told as 'sideclose', and is not to end the process.
      socket.off('error', ignore).on('error', ignore)
    }
  }

  get mode(): PairMode {
    return this.#mode
  }

  /**
   * From now on datagrams pass by themselves from each socket to the other, through the functions where
   * there are any. A function that throws closes both sockets. A side that is over closes the other one.
   * @throws {SluiceError} `ERR_SLUICE_STATE` where it is processed already
   */
  process({ c2s, s2c }: DatagramFunctions = {}): this {
    if (this.#mode === 'closed') throw closed('The pair is over.')
    if (this.#stop) throw wrongState('The pair is processed already.', 'Call process() once.')
    const { inbound, outbound } = this
    const forth = this.#passing(outbound, c2s)
    const back = this.#passing(inbound, s2c)
    inbound.on('message', forth)
    outbound.on('message', back)
    this.#stop = () => {
      inbound.off('message', forth)
      outbound.off('message', back)
    }
    // Over before: nobody would have acted on it.
    for (const line of this.#lines) if (line.isOver) this.#follow(line)
    return this
  }

  /**
   * From now on the engine translates the datagrams, and JavaScript sees nothing of them. Those that it
   * was handed go their way, and may be overtaken.
   * @throws {SluiceError} `ERR_SLUICE_STATE`, `ERR_SLUICE_CLOSED`; the reason of `signal`, while it waits
   * for its turn
   */
  unproxy({ signal }: Abortable = {}): Promise<DatagramUnproxyResult> {
    return this.#turns.take(() => this.#unproxy(signal), signal)
  }

  async #unproxy(signal: AbortSignal | undefined): Promise<DatagramUnproxyResult> {
    signal?.throwIfAborted()
    if (this.#mode === 'closed') throw closed('The pair is over.')
    const [a, b] = this.#lines
    if (this.#mode === 'proxied') {
      this.#assertOneFlow(a, b)
      this.#enter('draining')
      try {
        await a.splice(b)
      } catch {
        this.#goOn()
        throw closed('A side of the pair is over.')
      }
      this.#enter('splice')
    }
    return { mode: 'splice', boundary: this.#boundary }
  }

  /** The engine translates what is one flow to it, and of one IP version. */
  #assertOneFlow(a: DatagramLine, b: DatagramLine): void {
    const isOne = a.isPairOf(b) && this.inbound.remoteFamily === this.outbound.remoteFamily
    if (isOne) return
    throw wrongState(
      'The two sockets are two flows to the engine.',
      'Open the one with associateWith: the other, to a server of the same IP version.',
    )
  }

  /**
   * JavaScript has the datagrams again, from the boundary on. At once where it is proxied.
   * @throws {SluiceError} `ERR_SLUICE_CLOSED`; the reason of `signal`: it is proxied then, too
   */
  async proxy({ signal }: Abortable = {}): Promise<Boundary> {
    const boundary = await this.#turns.take(() => this.#proxy(), signal)
    signal?.throwIfAborted()
    return boundary
  }

  async #proxy(): Promise<Boundary> {
    if (this.#mode === 'closed') throw closed('The pair is over.')
    if (this.#mode === 'splice') {
      const [a, b] = this.#lines
      this.#enter('reproxying')
      const done = Promise.all([a.untilUnrelayed(), b.untilUnrelayed()])
      a.unrelay()
      await done.finally(() => this.#goOn())
    }
    return this.#boundary
  }

  /**
   * Ends the pair; its sockets are free, and JavaScript has their datagrams.
   * @throws {SluiceError} `ERR_SLUICE_CLOSED`
   */
  async disassociate({ close = false, signal }: DisassociateOptions = {}) {
    await this.#turns.take(async () => {
      await this.#proxy()
      signal?.throwIfAborted()
      this.#unlink()
    }, signal)
    const { inbound, outbound } = this
    if (close === 'both' || close === 'inbound') inbound.close()
    if (close === 'both' || close === 'outbound') outbound.close()
    return { inbound, outbound }
  }

  /** Closes one side, and answers with the other socket, which is free. */
  async closeSide(side: Side, options: Abortable = {}): Promise<DatagramSocket> {
    const { inbound, outbound } = await this.disassociate({ ...options, close: side })
    return side === 'inbound' ? outbound : inbound
  }

  /** Ends the pair and both its sockets. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#mode !== 'closed') await this.disassociate({ close: 'both' })
  }

  stats(): DatagramPairStats {
    const [a, b] = this.#lines
    const datagrams = (line: DatagramLine) => BigInt(line.datagramsReceived + line.datagramsRelayed)
    return {
      bytes: this.#boundary,
      datagrams: { c2s: datagrams(a), s2c: datagrams(b) },
      jsBytes: { c2s: BigInt(a.bytesReceived), s2c: BigInt(b.bytesReceived) },
      transitions: this.#transitions,
      heldByApp: this.inbound.bytesHeld + this.outbound.bytesHeld,
    }
  }

  report(): Omit<PairInfo, 'protocol'> {
    const { address, port, family } = this.outbound.identity
    return {
      id: this.id,
      mode: this.#mode,
      identity: this.inbound.identity,
      server: { address, port, family },
      service: this.inbound.virtualServer,
      bytes: this.#boundary,
      openedAt: this.openedAt,
    }
  }

  // -- of its lines

  received(): void {}
  drained(): void {}
  peerEnded(): void {}
  written(): void {}
  spliced(): void {}

  unrelayed(): void {}

  closed(line: Line, reason: number): void {
    const side = line === this.inbound[lineOf] ? 'inbound' : 'outbound'
    const how = endOf(reason)
    if (how) this.emit('sideclose', side, how)
    this.#follow(line)
    if (this.#lines.every(({ isOver }) => isOver)) this.#unlink()
  }

  // -- inside

  get #lines(): readonly [DatagramLine, DatagramLine] {
    return [this.inbound[lineOf], this.outbound[lineOf]]
  }

  get #boundary(): Boundary {
    const [a, b] = this.#lines
    const received = (line: DatagramLine) => BigInt(line.bytesReceived + line.bytesRelayed)
    return { c2s: received(a), s2c: received(b) }
  }

  #passing(target: DatagramSocket, change: DatagramFunction | undefined): (bytes: Buffer) => void {
    return (datagram) => {
      const changed = this.#change(datagram, change)
      if (!changed || target.destroyed) return
      try {
        target.send(changed)
      } catch (error) {
        // Too large for the other side: lost, as on any path, and told to who listens.
        if (this.listenerCount('error') > 0) this.emit('error', error as Error)
      }
    }
  }

  #change(datagram: Buffer, change: DatagramFunction | undefined): Uint8Array | undefined {
    try {
      return change ? change(datagram) : datagram
    } catch (error) {
      this.#fail(error)
      return undefined
    }
  }

  /** Neither side can go on. */
  #fail(error: unknown): void {
    const sockets = [this.inbound, this.outbound]
    if (this.listenerCount('error') > 0 && error instanceof Error) this.emit('error', error)
    for (const socket of sockets) socket.destroyBy(error)
  }

  /** The other side of one that is over, where nobody but us would close it. */
  #follow(line: Line): void {
    const isOurs = this.#stop !== undefined || this.#mode === 'splice'
    const [a, b] = this.#lines
    if (!isOurs || (a.isPairOf(b) && endsFlow(line.reason))) return
    for (const socket of [this.inbound, this.outbound]) {
      if (socket[lineOf] !== line) socket.close()
    }
  }

  /** JavaScript is handed datagrams again. */
  #goOn(): void {
    for (const line of this.#lines) line.release()
    if (this.#mode !== 'closed') this.#enter('proxied')
  }

  #enter(mode: PairMode): void {
    const before = this.#mode
    this.#mode = mode
    this.#transitions++
    this.emit('mode', before, mode)
  }

  #unlink(): void {
    if (this.#mode === 'closed') return
    this.#stop?.()
    for (const socket of [this.inbound, this.outbound]) {
      socket[lineOf].watcher = undefined
      socket[joinPair](undefined)
    }
    this.#enter('closed')
    this.#ended(this)
    this.emit('close')
  }
}

const ignore = () => {}

/** Whether the engine ends a flow as a whole for that reason: what there is to tell the other side comes. */
const endsFlow = (reason: number | undefined) =>
  reason === StreamEnd.timedOut || reason === StreamEnd.aborted || reason === StreamEnd.noMemory

/** Undefined where its user closed it. */
function endOf(reason: number): 'reset' | 'timeout' | undefined {
  if (reason === StreamEnd.timedOut) return 'timeout'
  return reason === StreamEnd.finished ? undefined : 'reset'
}
