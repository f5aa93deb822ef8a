/**
 * How far down the bytes of an unproxied pair have come: the engine relays them, and where it may it lets the pair go, so
 * that the hosts at the ends run one connection (requirements 3.3).
 */
import { SpliceBlock as Block, RelayDepth } from '../generated/streams.js'
import { type SpliceBlock, spliceBlocks, type UnproxyOptions } from './types.js'
import { until } from './until.js'

export class Descent {
  /** Why it will not be spliced, where that is known. */
  #block: SpliceBlock | undefined
  #isSettled = true
  #waiting: (() => void)[] = []

  /** @param holdsEnds whether the end of a side is not the other's. @returns how the engine is told */
  begin(wanted: UnproxyOptions['depth'], holdsEnds: boolean): RelayDepth {
    const depth = wanted === 'splice' && !holdsEnds ? RelayDepth.splice : RelayDepth.relay
    this.#isSettled = depth === RelayDepth.relay
    this.#block = holdsEnds ? 'closing' : undefined
    return depth
  }

  /** What the engine says. @returns whether it is spliced */
  hears(block: number): boolean {
    if (block !== Block.none) this.#block = spliceBlocks[block] as SpliceBlock
    this.settle()
    return block === Block.none
  }

  /** It is spliced, or known that it will not be, or it is over. */
  settle(): void {
    this.#isSettled = true
    for (const tell of this.#waiting.splice(0)) tell()
  }

  /** Resolves then, or when `spliceTimeout` is over. @throws the reason of `signal` */
  async untilSettled({ spliceTimeout, signal }: UnproxyOptions): Promise<void> {
    if (this.#isSettled) return
    const settled = new Promise<void>((resolve) => this.#waiting.push(resolve))
    if (spliceTimeout === undefined) return until(settled, signal)
    const late = new Promise<void>((resolve) => setTimeout(resolve, spliceTimeout).unref())
    await until(Promise.race([settled, late]), signal)
  }

  /** What is in the way, for good or at last. */
  get block(): SpliceBlock {
    return this.#block ?? 'window'
  }
}
