/** All checks of an engine: a loop for each node that is checked, and a bound on their number. */
import type { Clock } from '../clock.js'
import { type CheckEnvironment, type CheckedNode, CheckLoop } from './check-loop.js'
import { CheckQueue } from './check-queue.js'
import { functionProbe } from './function-probe.js'
import { httpProbe } from './http-probe.js'
import type { Dial, Probe } from './probe.js'
import type { CheckSettings } from './settings.js'
import { tcpProbe } from './tcp-probe.js'

export interface MonitorOptions {
  readonly clock: Clock
  readonly dial: Dial
  /** From 0 to 1; default Math.random. */
  readonly random?: () => number
}

/** Nodes that are checked alike. */
export interface CheckedNodes {
  readonly nodes: readonly CheckedNode[]
  readonly check: CheckSettings
}

/** Checks at work at once; each has a connection at most. */
const mostAtOnce = 64

export class Monitor {
  readonly #dial: Dial
  readonly #environment: CheckEnvironment
  #loops = new Map<CheckedNode, CheckLoop>()

  constructor({ clock, dial, random = Math.random }: MonitorOptions) {
    this.#dial = dial
    this.#environment = { clock, random, queue: new CheckQueue(mostAtOnce) }
  }

  /** From now on checks these nodes; the loops of those that it had go on. */
  watch(groups: readonly CheckedNodes[]): void {
    const before = this.#loops
    this.#loops = new Map()
    for (const { nodes, check } of groups) {
      const probe = this.#probeOf(check)
      for (const node of nodes) {
        const loop = before.get(node)
        loop?.configure(check, probe)
        this.#loops.set(node, loop ?? new CheckLoop(node, check, probe, this.#environment))
      }
    }
    for (const [node, loop] of before) if (!this.#loops.has(node)) loop.stop()
  }

  stop(): void {
    this.watch([])
  }

  #probeOf({ how }: CheckSettings): Probe {
    switch (how.kind) {
      case 'tcp':
        return tcpProbe(this.#dial)
      case 'http':
        return httpProbe(how, this.#dial)
      case 'function':
        return functionProbe(how.run)
    }
  }
}
