/** So many bytes that pass without JavaScript, in one direction or in both together. */
import { closed, wrongCount, wrongState } from './errors.js'
import { lineOf, type Socket } from './socket.js'
import type { Boundary, Direction } from './types.js'

const most = 2n ** 64n - 1n

/** What a service has of a socket's bytes, or had passed on: what waits to be read is not among it. */
export function positionOf(socket: Socket): bigint {
  return BigInt(socket.bytesRead - socket.readableLength)
}

export class Count {
  readonly direction: Direction
  readonly #bytes: bigint
  readonly #inbound: Socket
  readonly #outbound: Socket
  #start = 0n

  /** @throws {SluiceError} `ERR_SLUICE_BYTE_COUNT` */
  constructor(bytes: number | bigint, direction: Direction, inbound: Socket, outbound: Socket) {
    const isCount = typeof bytes === 'bigint' || Number.isSafeInteger(bytes)
    if (!isCount || bytes < 1 || bytes > most) throw wrongCount(bytes)
    this.#bytes = BigInt(bytes)
    this.direction = direction
    this.#inbound = inbound
    this.#outbound = outbound
    this.begin()
  }

  /** From here on they are counted. @param counted those that are already */
  begin(counted = 0n): void {
    this.#start = this.#position - counted
  }

  get passed(): bigint {
    return this.#position - this.#start
  }

  get left(): bigint {
    return this.#bytes - this.passed
  }

  get isReached(): boolean {
    return this.left <= 0n
  }

  get boundary(): Boundary {
    return { c2s: positionOf(this.#inbound), s2c: positionOf(this.#outbound) }
  }

  /** Sources that are counted, each with where its bytes go. */
  get courses(): (readonly [source: Socket, target: Socket])[] {
    const [there, back] = [
      [this.#inbound, this.#outbound],
      [this.#outbound, this.#inbound],
    ] as const
    if (this.direction === 'both') return [there, back]
    return [this.direction === 'c2s' ? there : back]
  }

  /** A side has ended, or is over. */
  get isEnded(): boolean {
    const sides = [this.#inbound, this.#outbound]
    return sides.some((socket) => socket[lineOf].isOver || socket[lineOf].hasPeerEnded)
  }

  /** Why it is not reached, and will not be. */
  failure(isEnded = this.isEnded): Error {
    const { passed } = this
    return isEnded
      ? closed(`The pair ended behind ${passed} of ${this.#bytes} bytes.`, passed)
      : wrongState(
          `The bytes were taken back behind ${passed} of ${this.#bytes}.`,
          'Leave the pair to unproxyUntil() for so long.',
          passed,
        )
  }

  get #position(): bigint {
    return this.courses.reduce((sum, [source]) => sum + positionOf(source), 0n)
  }
}
