/**
 * The half of the control segment where connections end: sockets, their pairs and services, and what
 * is left of them in TIME-WAIT. It speaks with the data flow segment in stream messages only.
 */
import { StreamChannel } from '../bus/stream-channel.js'
import { StreamOrders } from '../bus/stream-orders.js'
import { MessageWriter } from '../bus/writer.js'
import { type Clock, systemClock } from '../clock.js'
import type { ResolvedConfig } from '../config/resolved.js'
import type { AcceptedMessage } from '../generated/streams.js'
import type { Logger } from '../logger.js'
import type { NativeSegment } from '../native.js'
import { DatagramLine } from '../socket/datagram-line.js'
import { DatagramSocket } from '../socket/datagram-socket.js'
import { stopped } from '../socket/errors.js'
import { Line } from '../socket/line.js'
import { endpointAt } from '../socket/opening.js'
import { Pairs } from '../socket/pairs.js'
import { Socket } from '../socket/socket.js'
import { Sockets } from '../socket/sockets.js'
import { type ListenOrder, Stack, type StackHost } from '../stack.js'
import type { ControlSegment } from './control-segment.js'
import { listenerSettings } from './listener.js'
import { PoolsForServices } from './service-pools.js'
import { Services } from './services.js'
import { reportSockets } from './socket-report.js'
import type { FlowRecord, SocketStatus } from './status.js'
import { TimeWaitCompactor } from './time-wait.js'
import type { VirtualServer } from './virtual-server.js'

export interface TerminalOptions {
  readonly config: ResolvedConfig
  readonly segment: NativeSegment
  readonly control: ControlSegment
  readonly log: Logger
  readonly clock?: Clock
  /** Stops the engine. */
  readonly stop: () => Promise<void>
}

export class Terminal implements StackHost {
  readonly sockets: Sockets
  readonly pairs = new Pairs()
  readonly stack: Stack
  readonly stop: () => Promise<void>
  readonly #channel: StreamChannel
  readonly #control: ControlSegment
  readonly #services: Services
  readonly #compactor: TimeWaitCompactor
  readonly #listening = new Set<ListenOrder>()
  readonly #refused = { limited: 0, unavailable: 0 }

  constructor({ config, segment, control, log, clock = systemClock, stop }: TerminalOptions) {
    this.#control = control
    this.stop = stop
    const writer = new MessageWriter()
    const orders = new StreamOrders(writer, () => this.#channel.sendSoon())
    this.sockets = new Sockets(orders, config.limits.bufferMemory, {
      accepted: (message, bytes) => this.#accept(message, bytes),
      timeWait: (message) => this.#compactor.take(message),
      readProgress: (socket, into) => segment.readProgress(socket, into),
    })
    this.#channel = new StreamChannel(segment, this.sockets, writer)
    this.stack = new Stack(this)
    const pools = new PoolsForServices(control.pools, control.ledger.activity)
    this.#services = new Services({ stack: this.stack, pools, log })
    this.#compactor = new TimeWaitCompactor({
      orders,
      budget: config.limits.timeWaits,
      usualMs: config.timeouts.timeWaitMs,
      timeOf: (id) => control.servers.get(id)?.settings.timeWaitMs,
      now: clock.now,
    })
  }

  /** To be called when the data flow segment has messages. */
  get wake(): () => void {
    return this.#channel.wake
  }

  /** Sockets and servers end at once: whoever waits for something learns why. */
  close(): void {
    this.sockets.stop()
    for (const { ended } of this.#listening) ended()
    this.#listening.clear()
    this.#channel.stop()
  }

  /** Another configuration is in force. */
  reloaded(): void {
    this.#services.forgetLogged()
  }

  async listen(order: ListenOrder): Promise<() => Promise<void>> {
    const { deployment } = this.#control
    const settings = listenerSettings(deployment.config, order)
    // The engine may stop before its answer is heard here.
    this.#listening.add(order)
    const unlisten = await deployment.listen(settings).catch((error) => {
      this.#listening.delete(order)
      throw error
    })
    if (!this.#listening.has(order)) throw stopped()
    return async () => {
      this.#listening.delete(order)
      await unlisten()
    }
  }

  timeWait(): number {
    return this.#compactor.report().entries
  }

  report(): SocketStatus {
    const { sockets, pairs } = this
    const { closed: _, ...byMode } = pairs.byMode
    return {
      open: sockets.size,
      ...sockets.totals,
      refused: { ...this.#refused },
      pairs: byMode,
      bytesHeld: sockets.bytesHeld,
      serviceFailures: this.#services.failures,
      unusable: { invalid: this.#channel.invalid, stale: sockets.stale },
      timeWait: this.#compactor.report(),
    }
  }

  /** What ends here, as flows: a pair is one. */
  flows(): Iterable<FlowRecord> {
    return reportSockets(this.sockets)
  }

  #accept(message: AcceptedMessage, bytes: Uint8Array): void {
    const server = this.#control.servers.get(message.vsId)
    const isUdp = (message.socket & datagramKind) !== 0
    const line = isUdp
      ? new DatagramLine(message, this.sockets)
      : new Line(message.socket, this.sockets, message.credit)
    this.sockets.add(line)
    const refusal = server ? refusalBy(server) : 'unavailable'
    if (!server || refusal) {
      this.#refused[refusal ?? 'unavailable']++
      line.letGo('abort')
      return
    }
    server.opened()
    line.whenOver = ({ bytesReceivedNumber, bytesSentNumber }) =>
      server.closed(bytesReceivedNumber, bytesSentNumber)
    const { allowHalfOpen, preserveClient, idleTimeoutMs } = server.settings
    const client = {
      local: endpointAt(bytes, message.localIpaddrOffset, message.localPort),
      remote: endpointAt(bytes, message.remoteIpaddrOffset, message.remotePort),
      virtualServer: server.name,
      preserveClient,
    }
    if (line instanceof DatagramLine) {
      const inbound = new DatagramSocket({ line, ...client })
      if (idleTimeoutMs > 0) inbound.setTimeout(idleTimeoutMs)
      this.#services.run(server, inbound)
    } else {
      const { sockets } = this
      const parts = { line, sockets, allowHalfOpen, idleTimeoutMs, ...client }
      this.#services.run(server, new Socket(parts))
    }
  }
}

/** In the number of a socket: it is one of UDP (native/bus/streams.def). */
const datagramKind = 0x8000_0000

/** Whether the virtual server takes no connection now (LB-20). */
function refusalBy({ state, isFull }: VirtualServer): 'unavailable' | 'limited' | undefined {
  if (state !== 'up') return 'unavailable'
  return isFull ? 'limited' : undefined
}
