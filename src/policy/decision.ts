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

/** A decision; or that `flow.data` is not enough to decide by, with `inspect: 'raw'` of TCP: the client is
 *  read on, and the policy asked again with all that has come by then. */
export type PolicyAnswer<Pool extends string = string> = Decision<Pool> | { readonly more: true }

/** Decides a new flow. One that throws, or is late, costs its own flow only. */
export type Policy<Pool extends string = string> = (
  flow: NewFlow<Pool>,
) => PolicyAnswer<Pool> | Promise<PolicyAnswer<Pool>>

/** A decision in its long form. */
export type Verdict =
  | { readonly pool: string }
  | { readonly node: string }
  | { readonly reject: Rejection }

/** Reads a decision; undefined where it is none. Whether its names exist is not known here. */
export function readDecision(answer: unknown): Verdict | undefined {
  if (typeof answer === 'string') return { pool: answer }
  if (!hasOneKey(answer)) return undefined
  if ('pool' in answer && typeof answer.pool === 'string') return { pool: answer.pool }
  if ('node' in answer && typeof answer.node === 'string') return { node: answer.node }
  if ('reject' in answer && rejections.includes(answer.reject)) {
    return { reject: answer.reject as Rejection }
  }
  return undefined
}

/** Whether a policy has answered that it needs more to decide by. */
export function wantsMore(answer: unknown): boolean {
  return hasOneKey(answer) && 'more' in answer && answer.more === true
}

function hasOneKey(answer: unknown): answer is object {
  return typeof answer === 'object' && answer !== null && Object.keys(answer).length === 1
}
