/**
 * The new flow that a policy sees. Endpoints are decoded when they are asked for. One object shows one
 * flow after the other, unless somebody keeps it (`NewFlow`).
 */
import { hashAddress } from '../balance/hash.js'
import type { Endpoint } from '../endpoint.js'
import { AppFlags, type AppQueryView, AppType, SsmbFlags } from '../generated/messages.js'
import { type HttpRequest, noRequest, readRequest } from '../policy/http-request.js'
import type { ActivityRanking, NewFlow, PoolFigures } from '../policy/new-flow.js'
import { noHello, readHello, type TlsClientHello } from '../policy/tls-client-hello.js'
import { type Protocol, protocolName } from '../protocol.js'
import type { AskingFlow } from './decider.js'
import type { FlowLedger } from './flow-ledger.js'
import { type FlowId, noFlow } from './flow-table.js'
import type { Node } from './node.js'
import {
  destinationOf,
  destinationWord,
  protocolOf,
  signatureWords,
  sourceOf,
  sourceWord,
  tosOf,
} from './signature.js'
import type { VirtualServer } from './virtual-server.js'

/** What an APP_QUERY brings of a flow, each read when it is asked for. */
export class FlowData {
  readonly #type: number
  readonly #isAbsent: boolean
  #http: HttpRequest | undefined
  #tls: TlsClientHello | undefined

  constructor(
    type: number,
    flags: number,
    readonly data: Uint8Array,
    /** It is the first time that a server is looked for. */
    isFirst = false,
  ) {
    this.#type = type
    this.#isAbsent = (flags & AppFlags.absent) !== 0
    this.dataTruncated = (flags & AppFlags.truncated) !== 0
    this.mayHaveMore = isFirst && this.#has(AppType.raw)
  }

  readonly dataTruncated: boolean
  /** The data flow segment can ask again with more than this. */
  readonly mayHaveMore: boolean

  get http(): HttpRequest {
    this.#http ??= this.#has(AppType.http) ? readRequest(this.data, this.dataTruncated) : noRequest
    return this.#http
  }
  get cookie(): string | undefined {
    return this.#has(AppType.cookie) ? Buffer.from(this.data).toString('latin1') : undefined
  }
  get tls(): TlsClientHello {
    this.#tls ??= this.#has(AppType.tls) ? readHello(this.data) : noHello
    return this.#tls
  }

  #has(type: number): boolean {
    return this.#type === type && !this.#isAbsent
  }
}

export const noData = new FlowData(0, AppFlags.absent, new Uint8Array())

/** A copy: the policy may keep it. */
export function dataOf({ appType, appData, appFlags, flags }: AppQueryView): FlowData {
  return new FlowData(appType, appFlags, appData.slice(), (flags & SsmbFlags.another) === 0)
}

export class ArrivingFlow implements AskingFlow {
  readonly #signature = new Int32Array(signatureWords)
  #server: VirtualServer | undefined
  #client: Endpoint | undefined
  #destination: Endpoint | undefined
  #openedAt = 0
  readonly #ledger: FlowLedger
  #session: FlowId = noFlow
  readonly activity: ActivityRanking
  #data = noData
  pools: Readonly<Record<string, PoolFigures>> = {}

  constructor(ledger: FlowLedger) {
    this.#ledger = ledger
    this.activity = ledger.activity
  }

  show(
    session: FlowId,
    signature: Int32Array,
    server: VirtualServer,
    openedAt: number,
    pools: Readonly<Record<string, PoolFigures>>,
    data: FlowData,
  ): this {
    this.#session = session
    this.#signature.set(signature)
    this.#server = server
    this.#client = undefined
    this.#destination = undefined
    this.#openedAt = openedAt
    this.pools = pools
    this.#data = data
    return this
  }

  get client(): Endpoint {
    this.#client ??= sourceOf(this.#signature)
    return this.#client
  }
  get destination(): Endpoint {
    this.#destination ??= destinationOf(this.#signature)
    return this.#destination
  }
  get protocol(): Protocol {
    return protocolName(protocolOf(this.#signature))
  }
  get dscp(): number {
    return tosOf(this.#signature) >> 2
  }
  get virtualServer(): string {
    return this.#shown.name
  }
  get openedAt(): number {
    return this.#openedAt
  }

  get data(): Uint8Array {
    return this.#data.data
  }
  get dataTruncated(): boolean {
    return this.#data.dataTruncated
  }

  get http(): HttpRequest {
    return this.#data.http
  }
  get cookie(): string | undefined {
    return this.#data.cookie
  }
  get tls(): TlsClientHello {
    return this.#data.tls
  }

  get mayHaveMore(): boolean {
    return this.#data.mayHaveMore
  }

  get sourceHash(): number {
    return hashAddress(this.#signature, sourceWord)
  }
  get destinationHash(): number {
    return hashAddress(this.#signature, destinationWord)
  }

  fits(node: Node): boolean {
    const leavesFromOurs = this.#shown.settings.snat !== undefined
    return leavesFromOurs || !this.#ledger.isTaken(this.#session, node)
  }

  copy(): NewFlow {
    const copy = new ArrivingFlow(this.#ledger)
    const [session, signature, server] = [this.#session, this.#signature, this.#shown]
    return copy.show(session, signature, server, this.#openedAt, this.pools, this.#data)
  }

  get #shown(): VirtualServer {
    return this.#server as VirtualServer
  }
}
