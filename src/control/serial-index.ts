/** Finds flows by their serials, as signed numbers. */
import type { FlowId } from './flow-table.js'
import { HashIndex } from './hash-index.js'

/** Odd, so that it maps serials one to one; they count, and should not lie side by side. */
const factor = 0x9e3779b1

export class SerialIndex {
  readonly #entered = new HashIndex()

  enter(serial: number, flow: FlowId): void {
    this.#entered.insert(Math.imul(serial, factor), flow)
  }

  remove(serial: number, flow: FlowId): void {
    this.#entered.remove(Math.imul(serial, factor), flow)
  }

  /** The flow with a serial; noFlow where there is none. */
  find(serial: number): FlowId {
    return this.#entered.number(this.#entered.first(Math.imul(serial, factor)))
  }
}
