/** Whom the line of a connection speaks to: its user's half, and its pair. */
import type { Line } from './line.js'

/** What the user's half of a socket is told. */
export interface LineEnd {
  /** Bytes received that nobody has read. */
  readonly readableLength: number
  /** Bytes passed, one way or the other. */
  active(): void
  received(bytes: Buffer): void
  /** The peer sends no more. */
  peerEnded(): void
  /** The connection is over. @param error why, where it did not come to its end */
  lineClosed(error: Error | undefined): void
  /** Ends it without waiting for anything. */
  resetAndDestroy(): unknown
  /** Received and not read, or written and not the engine's. */
  readonly bytesHeld: number
}

/** Who else has an interest in it: its pair. */
export interface LineWatcher {
  /** Bytes were handed up. */
  received(line: Line): void
  /** All of them were read. */
  drained(line: Line): void
  peerEnded(line: Line): void
  closed(line: Line, reason: number): void
  /** The engine has all that was to be written, or knows that it has the last of it. */
  written(line: Line): void
  /** The hosts at the ends run the connection, or never will: a SpliceBlock says why. */
  spliced(line: Line, block: number): void
  /** The engine moves its bytes no longer, since it was told so or by itself. */
  unrelayed(line: Line): void
}

/** Bytes of a connection, those that a relay moved included. */
export interface Totals {
  readonly bytesReceivedNumber: number
  readonly bytesSentNumber: number
}
