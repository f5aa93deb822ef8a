/**
 * The engine's half of native/bus/streams.def, in memory: connections without packets. It holds the
 * sockets to the protocol (credits, places, what may follow what) and throws where they break it.
 */
import { parseAddress, parseEndpoint } from '../../src/bus/address.js'
import {
  AbortSocketMessage,
  AcceptedMessage,
  AskSocketMessage,
  CannotOpenMessage,
  CloseSocketMessage,
  ConnectedMessage,
  ForgetSocketMessage,
  HoldSocketMessage,
  KeepTimeWaitMessage,
  OpeningMessage,
  OpenSocketMessage,
  ReadSocketMessage,
  RelaySocketMessage,
  RoomMessage,
  SetSocketMessage,
  ShutSocketMessage,
  SocketStateMessage,
  StreamEnd,
  TimeWaitMessage,
  UnrelaySocketMessage,
  WriteSocketMessage,
} from '../../src/generated/streams.js'
import { endpointOf, PeerConnection } from './peer-connection.js'
import { PeerFlow } from './peer-flow.js'
import { StreamOutbox } from './stream-outbox.js'

export interface Opened {
  readonly request: number
  readonly socket: number
  readonly source: string
  readonly destination: string
}

interface Header {
  readonly code: number
  readonly socket: number
  readonly length: number
}

/** What the sockets of a worker may write together, and how much one of these takes. */
const chunks = { most: 4096, bytes: 2048 }
/** In the number of a socket of UDP. */
const datagramKind = 0x8000_0000

export class StreamPeer {
  readonly outbox = new StreamOutbox()
  /** Whoever is connected, by socket. */
  readonly connections = new Map<number, PeerConnection>()
  /** Whoever sends datagrams, by socket. */
  readonly flows = new Map<number, PeerFlow>()
  /** Orders to open, in order. */
  readonly opened: Opened[] = []
  readonly kept: { entry: number; serial: number; keepMs: number }[] = []
  /** What becomes of an order to open: connected, unless it says why not, or 'wait'. */
  answer: (order: Opened) => number | 'wait' | undefined = () => undefined
  /** Bytes that may be written to a new connection at once. */
  credit = 65_536
  /** Bytes that the ring to the engine has room for, of each call. */
  room = Number.POSITIVE_INFINITY
  writes = 0
  readonly #waiting = new Map<number, Opened>()
  readonly #forgotten = new Set<number>()
  /** Chunks that are promised, by worker. */
  readonly #promised: number[] = []
  #lastPlace = 0
  #lastSerial = 0

  /** A client's connection to a virtual server. */
  accept(client: string, to: string, vsId = 1, worker = 0): PeerConnection {
    const connection = this.#connection(worker, client, to)
    const message = this.outbox.start(AcceptedMessage, connection.socket)
    this.#describe(message, connection)
    message.vsId = vsId
    return connection
  }

  /** A client's flow of UDP to a virtual server. */
  begin(client: string, to: string, vsId = 1, worker = 0): PeerFlow {
    const flow = this.#flow(worker, ++this.#lastSerial, client, to)
    const message = this.outbox.start(AcceptedMessage, flow.socket)
    this.#describe(message, flow)
    message.vsId = vsId
    return flow
  }

  /** The order that waits for its handshake comes to this. */
  settle(order: Opened, reason?: number): PeerConnection | undefined {
    const connection = this.connections.get(order.socket)
    this.#waiting.delete(order.socket)
    if (reason !== undefined) {
      connection?.close(reason)
      return undefined
    }
    if (!connection) throw new Error('no such order')
    this.#describe(this.outbox.start(ConnectedMessage, order.socket), connection)
    return connection
  }

  timeWait(fields: { entry: number; serial: number; vsId?: number; bytesFreed?: number }): void {
    Object.assign(this.outbox.start(TimeWaitMessage, 0), fields)
  }

  writeStreams(messages: Uint8Array, length: number): number {
    this.writes++
    let at = 0
    const view = new DataView(messages.buffer, messages.byteOffset, length)
    while (at < length) {
      const header = {
        code: view.getUint8(at),
        socket: view.getUint32(at + 4),
        length: view.getUint32(at + 8),
      }
      const size = (header.length + 3) & ~3
      if (header.length < 12 || at + size > length) throw new Error('not a whole message')
      if (at + size > this.room) break
      this.#take(header, view, at, messages)
      at += size
    }
    return at
  }

  readStreams(into: Uint8Array): number {
    if (into.length < 65_536) throw new Error('room for less than a message')
    return this.outbox.read(into)
  }

  readProgress(socket: number, into: BigUint64Array): void {
    const connection = this.connections.get(socket)
    if (!connection) return
    into[0] = BigInt(connection.relayed)
    into[1] = connection.relayedAt
  }

  #take(header: Header, view: DataView, at: number, messages: Uint8Array): void {
    const { code, socket } = header
    if (code === OpenSocketMessage.code) {
      this.#open(new OpenSocketMessage(view, at), messages)
    } else if (code === KeepTimeWaitMessage.code) {
      const { entry, serial, keepMs } = new KeepTimeWaitMessage(view, at)
      this.kept.push({ entry, serial, keepMs })
    } else if (code === ForgetSocketMessage.code) {
      this.#forget(socket)
    } else if (socket >= datagramKind) {
      const flow = this.flows.get(socket)
      if (!flow) throw new Error(`message ${code} about socket ${socket}, which there is not`)
      const message = new DataView(messages.buffer, view.byteOffset + at, header.length)
      if (!flow.isClosed) flow.order(code, message, (id) => this.flows.get(id))
    } else {
      const connection = this.connections.get(socket)
      if (!connection) throw new Error(`message ${code} about socket ${socket}, which there is not`)
      if (!connection.isClosed) this.#order(connection, header, view, at, messages)
    }
  }

  #order(
    connection: PeerConnection,
    { code, socket, length }: Header,
    view: DataView,
    at: number,
    messages: Uint8Array,
  ): void {
    switch (code) {
      case WriteSocketMessage.code:
        this.#takeRoom(socket >>> 24, length - WriteSocketMessage.size)
        connection.written(Buffer.from(messages.subarray(at + 12, at + length)))
        break
      case ReadSocketMessage.code:
        connection.grantedRead(view.getUint32(at + 12))
        break
      case ShutSocketMessage.code:
        connection.shut()
        break
      case CloseSocketMessage.code:
        connection.closedByUser()
        break
      case AbortSocketMessage.code:
        this.#waiting.delete(socket)
        connection.aborted()
        break
      case SetSocketMessage.code:
        connection.options.push([view.getUint16(at + 12), view.getUint32(at + 16)])
        break
      case HoldSocketMessage.code:
        connection.hold()
        break
      case RelaySocketMessage.code:
        connection.relay(
          this.connections.get(view.getUint32(at + 12)),
          view.getUint8(at + 20),
          view.getUint8(at + 21),
          view.getBigUint64(at + 24),
        )
        break
      case UnrelaySocketMessage.code:
        connection.unrelay()
        break
      case AskSocketMessage.code:
        this.#tell(connection, view.getUint32(at + 12))
        break
      default:
        throw new Error(`no message ${code}`)
    }
  }

  #open(message: OpenSocketMessage, messages: Uint8Array): void {
    const worker = (message.socket >>> 24) & 0x7f
    const isUdp = message.protocol === 17
    const { srcIpaddrOffset, dstIpaddrOffset, srcPort, dstPort, request } = message
    const source = endpointOf(messages, message.view.byteOffset, srcIpaddrOffset, srcPort)
    const destination = endpointOf(messages, message.view.byteOffset, dstIpaddrOffset, dstPort)
    const place = message.socket & 0xffffff
    const inbound = (isUdp ? this.flows : this.connections).get(message.socket)
    const isGone = place !== 0 && inbound?.isClosed !== false
    const order = { request, source, destination }
    const answer = isGone ? StreamEnd.noSuchSocket : this.answer({ ...order, socket: 0 })
    if (typeof answer === 'number' && answer > StreamEnd.timedOut) {
      this.opened.push({ ...order, socket: 0 })
      const refusal = this.outbox.start(CannotOpenMessage, worker << 24)
      refusal.request = request
      refusal.reason = answer
      return
    }
    const local = source.replace('[::]:', '10.1.0.1:').replace(/:0$/, ':50000')
    if (isUdp) {
      const serial = inbound instanceof PeerFlow ? inbound.serial : ++this.#lastSerial
      const flow = this.#flow(worker, serial, destination, local)
      this.opened.push({ ...order, socket: flow.socket })
      this.outbox.start(OpeningMessage, flow.socket).request = request
      this.#describe(this.outbox.start(ConnectedMessage, flow.socket), flow)
      return
    }
    const connection = this.#connection(worker, destination, local)
    const opened = { ...order, socket: connection.socket }
    this.opened.push(opened)
    this.outbox.start(OpeningMessage, connection.socket).request = request
    if (answer === 'wait') this.#waiting.set(connection.socket, opened)
    else this.settle(opened, answer)
  }

  #takeRoom(worker: number, bytes: number): void {
    const left = (this.#promised[worker] ?? 0) - Math.ceil(bytes / chunks.bytes)
    if (left < 0) throw new Error(`${bytes} bytes, for which there is no room`)
    this.#promised[worker] = left
    if (left < chunks.most / 2) this.#promise(worker)
  }

  #promise(worker: number): void {
    const more = chunks.most - (this.#promised[worker] ?? 0)
    this.#promised[worker] = chunks.most
    this.outbox.start(RoomMessage, worker << 24).chunks = more
  }

  #forget(socket: number): void {
    const sockets: Map<number, { isClosed: boolean }> =
      socket >= datagramKind ? this.flows : this.connections
    if (!sockets.get(socket)?.isClosed) {
      throw new Error(`socket ${socket} forgotten before it was closed`)
    }
    sockets.delete(socket)
    this.#forgotten.add(socket)
  }

  #tell(connection: PeerConnection, request: number): void {
    const state = this.outbox.start(SocketStateMessage, connection.socket)
    state.request = request
    state.tcpState = 3
    state.mss = 1460
    state.srttUs = 40_000
    state.share = 65_536
    state.receiveQueued = connection.unread
    state.bytesReceived = BigInt(connection.bytesSent)
  }

  #connection(worker: number, remote: string, local: string): PeerConnection {
    if (this.#promised[worker] === undefined) this.#promise(worker)
    const socket = worker * 0x100_0000 + ++this.#lastPlace
    const connection = new PeerConnection(socket, this.outbox, remote, local, this.credit)
    this.connections.set(socket, connection)
    return connection
  }

  #flow(worker: number, serial: number, remote: string, local: string): PeerFlow {
    const socket = datagramKind + worker * 0x100_0000 + ++this.#lastPlace
    const flow = new PeerFlow(socket, serial, this.outbox, remote, local)
    this.flows.set(socket, flow)
    return flow
  }

  #describe(
    message: AcceptedMessage | ConnectedMessage,
    connection: PeerConnection | PeerFlow,
  ): void {
    const [remote, local] = [connection.remote, connection.local].map((text) => {
      const endpoint = parseEndpoint(text)
      if (!endpoint) throw new Error(`no endpoint: ${text}`)
      return endpoint
    })
    const bytes = new Uint8Array(message.view.buffer)
    bytes.set(parseAddress(remote.address) as Uint8Array, message.remoteIpaddrOffset)
    bytes.set(parseAddress(local.address) as Uint8Array, message.localIpaddrOffset)
    message.remotePort = remote.port
    message.localPort = local.port
    message.credit = connection.credit
    message.mss = 1460
    if (connection instanceof PeerFlow) message.serial = connection.serial
  }
}
