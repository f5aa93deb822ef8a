/**
 * Runs what decides a new flow: a pool's algorithm, or a user's policy. Whatever a user's function
 * does, its own flow gets a decision, the configured fallback at worst, and no other flow waits.
 */

import { ForeignNode, type PlacedFlow } from '../balance/balancer.js'
import type { Logger } from '../logger.js'
import { type Rejection, readDecision, type Verdict, wantsMore } from '../policy/decision.js'
import type { Node } from './node.js'
import type { Pools } from './pools.js'
import type { VirtualServer } from './virtual-server.js'

/**
 * Why a flow is refused: a policy says so, no node of the pool takes any, or its virtual server has
 * as many as it may, or there is no port left that it could leave from, or its node could not tell it
 * from another one.
 */
export type Refusal = Rejection | 'unavailable' | 'limited' | 'exhausted' | 'collided'

/** A node, or a refusal; or that the client has to be read on first. */
export type Choice = Node | Refusal | 'more'

/** A flow whose policy is asked. */
export interface AskingFlow extends PlacedFlow<Node> {
  /** Whether its client can be read on before it is decided. */
  readonly mayHaveMore: boolean
}

type Failure = 'policyErrors' | 'policyTimeouts' | 'policyNonsense' | 'policyOverload'

const failureTexts: Readonly<Record<Failure, string>> = {
  policyErrors: 'the policy threw: the flow takes the fallback',
  policyTimeouts: 'the policy took too long: the flow takes the fallback',
  policyNonsense: 'the answer is no decision: the flow takes the fallback',
  policyOverload: 'too many policies are at work: the flow takes the fallback',
}

const noMoreText =
  "there is no more to be had, only with `inspect: 'raw'` of TCP: the flow takes the fallback"

/** An answer that is not a decision, or names what does not exist, or wants what cannot be had. */
class Nonsense extends Error {
  constructor(
    readonly answer: unknown,
    readonly text = failureTexts.policyNonsense,
  ) {
    super('not a decision')
  }
}

export class Decider {
  readonly failures: Record<Failure, number> = {
    policyErrors: 0,
    policyTimeouts: 0,
    policyNonsense: 0,
    policyOverload: 0,
  }
  readonly #logged = new Set<string>()
  readonly #timers = new Set<NodeJS.Timeout>()

  /** @param maxPending asynchronous policies at work at once */
  constructor(
    private readonly pools: Pools,
    private readonly maxPending: number,
    private readonly log: Logger,
  ) {}

  /** Asynchronous policies at work. */
  get pending(): number {
    return this.#timers.size
  }

  /**
   * The choice. Where the policy is asynchronous, a promise of what makes it, to be called where it is
   * carried out: meanwhile other flows may take the places of a node. Neither throws or rejects.
   */
  decide(server: VirtualServer, flow: AskingFlow): Choice | Promise<() => Choice> {
    const { decide } = server.settings
    // A service has its connections: nobody asks for one.
    if (decide === undefined) return 'unavailable'
    try {
      if (typeof decide === 'string') return this.#fromPool(decide, server, flow)
      if (this.pending >= this.maxPending) return this.#fail('policyOverload', server, flow)
      const answer: unknown = decide(flow)
      return isThenable(answer)
        ? this.#wait(answer, server, flow)
        : this.#read(answer, server, flow)
    } catch (error) {
      return this.#fallBack(server, flow, error)
    }
  }

  /** Forgets the asynchronous policies at work: their choices are never made. */
  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
  }

  /** New policies: failures of each kind are logged again. */
  forgetLogged(): void {
    this.#logged.clear()
  }

  #wait(
    answer: PromiseLike<unknown>,
    server: VirtualServer,
    flow: AskingFlow,
  ): Promise<() => Choice> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#timers.delete(timer)
        resolve(() => this.#fail('policyTimeouts', server, flow))
      }, server.settings.policyTimeoutMs)
      this.#timers.add(timer)
      const inTime = () => {
        clearTimeout(timer)
        return this.#timers.delete(timer)
      }
      answer.then(
        (value) => {
          if (inTime()) resolve(() => this.#readOrFallBack(value, server, flow))
        },
        (error) => {
          if (inTime()) resolve(() => this.#fallBack(server, flow, error))
        },
      )
    })
  }

  #readOrFallBack(answer: unknown, server: VirtualServer, flow: AskingFlow): Choice {
    try {
      return this.#read(answer, server, flow)
    } catch (error) {
      return this.#fallBack(server, flow, error)
    }
  }

  #read(answer: unknown, server: VirtualServer, flow: AskingFlow): Choice {
    const verdict = readDecision(answer)
    if (verdict) return this.#carryOut(verdict, server, flow)
    if (!wantsMore(answer)) throw new Nonsense(answer)
    if (!flow.mayHaveMore) throw new Nonsense(answer, noMoreText)
    return 'more'
  }

  /** @throws {Nonsense} where a name does not exist, and what `Pool.choose` throws */
  #carryOut(verdict: Verdict, server: VirtualServer, flow: PlacedFlow<Node>): Choice {
    if ('reject' in verdict) return verdict.reject
    if ('pool' in verdict) return this.#fromPool(verdict.pool, server, flow)
    const node = usable(this.pools.node(verdict.node), server, verdict)
    // Another of its pool may take its place (LB-11).
    return node.available ? node : this.#fromPool(node.pool, server, flow)
  }

  /** A node of the pool, or of those that stand in for it. */
  #fromPool(name: string, server: VirtualServer, flow: PlacedFlow<Node>): Choice {
    const pool = this.pools.get(name)
    if (!pool) throw new Nonsense({ pool: name })
    let next = pool.choose(flow)
    for (let other = pool.settings.fallback; !next && other !== undefined; ) {
      const standIn = this.pools.get(other)
      next = standIn?.choose(flow)
      other = standIn?.settings.fallback
    }
    if (next) return usable(next, server, { pool: name })
    pool.refuse()
    return 'unavailable'
  }

  #fallBack(server: VirtualServer, flow: PlacedFlow<Node>, error: unknown): Choice {
    const nonsense = error instanceof Nonsense || error instanceof ForeignNode
    const kind = nonsense ? 'policyNonsense' : 'policyErrors'
    return this.#fail(kind, server, flow, error)
  }

  #fail(kind: Failure, server: VirtualServer, flow: PlacedFlow<Node>, error?: unknown): Choice {
    this.failures[kind]++
    const text = error instanceof Nonsense ? error.text : failureTexts[kind]
    const occasion = `${text} ${server.name}`
    if (!this.#logged.has(occasion)) {
      this.#logged.add(occasion)
      const details =
        kind === 'policyNonsense' ? { answer: (error as Nonsense).answer } : { err: error }
      const code = 'ERR_SLUICE_POLICY'
      const subject = { event: 'policy', code, virtualServer: server.name } as const
      this.log.warn({ ...subject, ...details }, text)
    }
    try {
      return this.#carryOut(server.settings.fallback, server, flow)
    } catch {
      return 'reset'
    }
  }
}

/** The node, if there is one and of the right family: translation keeps it. */
function usable(node: Node | undefined, server: VirtualServer, verdict: Verdict): Node {
  if (node && node.endpoint.family === server.settings.listen.family) return node
  throw new Nonsense(verdict)
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as { then?: unknown }).then === 'function'
  )
}
