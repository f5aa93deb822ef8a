/**
 * The ledger of another control segment, kept a second time by watching its bus (FLOWLIFE-20). It knows
 * the other by its messages, and by a configuration that says the same; it decides nothing and sends
 * nothing. Where both have seen the same messages, both have the same entries; only a flow that is taken
 * back (STATE) while a question of the same signature is open may count as the older one here.
 */
import type { BusWatcher } from '../bus/channel.js'
import { MessageReader, type MessageSink } from '../bus/reader.js'
import { readSent, type SentSink } from '../bus/sent-reader.js'
import { type Clock, systemClock } from '../clock.js'
import type { ResolvedConfig } from '../config/resolved.js'
import { Adoption } from '../control/adoption.js'
import { FlowEvents } from '../control/flow-events.js'
import { FlowLedger } from '../control/flow-ledger.js'
import { FlowNews } from '../control/flow-news.js'
import {
  FlowFlags,
  type FlowId,
  type FlowView,
  noFlow,
  SessionState,
} from '../control/flow-table.js'
import { Pools } from '../control/pools.js'
import { Question } from '../control/question.js'
import { Recognition } from '../control/recognition.js'
import { addressAt, type EncodedEndpoint, sourceEndpoint } from '../control/signature.js'
import { SourceAddresses } from '../control/source-addresses.js'
import { VirtualServers } from '../control/virtual-servers.js'
import {
  type QueryView,
  type ReplyView,
  type ResetView,
  SsmbError,
  SsmbFlags,
  type TimeoutView,
  XlatMask,
} from '../generated/messages.js'
import { silentLogger } from '../logger.js'
import { Unanswered } from './unanswered.js'

const refusals = XlatMask.reset | XlatMask.drop | XlatMask.unreachable

export class DuplicateLedger implements BusWatcher {
  readonly pools: Pools
  readonly servers = new VirtualServers()
  readonly ledger: FlowLedger
  readonly #sources: SourceAddresses
  readonly #recognition: Recognition
  readonly #question = new Question()
  readonly #view: FlowView
  readonly #unanswered: Unanswered
  readonly #toControl: MessageSink
  readonly #toSegment: SentSink

  /** @param config that of the one that is watched, from whose beginning on it is */
  constructor(config: ResolvedConfig, clock: Clock = systemClock) {
    const { limits, timeouts } = config
    this.pools = new Pools(config.pools, clock, silentLogger)
    this.#sources = new SourceAddresses({ workers: 1, homesOf: () => {}, now: clock.now })
    this.ledger = new FlowLedger(limits.flows, clock.now, this.#sources)
    const { ledger, pools, servers } = this
    this.#view = ledger.view()
    this.#recognition = new Recognition(ledger)
    this.#unanswered = new Unanswered(limits.waitingFlows)
    const adoption = new Adoption(ledger, pools, servers, this.#sources)
    const reaper = { counters: { asked: 0, alive: 0, gone: 0, unanswered: 0 } }
    const readers = { ledger, servers, pools, dump: { take() {} }, reaper, adoption, timeouts }
    const news = new FlowNews({ ...readers, events: new FlowEvents(ledger) })
    this.#toControl = {
      query: (message) => this.#query(message),
      delete: (message) => news.delete(message),
      learn: (message) => news.learn(message),
      stats: (message) => news.stats(message),
      state: (message) => news.state(message),
      reset: (message) => {
        this.#unanswered.forget(message.scope)
        news.reset(message)
      },
      ack() {},
    }
    this.#toSegment = {
      reply: (message) => this.#reply(message),
      timeout: ({ serial }: TimeoutView) => {
        const flow = ledger.flow(serial | 0)
        if (flow !== noFlow) ledger.endFlow(flow)
      },
      reset: ({ scope }: ResetView) => {
        ledger.endDormant(({ server }) => scope === 0 || server?.id === scope)
      },
    }
    this.reload(config)
  }

  received(messages: Uint8Array): void {
    new MessageReader(messages).read(messages.length, this.#toControl)
  }

  sent(messages: Uint8Array): void {
    readSent(messages, this.#toSegment)
  }

  /** Takes over what the watched one takes over, when it does. */
  reload(config: ResolvedConfig): void {
    this.servers.replace(config.virtualServers)
    this.#sources.replace(config)
    this.pools.replace(config.pools)
  }

  /** Gives up sessions that have not gone on in time; to be called now and then. */
  sweep(): void {
    this.ledger.sweep()
    this.servers.forgetEnded()
    this.#sources.sweep()
  }

  /**
   * A flow of a session that has others needs no decision. Whether the watched one still has a session
   * without any, its answer tells, as of one that begins.
   */
  #query(message: QueryView): void {
    const asked = this.#question.readQuery(message)
    const flow = this.#recognition.flow(asked)
    if (flow !== noFlow) {
      const isNew = asked.again && !this.#view.at(flow).has(FlowFlags.another)
      if (isNew) this.#askAgain(flow, message)
      return
    }
    const session = this.#recognition.session(asked)
    const isOpen = session !== noFlow && this.#view.at(session).state === SessionState.open
    if (isOpen) this.ledger.join(session, asked)
    else this.#unanswered.add(message)
  }

  /** What was decided could not be carried out: it is as if it had not been. */
  #askAgain(flow: FlowId, message: QueryView): void {
    const { session } = this.#view.at(flow)
    if (this.ledger.isFirst(flow)) {
      this.ledger.withdraw(session)
      this.ledger.end(session)
    } else {
      this.ledger.endFlow(flow)
    }
    this.#unanswered.add(message)
  }

  #reply(message: ReplyView): void {
    const isRefused =
      message.errorCode !== SsmbError.none || (message.xlat.xlatMask & refusals) !== 0
    const asked = this.#unanswered.take(message.serial | 0)
    if (!asked || (message.flags & SsmbFlags.more) !== 0) return
    // Another flow of the session may have been answered meanwhile.
    let session = this.#recognition.session(asked)
    if (session !== noFlow && (isRefused || !this.#goesOn(session, message))) {
      if (this.#view.at(session).state === SessionState.dormant) this.ledger.end(session)
      session = noFlow
    }
    if (isRefused) return
    if (session === noFlow) this.#open(asked, message)
    else this.ledger.join(session, asked)
  }

  /** The watched one may have given up a session, and begun another with its signature. */
  #goesOn(session: FlowId, { xlat }: ReplyView): boolean {
    const { node, server } = this.#view.at(session)
    return (node?.id ?? 0) === xlat.nodeId && (server?.id ?? 0) === xlat.vsId
  }

  #open(asked: Question, { flags, xlat }: ReplyView): void {
    asked.resumes = (flags & SsmbFlags.resumed) !== 0
    const session = this.ledger.open(asked, this.servers.get(xlat.vsId) ?? null)
    const { address: ofClient } = sourceEndpoint(asked.signature)
    const isOurs = (xlat.xlatMask & XlatMask.srcAddr) !== 0
    const address = isOurs ? addressAt(xlat.view, xlat.xlatSrcIpaddrOffset) : ofClient
    const leavesFrom: EncodedEndpoint | undefined =
      xlat.xlatMask & XlatMask.srcPort ? { address, port: xlat.xlatSrcPort } : undefined
    this.ledger.assignAs(session, this.pools.numbered(xlat.nodeId) ?? null, leavesFrom)
  }
}
