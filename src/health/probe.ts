/** What a check does: it looks at one server, once. */
import type { Duplex } from 'node:stream'

/** The server that is looked at. */
export interface Target {
  /** 'address:port'. */
  readonly name: string
  readonly address: string
  readonly port: number
}

/**
 * Looks at a server. Resolves where it is well; what it throws is why it is not. It gives up when
 * `signal` aborts, and leaves nothing behind.
 */
export type Probe = (target: Target, signal: AbortSignal) => Promise<void>

/** Opens a TCP connection. @throws where there is none; and the reason of `signal` */
export type Dial = (target: Target, signal: AbortSignal) => Promise<Duplex>
