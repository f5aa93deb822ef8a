/** The new flow that a policy sees. Endpoints are decoded when they are asked for. */
import type { Endpoint } from '../endpoint.js'
import type { ActivityRanking, NewFlow, PoolFigures, Protocol } from '../policy/new-flow.js'
import type { Session } from './session.js'
import { destinationOf, sourceOf } from './signature.js'
import type { VirtualServer } from './virtual-servers.js'

export class ArrivingFlow implements NewFlow {
  readonly #session: Session
  readonly #server: VirtualServer
  #client: Endpoint | undefined
  #destination: Endpoint | undefined

  constructor(
    session: Session,
    server: VirtualServer,
    readonly dscp: number,
    readonly pools: Readonly<Record<string, PoolFigures>>,
    readonly activity: ActivityRanking,
  ) {
    this.#session = session
    this.#server = server
  }

  get client(): Endpoint {
    this.#client ??= sourceOf(this.#session.signature)
    return this.#client
  }
  get destination(): Endpoint {
    this.#destination ??= destinationOf(this.#session.signature)
    return this.#destination
  }
  get protocol(): Protocol {
    return this.#server.settings.protocol
  }
  get virtualServer(): string {
    return this.#server.name
  }
  get openedAt(): number {
    return this.#session.openedAt
  }
}
