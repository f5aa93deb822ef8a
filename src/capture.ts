/** Lets somebody see what passes the ports of a running engine, as a file in the pcapng format. */
import { setTimeout as delay } from 'node:timers/promises'
import { parseAddress } from './bus/address.js'
import type { ResolvedPort, ResolvedVirtualServer } from './config/resolved.js'
import { SluiceError } from './errors.js'
import type { NativeCaptureOrder, NativeSegment } from './native.js'
import { protocolNumber } from './protocol.js'

/** Which packets; what is not said leaves all. */
export interface CaptureOptions {
  /** Name of the one port of the engine. */
  readonly port?: string
  /** An address that is source or destination: on both sides of the engine, which keeps it. */
  readonly client?: string
  /** Name of a virtual server: what is from and to the endpoint that its clients see. */
  readonly virtualServer?: string
  /** Ends after so many. */
  readonly count?: number
  /** Bytes that are kept of each; default all. */
  readonly snapLength?: number
}

/** Longest frame of a port (kMaxFrame in native/packet/packet.h). */
export const longestFrame = 65_557
/** From one look at the ring, which has room for 8 MiB of each worker, to the next. */
const lookMs = 10
/** A worker comes to the end of the last capture with its next poll. */
const beginPatienceMs = 1000
const chunkBytes = 1 << 20
/** Type of a block with a frame (draft-ietf-opsawg-pcapng, 4.3). */
const enhancedPacketBlock = 6

/** What the data flow segment has to know. @throws {SluiceError} `ERR_SLUICE_CAPTURE` */
export function captureOrder(
  { port, client, snapLength = longestFrame }: CaptureOptions,
  ports: readonly ResolvedPort[],
  server: ResolvedVirtualServer | undefined,
): NativeCaptureOrder {
  const index = ports.findIndex(({ name }) => name === port)
  if (port !== undefined && index < 0) {
    const names = ports.map(({ name }) => name).join(', ')
    throw refused(`There is no port named ${port}.`, `Take one of: ${names}.`)
  }
  if (client !== undefined && !parseAddress(client)) {
    throw refused(`${client} is no IP address.`, 'Write it without a port: 192.0.2.10.')
  }
  return {
    ports: port === undefined ? 0xffff_ffff : 1 << index,
    mostBytes: snapLength,
    host: client ?? '',
    address: server?.listen.address ?? '',
    l4Port: server?.listen.port ?? 0,
    protocol: server ? protocolNumber(server.protocol, server.listen.family) : 0,
  }
}

export class Captures {
  readonly #segment: NativeSegment
  /** Of the one that is at work. */
  #ending: AbortController | undefined

  constructor(segment: NativeSegment) {
    this.#segment = segment
  }

  /**
   * A stream that is a file when it has ended. What it is not read fast enough for is lost, and
   * counted in it. @throws {SluiceError} `ERR_SLUICE_BUSY`
   */
  async open(
    order: NativeCaptureOrder,
    count = Number.POSITIVE_INFINITY,
  ): Promise<ReadableStream<Uint8Array>> {
    if (this.#ending) throw busy()
    const ending = new AbortController()
    this.#ending = ending
    const blocks = this.#blocks(await this.#begin(order), count, ending)
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const { done, value } = await blocks.next()
          if (done) controller.close()
          else controller.enqueue(value)
        },
        cancel: () => {
          ending.abort()
          this.#end(ending)
        },
      },
      { highWaterMark: 0 },
    )
  }

  /** Ends the one that is at work in good order. False where there is none. */
  stop(): boolean {
    this.#ending?.abort()
    return this.#ending !== undefined
  }

  async #begin(order: NativeCaptureOrder): Promise<Uint8Array> {
    for (let waited = 0; waited < beginPatienceMs; waited++) {
      const head = this.#segment.startCapture(order)
      if (head) return head
      await delay(1)
    }
    this.#ending = undefined
    throw busy()
  }

  async *#blocks(head: Uint8Array, count: number, ending: AbortController) {
    const ended = ending.signal
    const room = Buffer.allocUnsafe(chunkBytes)
    let left = count
    try {
      yield head
      while (left > 0) {
        if (ended.aborted) this.#segment.stopCapture()
        const filled = this.#segment.drainCapture(room)
        const { end, frames } = cut(room.subarray(0, filled), left)
        left -= frames
        if (filled > 0) yield Uint8Array.from(room.subarray(0, end))
        else if (ended.aborted) break
        else await delay(lookMs, undefined, { signal: ended }).catch(() => {})
      }
      yield this.#segment.stopCapture()
    } finally {
      this.#end(ending)
    }
  }

  /** Where it has not ended, and another begun, already. */
  #end(ending: AbortController): void {
    if (this.#ending !== ending) return
    this.#segment.stopCapture()
    this.#ending = undefined
  }
}

/** As many of some whole blocks as have so many frames. */
function cut(blocks: Buffer, most: number): { end: number; frames: number } {
  let [end, frames] = [0, 0]
  while (end < blocks.length && frames < most) {
    if (blocks.readUInt32LE(end) === enhancedPacketBlock) frames++
    end += blocks.readUInt32LE(end + 4)
  }
  return { end, frames }
}

function refused(sentence: string, remedy: string): SluiceError {
  return new SluiceError('ERR_SLUICE_CAPTURE', sentence, remedy)
}

function busy(): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_BUSY',
    'Somebody captures already, and there is one capture at a time.',
    'Wait for its end, or end it: DELETE /api/v1/capture.',
  )
}
