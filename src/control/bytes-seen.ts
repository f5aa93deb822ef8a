/** How much of what their clients say policies have seen that want more, by the serials of the flows. */

/** A power of two; many more than answers can be under way. Who is forgotten is asked once more. */
const places = 4096

export class BytesSeen {
  readonly #serials = new Int32Array(places)
  readonly #bytes = new Uint16Array(places)

  /** @param serial as in `Question`, never 0 */
  set(serial: number, bytes: number): void {
    const place = serial & (places - 1)
    this.#serials[place] = serial
    this.#bytes[place] = bytes
  }

  /** 0 where nothing is known. */
  of(serial: number): number {
    const place = serial & (places - 1)
    return this.#serials[place] === serial ? this.#bytes[place] : 0
  }
}
