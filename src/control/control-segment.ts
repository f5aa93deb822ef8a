/**
 * The control segment: answers what the data flow segment asks, flow by flow, and keeps the books.
 * It knows the data flow segment by its messages only.
 */
import { BusChannel, type BusWatcher } from '../bus/channel.js'
import type { MessageSink } from '../bus/reader.js'
import { type Clock, systemClock } from '../clock.js'
import type { ResolvedConfig } from '../config/resolved.js'
import { SluiceError } from '../errors.js'
import {
  type AckView,
  type AppLearnView,
  type AppQueryView,
  type DeleteView,
  type QueryView,
  ResetView,
  type StateView,
  type StatsView,
} from '../generated/messages.js'
import { kernelDial } from '../health/kernel-dial.js'
import { Monitor } from '../health/monitor.js'
import type { Dial } from '../health/probe.js'
import type { Logger } from '../logger.js'
import type { NativeSegment } from '../native.js'
import type { Rejection } from '../policy/decision.js'
import { Adoption } from './adoption.js'
import { dataOf, noData } from './arriving-flow.js'
import { ClientPorts } from './client-ports.js'
import { ConfigurationLink } from './configuration-link.js'
import { Decider } from './decider.js'
import { Deployment } from './deployment.js'
import { FlowDump } from './flow-dump.js'
import { type FlowEventCounters, FlowEvents } from './flow-events.js'
import { FlowLedger } from './flow-ledger.js'
import { FlowNews } from './flow-news.js'
import { reportFlow } from './flow-report.js'
import { FlowFlags, type FlowId, type FlowView, noFlow, SessionState } from './flow-table.js'
import { NodeReset } from './node-reset.js'
import { Outbound } from './outbound.js'
import { Pools } from './pools.js'
import { Question } from './question.js'
import { QuestionAge } from './question-age.js'
import { Reaper, reaperTickMs } from './reaper.js'
import { Recognition } from './recognition.js'
import { ReplyWriter } from './reply-writer.js'
import { Settlement } from './settlement.js'
import { SourceAddresses } from './source-addresses.js'
import type { BusCounters, DecisionCounters, FlowRecord, ReaperCounters } from './status.js'
import type { VirtualServer } from './virtual-server.js'
import { VirtualServers } from './virtual-servers.js'

export interface ControlSegmentOptions {
  readonly config: ResolvedConfig
  readonly segment: NativeSegment
  readonly log: Logger
  readonly clock?: Clock
  /** How checks reach nodes; default by this host's kernel. */
  readonly dial?: Dial
}

/** Half of the time that a flow waits for its decision (flow_end.cc). */
const lateMs = 200
const sweepMs = 10_000

export class ControlSegment implements MessageSink {
  readonly pools: Pools
  readonly servers = new VirtualServers()
  readonly ledger: FlowLedger
  readonly deployment: Deployment
  readonly #channel: BusChannel
  readonly #sources: SourceAddresses
  readonly #outbound: Outbound
  readonly #decider: Decider
  readonly #settlement: Settlement
  readonly #replies: ReplyWriter
  readonly #monitor: Monitor
  readonly #dump: FlowDump
  readonly #link: ConfigurationLink
  readonly #log: Logger
  readonly #reaper: Reaper
  readonly #nodeReset: NodeReset
  readonly #news: FlowNews
  readonly #reset = new ResetView(new DataView(new ArrayBuffer(ResetView.size)))
  readonly #age = new QuestionAge()
  readonly #events: FlowEvents
  readonly #question = new Question()
  readonly #recognition: Recognition
  readonly #view: FlowView
  readonly #timers: NodeJS.Timeout[] = []
  readonly #decisions = { resumed: 0, unknown: 0, late: 0 }

  constructor({
    config,
    segment,
    log,
    clock = systemClock,
    dial = kernelDial,
  }: ControlSegmentOptions) {
    this.pools = new Pools(config.pools, clock, log, (node) => this.#nodeReset.begin(node))
    this.#monitor = new Monitor({ clock, dial })
    const { workers } = config
    const homesOf: NativeSegment['homesOf'] = (...args) => segment.homesOf(...args)
    this.#sources = new SourceAddresses({ workers, homesOf, now: clock.now })
    this.#outbound = new Outbound(config)
    this.ledger = new FlowLedger(config.limits.flows, clock.now, this.#sources)
    this.#recognition = new Recognition(this.ledger)
    this.#channel = new BusChannel(segment, this)
    this.#decider = new Decider(this.pools, config.limits.waitingFlows, log)
    this.#replies = new ReplyWriter(this.#channel.writer, this.ledger, this.#sources)
    this.#view = this.ledger.view()
    this.#events = new FlowEvents(this.ledger)
    this.#dump = new FlowDump(this.#channel)
    this.#link = new ConfigurationLink(this.#channel.writer, config.workers)
    this.#log = log
    this.#nodeReset = new NodeReset(this.ledger, this.#channel.writer)
    this.#reaper = new Reaper(this.ledger, this.#channel.writer, config.timeouts.reapMs)
    const { ledger, pools, servers } = this
    const sendSoon = () => this.#channel.sendSoon()
    this.deployment = new Deployment({
      ...{ config, pools, servers, log, sendSoon },
      monitor: this.#monitor,
      sources: this.#sources,
      outbound: this.#outbound,
      decider: this.#decider,
      link: this.#link,
    })
    this.#settlement = new Settlement({
      ledger,
      pools,
      decider: this.#decider,
      replies: this.#replies,
      sources: this.#sources,
      clientPorts: new ClientPorts({ workers, homesOf }),
      outbound: this.#outbound,
      sendSoon,
    })
    const adoption = new Adoption(ledger, pools, servers, this.#sources)
    const { timeouts } = config
    const [dump, reaper, events] = [this.#dump, this.#reaper, this.#events]
    this.#news = new FlowNews({ ledger, servers, pools, dump, reaper, adoption, events, timeouts })
  }

  /** To be called when the data flow segment has messages. */
  get wake(): () => void {
    return this.#channel.wake
  }

  /** Lets somebody see every message of this control segment, both ways; what it returns ends that. */
  watch(watcher: BusWatcher): () => void {
    return this.#channel.watch(watcher)
  }

  /** Tells the running data flow segment of the virtual servers; resolves when it has them all. */
  async start(): Promise<void> {
    this.#every(sweepMs, () => this.#sweep())
    this.#every(reaperTickMs, () => this.#reap())
    await this.deployment.start()
  }

  stop(): void {
    const error = new SluiceError(
      'ERR_SLUICE_STOPPED',
      'The engine was stopped.',
      'Start a new one; a stopped engine stays stopped.',
    )
    for (const timer of this.#timers) clearInterval(timer)
    this.#monitor.stop()
    this.#channel.stop()
    this.#decider.stop()
    this.#dump.stop(error)
    this.#link.giveUp(error)
  }

  /** @throws {SluiceError} `ERR_SLUICE_NO_VIRTUAL_SERVER` */
  orderServer(name: string, order: 'active' | 'draining'): void {
    const server = this.servers.order(name, order)
    // Whether its handshakes are answered is not asked here, one by one.
    if (server.acceptsAlone) void this.deployment.announce(server)
  }

  /** Asks the data flow segment to end every flow, or those of a virtual server (CS-09). */
  resetFlows(of?: VirtualServer): void {
    this.ledger.endDormant(({ server }) => of === undefined || server === of)
    this.#channel.writer.start(this.#reset, ResetView.size).scope = of?.id ?? 0
    this.#channel.sendSoon()
  }

  /** The live flows, their counts asked for now. Each record is made when it is asked for. */
  async flows(): Promise<Iterable<FlowRecord>> {
    return this.#records(await this.#dump.run())
  }

  *#records(sessions: readonly FlowId[]): Generator<FlowRecord> {
    for (const session of sessions) {
      // It may have ended meanwhile.
      if (this.#view.at(session).state !== SessionState.free) yield reportFlow(this.#view)
    }
  }

  get decisions(): DecisionCounters {
    const { failures, pending } = this.#decider
    return { ...this.#settlement.counters, ...this.#decisions, ...failures, pending }
  }

  get bus(): BusCounters {
    return { invalid: this.#channel.invalid, stale: this.#news.stale }
  }

  /** What was seen of flows, by category. */
  get events(): FlowEventCounters {
    return { ...this.#events.counts }
  }

  get reaper(): ReaperCounters {
    return this.#reaper.report
  }

  query(message: QueryView, app?: AppQueryView): void {
    const asked = this.#question.readQuery(message)
    const flow = this.#recognition.flow(asked)
    if (flow !== noFlow) {
      this.#answerAgain(flow, message, app)
      return
    }
    const refusal = this.#settlement.refusalOf(asked.serial)
    if (refusal) {
      const server = this.servers.get(message.vsId) ?? null
      this.#events.note('repeated', noFlow)
      this.#replies.refuseUnknown(message, refusal, server)
      return
    }
    const session = this.#recognition.session(asked)
    if (session === noFlow) this.#open(message, app)
    else this.#resume(session, app)
  }

  delete(message: DeleteView): void {
    this.#news.delete(message)
  }

  learn(message: AppLearnView): void {
    this.#news.learn(message)
  }

  stats(message: StatsView): void {
    this.#news.stats(message)
  }

  state(message: StateView): void {
    this.#news.state(message)
  }

  reset(message: ResetView): void {
    this.#news.reset(message)
  }

  ack(message: AckView): void {
    if (!this.#link.acknowledge(message)) this.#news.stale++
  }

  /** A flow that is known asks: with more of what its client says, for another node, or once more. */
  #answerAgain(flow: FlowId, message: QueryView, app?: AppQueryView): void {
    const { again, failedNode, signature } = this.#question
    const { session } = this.#view.at(flow)
    if (app && this.#settlement.hasMore(flow, app)) {
      this.#events.note('data', session)
      if (this.#comesLate(message)) this.#decisions.late++
      else this.#settlement.decideWithMore(flow, signature, app)
      return
    }
    this.#events.note('repeated', session)
    const isFirst = again && !this.#view.at(flow).has(FlowFlags.another)
    if (failedNode !== 0) this.#settlement.serverFailed(flow, failedNode)
    else if (isFirst) this.#settlement.decideAgain(flow)
    else this.#answer(flow)
  }

  /** A flow of a session that is known. While that waits for its decision there is none to resume. */
  #resume(session: FlowId, app?: AppQueryView): void {
    this.#events.asked(this.#question.reason, session, app)
    if (this.#view.at(session).state !== SessionState.deciding) {
      this.#decisions.resumed++
      this.#events.note('resumed', session)
    }
    this.#answer(this.ledger.join(session, this.#question))
  }

  #open(message: QueryView, app?: AppQueryView): void {
    const server = this.servers.get(message.vsId)
    const { signature } = this.#question
    if (server && this.#question.resumes && server.settings.midSession !== 'route') {
      // The middle of a session that nobody here opened (FLOWLIFE-18).
      this.#turnAway(message, server.settings.midSession, app)
    } else if (server) {
      // Whether it goes on is for its server to say: until then it is one that opens.
      this.#question.resumes = false
      if (!this.#comesLate(message)) this.#decide(server, app)
      else {
        this.#decisions.late++
        this.#events.asked(this.#question.reason, noFlow, app)
      }
    } else if (this.#outbound.isLost(this.#question) || this.#sources.isTo(signature)) {
      // No answer of anybody: nothing is routed to ourselves.
      this.#turnAway(message, 'reset', app)
    } else if (message.vsId === 0 && this.deployment.config.forward) {
      this.#settlement.route(this.#enter(null, app))
    } else {
      this.#turnAway(message, undefined, app)
    }
  }

  /** @param how undefined for the way of the data flow segment */
  #turnAway(message: QueryView, how: Rejection | undefined, app?: AppQueryView): void {
    this.#decisions.unknown++
    this.#events.asked(this.#question.reason, noFlow, app)
    if (how === undefined) this.#replies.unknown(message)
    else this.#replies.refuseUnknown(message, how)
  }

  #enter(server: VirtualServer | null, app?: AppQueryView): FlowId {
    const session = this.ledger.open(this.#question, server)
    this.#events.asked(this.#question.reason, session, app)
    return session
  }

  #decide(server: VirtualServer, app?: AppQueryView): void {
    const { signature } = this.#question
    const session = this.#enter(server, app)
    this.#settlement.decide(session, server, signature, app ? dataOf(app) : noData)
  }

  /**
   * When more flows begin than can be decided, questions grow old before they are read. An answer to
   * one that the data flow segment is about to give up would cost those behind it their time as well.
   */
  #comesLate(message: QueryView): boolean {
    return this.#age.of(message) > lateMs && this.#channel.backlogged
  }

  #every(ms: number, run: () => void): void {
    this.#timers.push(setInterval(run, ms).unref())
  }

  #reap(): void {
    this.#nodeReset.tick()
    this.#reaper.tick()
    this.#channel.sendSoon()
  }

  #sweep(): void {
    this.ledger.sweep()
    this.pools.age()
    this.servers.forgetEnded()
    for (const source of this.#sources.sweep()) {
      this.#link.removeSource(source).catch((err) => {
        this.#log.warn({ event: 'sourceKept', code: err.code, err }, 'an address is kept')
      })
    }
    this.#channel.sendSoon()
  }

  /** Answers a flow of a decided session; one that still waits is answered when it is settled. */
  #answer(flow: FlowId): void {
    const { session } = this.#view.at(flow)
    if (this.#view.at(session).state !== SessionState.deciding) this.#replies.forward(flow)
    else this.#settlement.repeat(flow)
  }
}
