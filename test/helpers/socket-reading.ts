/** What a test reads from a stream. */
import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { until } from '../../src/laboratory/index.js'

/** Everything that comes from now on, with the events of the stream in their order. */
export class Reading {
  text = ''
  readonly events: string[] = []

  constructor(stream: Readable) {
    stream.setEncoding('latin1')
    stream.on('data', (chunk: string) => {
      this.text += chunk
    })
    for (const event of ['end', 'close', 'error']) {
      stream.on(event, () => this.events.push(event))
    }
    // It may have been paused by whoever read it before.
    stream.resume()
  }

  async untilText(expected: string): Promise<void> {
    await until(
      () => `'${expected}', has '${this.text.slice(-500)}'`,
      () => this.text === expected,
    )
  }

  async untilEvent(event: string): Promise<void> {
    await until(
      () => `the event ${event}, had ${this.events}`,
      () => this.events.includes(event),
    )
  }
}

/** The SHA-256 of all that a stream has, and how many bytes these are. */
export async function digest(stream: AsyncIterable<Buffer>) {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of stream) {
    hash.update(chunk)
    bytes += chunk.length
  }
  return { sha256: hash.digest('hex'), bytes }
}
