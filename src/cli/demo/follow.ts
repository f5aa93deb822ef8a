/**
 * The connection that the demo follows: its service reads the answer, lets the pair go for so many
 * bytes, reads again from that very byte on, then lets it go for good; and notes what passed in which
 * mode.
 */
import { Transform } from 'node:stream'
import type { Family, PairMode, ServiceFunction, SocketPair } from '../../index.js'

const mebibyte = 1024 * 1024
/** Parts of the answer that the service reads, each time. */
export const readBytes = 8 * mebibyte
/** What passes by it in between. */
export const passedBytes = 48 * mebibyte

/** A stretch of the answer, and the mode of the pair while it passed. */
export interface Span {
  mode: 'proxied' | 'relay' | 'splice'
  /** Byte of the answer that it begins with, and the one that it ends before. */
  from: number
  to: number
  milliseconds: number
}

interface Turn {
  mode: PairMode
  at: number
  bytes: number
}

/** Notes when a pair changes its mode, and how far the answer has come by then. */
class Timeline {
  readonly #pair: SocketPair
  readonly #turns: Turn[] = []

  constructor(pair: SocketPair) {
    this.#pair = pair
    this.#note(pair.mode)
    pair.on('mode', (_before, now) => this.#note(now))
  }

  #note(mode: PairMode): void {
    const bytes = Number(this.#pair.stats().bytes.s2c)
    this.#turns.push({ mode, at: performance.now(), bytes })
  }

  /** On its way to another mode it is still in the one before. */
  get spans(): Span[] {
    const spans: Span[] = []
    for (const [index, { mode, at, bytes }] of this.#turns.entries()) {
      const last = spans.at(-1)
      if (last) {
        last.to = bytes
        last.milliseconds += at - (this.#turns[index - 1]?.at ?? at)
      }
      if (mode === 'proxied' || mode === 'relay' || mode === 'splice') {
        if (last?.mode !== mode) spans.push({ mode, from: bytes, to: bytes, milliseconds: 0 })
      }
    }
    return spans
  }
}

/** Passes all on; `behind(bytes)` resolves when so many bytes more have gone by. */
function counting() {
  let left = 0
  let tell = () => {}
  const transform = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      done(null, chunk)
      left -= chunk.length
      if (left <= 0) tell()
    },
  })
  const behind = (bytes: number) =>
    new Promise<void>((resolve) => {
      left = bytes
      tell = resolve
    })
  return { transform, behind }
}

/** What the service has to know, and what it has to tell of the longest answer of each family. */
export class Follower {
  readonly #server: (family: Family) => { address: string; port: number }
  readonly #timelines: { family: Family; timeline: Timeline }[] = []

  constructor(server: (family: Family) => { address: string; port: number }) {
    this.#server = server
  }

  readonly service: ServiceFunction = async (inbound, { stack }) => {
    const { family } = inbound.identity
    const to = { ...this.#server(family), associateWith: inbound }
    const { pair } = await stack.connect(to)
    if (!pair) return
    this.#timelines.push({ family, timeline: new Timeline(pair) })
    const { transform, behind } = counting()
    pair.process({ s2c: transform })
    await behind(readBytes)
    await pair.unproxyUntil({ bytes: passedBytes, direction: 's2c', depth: 'splice' })
    await behind(readBytes)
    await pair.unproxy({ depth: 'splice' })
  }

  spans(family: Family): Span[] {
    const all = this.#timelines
      .filter((one) => one.family === family)
      .map(({ timeline }) => timeline.spans)
    const length = (spans: Span[]) => spans.at(-1)?.to ?? 0
    return all.reduce((best, spans) => (length(spans) > length(best) ? spans : best), [])
  }
}
