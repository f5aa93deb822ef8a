/** What a policy answers, and the reading of an answer that may be anything. */
import type { NewFlow } from './new-flow.js'

/** `reset` tells the client (TCP RST, ICMP for others), `unreachable` by ICMP also for TCP; `drop` is
 *  silent. */
export type Rejection = 'reset' | 'unreachable' | 'drop'

const rejections: readonly unknown[] = ['reset', 'unreachable', 'drop'] satisfies Rejection[]

/** A pool's name, the same in long form, one node of a pool by its 'address:port', or a refusal. */
export type Decision<Pool extends string = string> =
  | Pool
  | { readonly pool: Pool }
  | { readonly node: string }
  | { readonly reject: Rejection }

/** Decides a new flow. One that throws, or is late, costs its own flow only. */
export type Policy<Pool extends string = string> = (
  flow: NewFlow<Pool>,
) => Decision<Pool> | Promise<Decision<Pool>>

/** A decision in its long form. */
export type Verdict =
  | { readonly pool: string }
  | { readonly node: string }
  | { readonly reject: Rejection }

/** Reads an answer; undefined where it is no decision. Whether its names exist is not known here. */
export function readDecision(answer: unknown): Verdict | undefined {
  if (typeof answer === 'string') return { pool: answer }
  if (typeof answer !== 'object' || answer === null || Object.keys(answer).length !== 1) {
    return undefined
  }
  if ('pool' in answer && typeof answer.pool === 'string') return { pool: answer.pool }
  if ('node' in answer && typeof answer.node === 'string') return { node: answer.node }
  if ('reject' in answer && rejections.includes(answer.reject)) {
    return { reject: answer.reject as Rejection }
  }
  return undefined
}
