/**
 * Sessions whose flows were evicted, which may go on. Where there are too many the oldest is given up:
 * first of those that a flood could have made, half-open ones and UDP, then of the connections.
 */
import type { FlowId } from './flow-table.js'

export class DormantSessions {
  /** Oldest first, with the time when each is given up, in milliseconds since 1970. */
  readonly #connections = new Map<FlowId, number>()
  readonly #others = new Map<FlowId, number>()

  get size(): number {
    return this.#connections.size + this.#others.size
  }

  /** The one to give up, where there are any. */
  get first(): FlowId | undefined {
    for (const list of [this.#others, this.#connections]) {
      for (const session of list.keys()) return session
    }
    return undefined
  }

  add(session: FlowId, until: number, isConnection: boolean): void {
    const list = isConnection ? this.#connections : this.#others
    list.set(session, until)
  }

  delete(session: FlowId): void {
    if (!this.#connections.delete(session)) this.#others.delete(session)
  }

  /** Each with its time; those that are passed may be deleted meanwhile. */
  *[Symbol.iterator](): IterableIterator<[FlowId, number]> {
    yield* this.#others
    yield* this.#connections
  }
}
