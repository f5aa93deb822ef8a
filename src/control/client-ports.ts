/**
 * Another port of a client's own address, for a flow that its server could not tell from another one of
 * the same client's endpoint (trap 4). It is random (RFC 6056 3.3.1), of the range that the client's
 * is of (RFC 4787, REQ-3), and its answers come to the worker that asks.
 */
import { randomInt } from 'node:crypto'
import { sourcePortBounds } from '../config/defaults.js'
import type { FlowView } from './flow-table.js'
import { sourcePortOf, sourceWord, writeAddress } from './signature.js'
import { type SourceAddressOptions, workerOf } from './source-addresses.js'

/** Ports that are looked at, of the worker's: many clients' flows would have to be in the way. */
const mostTries = 256

/** Those that servers take for a privileged user's, as rresvport(3) does. */
const reserved = { min: 512, max: sourcePortBounds.min - 1 }

export class ClientPorts {
  readonly #address = new DataView(new ArrayBuffer(16))
  readonly #workers: number
  readonly #homesOf: SourceAddressOptions['homesOf']
  readonly #homes: Uint8Array

  constructor({ workers, homesOf }: Pick<SourceAddressOptions, 'workers' | 'homesOf'>) {
    this.#workers = workers
    this.#homesOf = homesOf
    this.#homes = new Uint8Array(mostTries * workers)
  }

  /** A port for a session; 0 where those that were looked at are not free. */
  choose(session: FlowView, isFree: (port: number) => boolean): number {
    const { words, signatureAt, serial } = session
    const isReserved = sourcePortOf(words, signatureAt) < sourcePortBounds.min
    const { min, max } = isReserved ? reserved : sourcePortBounds
    const count = Math.min(this.#homes.length, max - min + 1)
    const first = randomInt(min, max - count + 2)
    if (this.#workers > 1) {
      writeAddress(words, signatureAt + sourceWord, this.#address, 0)
      this.#homesOf(new Uint8Array(this.#address.buffer), first, this.#homes)
    }
    for (let i = 0; i < count; i++) {
      if (this.#homes[i] === workerOf(serial) && isFree(first + i)) return first + i
    }
    return 0
  }
}
