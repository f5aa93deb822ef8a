/** What sockets say to the engine: each order is a message, which leaves with this turn's others. */
import {
  AbortSocketMessage,
  AskSocketMessage,
  CloseSocketMessage,
  ForgetSocketMessage,
  HoldSocketMessage,
  KeepTimeWaitMessage,
  OpenSocketMessage,
  ReadSocketMessage,
  type RelayCount,
  type RelayDepth,
  type RelayEnds,
  RelaySocketMessage,
  SetSocketMessage,
  ShutSocketMessage,
  type SocketOption,
  UnrelaySocketMessage,
  WriteSocketMessage,
} from '../generated/streams.js'
import { padded } from './stream-reader.js'
import type { MessageWriter } from './writer.js'

export interface OpenOrder {
  /** The inbound socket that it belongs to, or a worker's number in the upper eight bits. */
  readonly socket: number
  readonly request: number
  /** 16 bytes each; undefined for the engine to choose. */
  readonly source: Uint8Array | undefined
  readonly destination: Uint8Array
  /** 0 for the engine to choose. */
  readonly sourcePort: number
  readonly destinationPort: number
  /** Number of it: TCP or UDP. */
  readonly protocol: number
  /** Whether it is opened as the client opened the inbound one. */
  readonly mirror: boolean
}

/** How many bytes a relay moves. */
export interface RelayCounted {
  readonly count: RelayCount
  readonly bytes: bigint
}

export interface RelayMore {
  readonly counted?: RelayCounted
  /** Default relay. */
  readonly depth?: RelayDepth
}

/** So much fits into one message. */
const mostPayload = 65_536 - WriteSocketMessage.size

const nowhere = () => new DataView(new ArrayBuffer(0))

export class StreamOrders {
  readonly #open = new OpenSocketMessage(nowhere())
  readonly #write = new WriteSocketMessage(nowhere())
  readonly #read = new ReadSocketMessage(nowhere())
  readonly #shut = new ShutSocketMessage(nowhere())
  readonly #close = new CloseSocketMessage(nowhere())
  readonly #abort = new AbortSocketMessage(nowhere())
  readonly #set = new SetSocketMessage(nowhere())
  readonly #hold = new HoldSocketMessage(nowhere())
  readonly #relay = new RelaySocketMessage(nowhere())
  readonly #unrelay = new UnrelaySocketMessage(nowhere())
  readonly #ask = new AskSocketMessage(nowhere())
  readonly #forget = new ForgetSocketMessage(nowhere())
  readonly #keep = new KeepTimeWaitMessage(nowhere())

  /** @param sendSoon what the writer has leaves before this turn of the event loop is over */
  constructor(
    private readonly writer: MessageWriter,
    private readonly sendSoon: () => void,
  ) {}

  open({ socket, request, source, destination, ...order }: OpenOrder): void {
    const message = this.#start(this.#open, OpenSocketMessage.size, socket)
    message.request = request
    if (source) this.writer.bytes.set(source, message.srcIpaddrOffset)
    this.writer.bytes.set(destination, message.dstIpaddrOffset)
    message.srcPort = order.sourcePort
    message.dstPort = order.destinationPort
    message.protocol = order.protocol
    message.mirror = order.mirror ? 1 : 0
  }

  /** Bytes of orders that the engine has not taken. */
  get unsent(): number {
    return this.writer.length
  }

  /**
   * Bytes of `chunks`, from byte `offset` of chunk `first` on, as many as fit into a message and into
   * `most`. Returns how many.
   */
  write(
    socket: number,
    chunks: readonly Uint8Array[],
    first: number,
    offset: number,
    most: number,
  ): number {
    let wanted = -offset
    for (let i = first; i < chunks.length && wanted < most; i++) wanted += chunks[i].length
    const length = Math.min(wanted, most, mostPayload)
    const size = WriteSocketMessage.size + length
    const message = this.#start(this.#write, padded(size), socket)
    message.length = size
    this.#copy(chunks, first, offset, message.at + WriteSocketMessage.size, length)
    return length
  }

  read(socket: number, credit: number): void {
    this.#start(this.#read, ReadSocketMessage.size, socket).credit = credit
  }

  shut(socket: number): void {
    this.#start(this.#shut, ShutSocketMessage.size, socket)
  }

  close(socket: number): void {
    this.#start(this.#close, CloseSocketMessage.size, socket)
  }

  abort(socket: number): void {
    this.#start(this.#abort, AbortSocketMessage.size, socket)
  }

  set(socket: number, option: SocketOption, value: number): void {
    const message = this.#start(this.#set, SetSocketMessage.size, socket)
    message.option = option
    message.value = value
  }

  hold(socket: number): void {
    this.#start(this.#hold, HoldSocketMessage.size, socket)
  }

  relay(socket: number, target: number, ends: RelayEnds, { depth, counted }: RelayMore = {}): void {
    const message = this.#start(this.#relay, RelaySocketMessage.size, socket)
    message.target = target
    message.ends = ends
    if (depth !== undefined) message.depth = depth
    if (!counted) return
    message.count = counted.count
    message.bytes = counted.bytes
  }

  unrelay(socket: number): void {
    this.#start(this.#unrelay, UnrelaySocketMessage.size, socket)
  }

  ask(socket: number, request: number): void {
    this.#start(this.#ask, AskSocketMessage.size, socket).request = request
  }

  forget(socket: number): void {
    this.#start(this.#forget, ForgetSocketMessage.size, socket)
  }

  /** @param worker a socket number with its worker's in the upper eight bits */
  keepTimeWait(worker: number, entry: number, serial: number, keepMs: number): void {
    const message = this.#start(this.#keep, KeepTimeWaitMessage.size, worker)
    message.entry = entry
    message.serial = serial
    message.keepMs = keepMs
  }

  #copy(
    chunks: readonly Uint8Array[],
    first: number,
    offset: number,
    to: number,
    length: number,
  ): void {
    const { bytes } = this.writer
    const end = to + length
    for (let i = first; to < end; i++) {
      const chunk = chunks[i]
      const take = Math.min(chunk.length - offset, end - to)
      const isWhole = offset === 0 && take === chunk.length
      bytes.set(isWhole ? chunk : chunk.subarray(offset, offset + take), to)
      to += take
      offset = 0
    }
  }

  #start<Message extends { socket: number; view: DataView; at: number; clear(): unknown }>(
    message: Message,
    size: number,
    socket: number,
  ): Message {
    this.writer.start(message, size).socket = socket
    this.sendSoon()
    return message
  }
}
