/**
 * Passes bodies from one socket of a pair to the other: what is large by the engine, counted, what is
 * small through JavaScript, which is sooner done than asking.
 */
import type { SluiceError } from '../errors.js'
import type { Socket } from '../socket/socket.js'
import { BadMessage } from './bad-message.js'
import type { Framing } from './head.js'
import type { ServerSide } from './server-side.js'
import type { StreamReader } from './stream-reader.js'

/** From so many bytes on the engine passes them. */
const leastCounted = 65_536
const mostSizeLine = 1024
const mostTrailers = 8192
const sizeLine = /^([\da-f]{1,13})(?:;[\t\x20-\x7e\x80-\xff]*)?$/i
const everything = 2n ** 64n - 1n

export interface BodyCourse {
  readonly direction: 'c2s' | 's2c'
  /** Of its source. */
  readonly reader: StreamReader
  /** Of silence of both sides. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

export class BodyPassage {
  readonly #server: ServerSide
  readonly #course: BodyCourse
  readonly #reader: StreamReader
  readonly #target: Socket
  #mayCount = true

  constructor(server: ServerSide, course: BodyCourse) {
    const { inbound, outbound } = server.pair
    this.#server = server
    this.#course = course
    this.#reader = course.reader
    this.#target = course.direction === 'c2s' ? outbound : inbound
  }

  /** Resolves when a head and what follows it are on their way: in one write where all of it has come.
   *  @throws {BadMessage}, and what ends a side */
  async pass(head: string, framing: Framing): Promise<void> {
    const whole = framing.kind === 'length' && framing.bytes < leastCounted
    const body = whole ? this.#reader.takeWhole(framing.bytes) : undefined
    const written = this.#write(body ? joined(head, body) : head)
    const isAll = body !== undefined || framing.kind === 'none'
    if (isAll && !written) return
    const passing = isAll ? written : this.#passBehind(framing, written)
    const { progress } = this.#server
    await progress.watch(Promise.resolve(passing), this.#course.timeoutMs, () => this.#late())
  }

  /** What its target has not taken makes that the one that is late. */
  async #late(): Promise<Error> {
    const target = this.#target
    const told = target.info().then(
      ({ sndBuf }) => sndBuf.used > 0,
      () => true,
    )
    const isTargets = target.writableLength > 0 || (await told)
    const isClients = (this.#course.direction === 'c2s') !== isTargets
    return isClients
      ? new BadMessage(408, 'the client is late')
      : new BadMessage(504, 'the server is late')
  }

  async #passBehind(framing: Framing, written: Promise<void> | undefined): Promise<void> {
    if (written) await written
    if (framing.kind === 'length') await this.#pass(framing.bytes)
    if (framing.kind === 'chunked') await this.#passChunks()
    if (framing.kind === 'close') await this.#passAll()
  }

  async #pass(bytes: number): Promise<void> {
    let left = bytes - (await this.#passRest(bytes))
    while (left > 0) {
      if (left >= leastCounted && (await this.#count(left))) return
      const chunk = await this.#reader.some(left)
      if (!chunk) throw new BadMessage(502, 'the body is cut off')
      left -= chunk.length
      await this.#write(chunk)
    }
  }

  /** What the engine does not have any more. */
  async #passRest(most: number): Promise<number> {
    if (!this.#reader.hasRest) return 0
    const rest = await this.#reader.some(most)
    if (rest) await this.#write(rest)
    return rest?.length ?? 0
  }

  async #passChunks(): Promise<void> {
    for (;;) {
      const line = await this.#reader.line(mostSizeLine)
      const match = sizeLine.exec(line)
      if (!match) throw new BadMessage(400, 'the size of a chunk')
      const size = Number.parseInt(match[1], 16)
      await this.#write(`${line}\r\n`)
      if (size === 0) break
      await this.#pass(size)
      if ((await this.#reader.line(0)) !== '') throw new BadMessage(400, 'a chunk')
      await this.#write('\r\n')
    }
    let left = mostTrailers
    for (let line = ' '; line !== ''; left -= line.length + 2) {
      line = await this.#reader.line(left)
      if (line !== '' && !/^[!#$%&'*+.^_`|~\w-]+:[\t\x20-\x7e\x80-\xff]*$/.test(line)) {
        throw new BadMessage(400, 'a trailer')
      }
      await this.#write(`${line}\r\n`)
    }
  }

  /** Until its source ends, which has to be an end and no reset. */
  async #passAll(): Promise<void> {
    const source = this.#reader.socket
    await this.#passRest(Number.POSITIVE_INFINITY)
    const isCounted = await this.#count(everything).catch((error) => {
      const isEnd = error.code === 'ERR_SLUICE_CLOSED'
      if (!isEnd || source.errored || this.#target.destroyed) throw error
      return true
    })
    if (isCounted) return
    for (;;) {
      const chunk = await this.#reader.some(leastCounted)
      if (!chunk) break
      await this.#write(chunk)
    }
    if (source.errored) throw source.errored
  }

  /** False where the engine cannot: the two sockets are with two workers. */
  async #count(bytes: number | bigint): Promise<boolean> {
    if (!this.#mayCount) return false
    const { direction, signal } = this.#course
    try {
      await this.#server.pair.unproxyUntil({ bytes, direction, other: 'proxied', signal })
      return true
    } catch (error) {
      const { code, passed } = error as SluiceError
      this.#mayCount = code !== 'ERR_SLUICE_STATE' || passed !== undefined
      if (this.#mayCount) throw error
      return false
    }
  }

  /** Nothing to wait for where there is room. @throws where nobody is there */
  #write(chunk: Buffer | string): Promise<void> | undefined {
    const target = this.#target
    if (target.destroyed) throw new Error('nobody takes the body')
    if (target.write(chunk, 'latin1')) return undefined
    return new Promise<void>((resolve) => {
      const done = () => {
        target.off('drain', done)
        target.off('close', done)
        resolve()
      }
      target.on('drain', done)
      target.on('close', done)
    })
  }
}

function joined(head: string, body: Buffer): Buffer {
  const message = Buffer.allocUnsafe(head.length + body.length)
  message.write(head, 'latin1')
  message.set(body, head.length)
  return message
}
