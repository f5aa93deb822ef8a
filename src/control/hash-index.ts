/**
 * Finds numbers by the hash of what they stand for. Open addressing with linear probing in one typed
 * array: a number that comes or goes makes no object and leaves no garbage, however many there are.
 */
const firstSlots = 1024

export class HashIndex {
  /** By slot: the hash, then the number and one; 0 where the slot is empty. */
  #slots = new Int32Array(2 * firstSlots)
  #mask = firstSlots - 1
  #size = 0

  get size(): number {
    return this.#size
  }

  /** The slot where looking for a hash begins. See `number()` and `after()`. */
  first(hash: number): number {
    return this.#matching(hash, hash & this.#mask)
  }

  /** The next slot with the same hash. */
  after(slot: number): number {
    return this.#matching(this.#slots[2 * slot], (slot + 1) & this.#mask)
  }

  /** The number in a slot; -1 where nothing more has the hash. */
  number(slot: number): number {
    return this.#slots[2 * slot + 1] - 1
  }

  /** @param number 0 or more */
  insert(hash: number, number: number): void {
    if (++this.#size > (this.#mask + 1) * 0.75) this.#grow()
    this.#put(hash, number + 1)
  }

  /** Removes what was inserted. */
  remove(hash: number, number: number): void {
    let slot = this.first(hash)
    while (this.number(slot) !== number) slot = this.after(slot)
    this.#size--
    this.#close(slot)
  }

  #matching(hash: number, from: number): number {
    const slots = this.#slots
    let slot = from
    while (slots[2 * slot + 1] !== 0 && slots[2 * slot] !== hash) slot = (slot + 1) & this.#mask
    return slot
  }

  #put(hash: number, value: number): void {
    const slots = this.#slots
    let slot = hash & this.#mask
    while (slots[2 * slot + 1] !== 0) slot = (slot + 1) & this.#mask
    slots[2 * slot] = hash
    slots[2 * slot + 1] = value
  }

  /** Moves those behind an emptied slot up, where a search would miss them otherwise. */
  #close(emptied: number): void {
    const slots = this.#slots
    let hole = emptied
    for (let slot = (hole + 1) & this.#mask; slots[2 * slot + 1] !== 0; ) {
      const home = slots[2 * slot] & this.#mask
      if (((slot - home) & this.#mask) >= ((slot - hole) & this.#mask)) {
        slots[2 * hole] = slots[2 * slot]
        slots[2 * hole + 1] = slots[2 * slot + 1]
        hole = slot
      }
      slot = (slot + 1) & this.#mask
    }
    slots[2 * hole + 1] = 0
  }

  #grow(): void {
    const old = this.#slots
    this.#slots = new Int32Array(2 * old.length)
    this.#mask = old.length - 1
    for (let at = 0; at < old.length; at += 2) {
      if (old[at + 1] !== 0) this.#put(old[at], old[at + 1])
    }
  }
}
