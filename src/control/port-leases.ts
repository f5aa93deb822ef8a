/**
 * The L4 ports of one source address towards one server: which flows have, and which wait until the
 * server can have forgotten their last one. Ports are taken one after the other from a random one on,
 * apart for each server (RFC 6056 3.3.3): whoever sees those of one server cannot tell those of
 * another.
 */
import { randomInt } from 'node:crypto'

const wordsOfPorts = 65_536 / 32

/** TIME-WAIT lasts a minute with most servers, at most two (RFC 6888, REQ-8): a port cools in two
 *  periods, of which it may have missed the beginning of the first. */
const periodMs = 60_000

/** Bits by port. */
export type PortSet = Uint32Array

export function makePortSet(has: (port: number) => boolean): PortSet {
  const set = new Uint32Array(wordsOfPorts)
  for (let port = 0; port <= 0xffff; port++) if (has(port)) set[port >>> 5] |= 1 << (port & 31)
  return set
}

const nothing: PortSet = new Uint32Array(wordsOfPorts)

export class PortLeases {
  readonly #used: PortSet = new Uint32Array(wordsOfPorts)
  /** Given back in this period, and in the one before. */
  #young = nothing
  #old = nothing
  #periodBegan = 0
  #next = randomInt(65_536)
  #count = 0

  get isEmpty(): boolean {
    return this.#count === 0
  }

  /** None is in use and none cools. */
  isIdle(now: number): boolean {
    return this.#count === 0 && now - this.#periodBegan >= 2 * periodMs
  }

  /**
   * Takes one of the usable ports; 0 where flows have them all. One that still cools is taken only
   * where there is no other, for the server may refuse it once.
   */
  take(usable: PortSet, now: number): number {
    this.#age(now)
    const port =
      this.#find(usable, this.#old, this.#young) ||
      this.#find(usable, nothing, this.#young) ||
      this.#find(usable, nothing, nothing)
    if (port === 0) return 0
    this.#next = (port + 1) & 0xffff
    this.claim(port)
    return port
  }

  /** Takes this one. False where a flow has it. */
  claim(port: number): boolean {
    const bit = 1 << (port & 31)
    if (this.#used[port >>> 5] & bit) return false
    this.#used[port >>> 5] |= bit
    this.#count++
    return true
  }

  /** @param cools whether the server may remember the connection */
  giveBack(port: number, cools: boolean, now: number): void {
    this.#used[port >>> 5] &= ~(1 << (port & 31))
    this.#count--
    if (!cools) return
    this.#age(now)
    if (this.#young === nothing) this.#young = new Uint32Array(wordsOfPorts)
    this.#young[port >>> 5] |= 1 << (port & 31)
  }

  #age(now: number): void {
    const periods = Math.floor((now - this.#periodBegan) / periodMs)
    if (periods <= 0) return
    this.#old = periods === 1 ? this.#young : nothing
    this.#young = nothing
    this.#periodBegan += periods * periodMs
  }

  /** The first that is usable, in no flow's hands and in neither of these sets, from #next on. */
  #find(usable: PortSet, cooling: PortSet, alsoCooling: PortSet): number {
    const [first, offset] = [this.#next >>> 5, this.#next & 31]
    const from = -1 << offset
    for (let step = 0; step <= wordsOfPorts; step++) {
      const at = (first + step) & (wordsOfPorts - 1)
      let free = usable[at] & ~(this.#used[at] | cooling[at] | alsoCooling[at])
      if (step === 0) free &= from
      else if (step === wordsOfPorts) free &= ~from
      if (free !== 0) return (at << 5) | (31 - Math.clz32(free & -free))
    }
    return 0
  }
}
