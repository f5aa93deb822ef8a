/** How the nodes of a pool are checked. */
import type { CheckFunction } from './function-probe.js'
import type { HttpExpectation } from './http-probe.js'
import type { Thresholds } from './rise-and-fall.js'

export interface CheckSettings extends Thresholds {
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly how:
    | { readonly kind: 'tcp' }
    | ({ readonly kind: 'http' } & HttpExpectation)
    | { readonly kind: 'function'; readonly run: CheckFunction }
}
