/** The nodes that have not taken the connection of a flow of late, by its serial: each is asked once. */
import type { Node } from './node.js'

/** A power of two; many more flows than can look for a node at a time. */
const places = 4096

export class FailedNodes {
  readonly #serials = new Int32Array(places)
  readonly #nodes: Node[][] = new Array(places)

  /** All those of the flow, with this one. @param serial as in `Question`, never 0 */
  add(serial: number, node: Node): readonly Node[] {
    const place = serial & (places - 1)
    const others = this.#serials[place] === serial ? this.#nodes[place] : []
    this.#serials[place] = serial
    this.#nodes[place] = [...others, node]
    return this.#nodes[place]
  }
}
