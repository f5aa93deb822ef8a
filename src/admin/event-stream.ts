/** Server-sent events (WHATWG HTML, 9.2), each reader with a queue of its own that is bounded. */

import { SluiceError } from '../errors.js'
import type { EngineEvent, EventSource } from '../event-log.js'

/** What a slow reader may leave unread. Then events are lost to it until it has read half of that, and
 *  it is told how many. */
const mostQueuedBytes = 65_536
const mostReaders = 64
/** A reader that is gone is noticed when something is written to it. */
const heartbeatMs = 15_000

const encoder = new TextEncoder()

export class EventStreams {
  #readers = 0

  constructor(private readonly source: EventSource) {}

  /** @throws {SluiceError} `ERR_SLUICE_ADMIN_BUSY` */
  open(): ReadableStream<Uint8Array> {
    if (this.#readers >= mostReaders) throw busy()
    this.#readers++
    let close = () => {}
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          close = this.#feed(controller)
        },
        cancel: () => {
          this.#readers--
          close()
        },
      },
      new ByteLengthQueuingStrategy({ highWaterMark: mostQueuedBytes }),
    )
  }

  #feed(controller: ReadableStreamDefaultController<Uint8Array>): () => void {
    let lost = 0
    const send = (text: string): boolean => {
      const bytes = encoder.encode(text)
      if ((controller.desiredSize ?? 0) < bytes.length) return false
      controller.enqueue(bytes)
      return true
    }
    const take = (event: EngineEvent) => {
      if (lost > 0 && (controller.desiredSize ?? 0) > mostQueuedBytes / 2) {
        send(`event: lost\ndata: {"lost":${lost}}\n\n`)
        lost = 0
      }
      if (lost > 0 || !send(eventText(event))) lost++
    }
    send(': sluice\n\n')
    const unsubscribe = this.source.subscribe(take)
    const heartbeat = setInterval(() => send(': alive\n\n'), heartbeatMs).unref()
    return () => {
      unsubscribe()
      clearInterval(heartbeat)
    }
  }
}

function eventText({ id, event, ...rest }: EngineEvent): string {
  return `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify({ event, ...rest })}\n\n`
}

function busy(): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_ADMIN_BUSY',
    `${mostReaders} readers follow the events already.`,
    'End one of them, or ask for the status instead.',
  )
}
