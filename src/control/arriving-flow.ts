/**
 * The new flow that a policy sees. Endpoints are decoded when they are asked for. One object shows one
 * flow after the other, unless somebody keeps it (`NewFlow`).
 */
import type { PlacedFlow } from '../balance/balancer.js'
import { hashAddress } from '../balance/hash.js'
import type { Endpoint } from '../endpoint.js'
import { AppFlags, type AppQueryView } from '../generated/messages.js'
import type { ActivityRanking, NewFlow, PoolFigures } from '../policy/new-flow.js'
import { type Protocol, protocolName } from '../protocol.js'
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

/** What an APP_QUERY brings of a flow. */
export type FlowData = Pick<NewFlow, 'data' | 'dataTruncated'>

export const noData: FlowData = { data: new Uint8Array(), dataTruncated: false }

/** A copy: the policy may keep it. */
export function dataOf({ appData, appFlags }: AppQueryView): FlowData {
  return { data: appData.slice(), dataTruncated: (appFlags & AppFlags.truncated) !== 0 }
}

export class ArrivingFlow implements PlacedFlow<Node> {
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
