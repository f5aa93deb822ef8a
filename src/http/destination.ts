/** Where a request goes: a server, or a node of a pool, in whose place another one may come. */
import type { PickedNode } from '../socket/service.js'
import type { ServerAddress } from './server-side.js'

/** Errors that say of a server that it did not take a connection. */
const ofServers = ['ECONNREFUSED', 'ECONNRESET', 'ERR_SLUICE_TIMEOUT', 'ERR_SLUICE_NO_ROUTE']

export class Destination {
  #at: ServerAddress
  #node: PickedNode | undefined

  constructor(at: ServerAddress, node: PickedNode | undefined) {
    this.#at = at
    this.#node = node
  }

  get address(): string {
    return this.#at.address
  }
  get port(): number {
    return this.#at.port
  }

  /** It took a connection. */
  served(): void {
    this.#node?.served()
  }

  /** It took none, for that reason. False where no other server is in its place now. */
  failed(code: string): boolean {
    const next = ofServers.includes(code) ? this.#node?.failed() : undefined
    if (!next) return false
    this.#at = next
    this.#node = next
    return true
  }

  /** The request is none of its connections any more. */
  release(): void {
    this.#node?.release()
  }
}
