/** One request and its answer, over a pair of a client's socket and a server's. */
import type { SocketPair } from '../socket/pair.js'
import { BadMessage } from './bad-message.js'
import { BodyPassage } from './bodies.js'
import { type AnswerHead, forwarded, type RequestHead, readAnswer } from './head.js'
import type { ServerSide } from './server-side.js'
import type { StreamReader } from './stream-reader.js'

export interface ExchangeLimits {
  readonly maxHeadBytes: number
  /** Of silence of the server, from the end of the request until its head. */
  readonly answerTimeoutMs: number
  /** Of silence of both sides, while a message is passed on. */
  readonly bodyTimeoutMs: number
}

/** What became of it. */
export interface Exchanged {
  /** Whether the client's connection may go on. */
  readonly client: 'keep' | 'close' | 'tunnel'
  /** Whether another request may follow on the server's. */
  readonly isReusable: boolean
}

/** The server was gone before it said anything. */
export class ServerGone extends Error {}

const mostInterim = 16

const noAnswer = () => new BadMessage(504, 'no answer')
const ignore = () => {}

export class Exchange {
  /** Of the answer, a byte has gone to the client; one that is not the last may be followed by any other. */
  hasAnswered = false
  readonly #server: ServerSide
  readonly #pair: SocketPair
  readonly #request: RequestHead
  readonly #inbound: StreamReader
  readonly #outbound: StreamReader
  readonly #limits: ExchangeLimits
  /** Of what goes to the server, behind a head. */
  readonly #sending: AbortController | undefined
  #isSent = false
  /** The request is with the server, as far as it will ever be. */
  #isGiven = false
  #awaitsHead = true
  /** The client knows that its body is wanted. */
  #isContinued: boolean

  constructor(
    server: ServerSide,
    request: RequestHead,
    inbound: StreamReader,
    limits: ExchangeLimits,
  ) {
    this.#server = server
    this.#pair = server.pair
    this.#request = request
    this.#isContinued = !request.expectsContinue
    this.#sending = request.framing.kind === 'none' ? undefined : new AbortController()
    this.#inbound = inbound
    this.#outbound = server.reader
    this.#limits = limits
  }

  /** @throws {BadMessage}, `ServerGone`, and what ends a side */
  async run(): Promise<Exchanged> {
    const sent = this.#send()
    sent.then(
      () => this.#given(true),
      () => this.#given(false),
    )
    if (this.#sending) return this.#beside(sent, this.#sending)
    return this.#outcome(await this.#receive(), sent)
  }

  /** What the client has wrong ends it at once; a server that reads no more may still answer. */
  async #beside(sent: Promise<void>, sending: AbortController): Promise<Exchanged> {
    const { outbound } = this.#pair
    const stop = () => sending.abort()
    const wrong = new Promise<never>((_, reject) => {
      sent.catch((error) => error instanceof BadMessage && reject(this.#blamed(error)))
    })
    outbound.once('close', stop)
    try {
      return await this.#outcome(await Promise.race([this.#receive(), wrong]), sent)
    } finally {
      outbound.off('close', stop)
    }
  }

  /** The answer is awaited from now on: as long as bytes go, it is they that say whether it goes on. */
  #given(isSent: boolean): void {
    this.#isSent = isSent
    this.#isGiven = true
    if (this.#awaitsHead) this.#outbound.limit(this.#limits.answerTimeoutMs, noAnswer)
  }

  /** Who waits for 100 is not late. */
  #blamed(error: BadMessage): BadMessage {
    return error.status === 408 && !this.#isContinued ? noAnswer() : error
  }

  #send(): Promise<void> {
    const { method, target, minor, upgrade, framing } = this.#request
    const line = `${method} ${target} HTTP/1.${minor}`
    const isLast = minor === 0 ? undefined : 'keep-alive'
    const head = forwarded(line, this.#request, upgrade ? 'upgrade' : isLast)
    const body = new BodyPassage(this.#server, {
      ...{ direction: 'c2s', reader: this.#inbound, timeoutMs: this.#limits.bodyTimeoutMs },
      signal: this.#sending?.signal,
    })
    return body.pass(head, framing)
  }

  /** Resolves when all of the answer is on its way, or a tunnel begins. */
  async #receive(): Promise<AnswerHead> {
    const answer = await this.#answer()
    if (answer.status !== 101) await this.#passAnswer(answer)
    return answer
  }

  /** What comes before the last head is passed on as it is. */
  async #answer(): Promise<AnswerHead> {
    const { inbound } = this.#pair
    for (let interim = 0; interim < mostInterim; interim++) {
      const answer = await this.#readAnswer()
      const isSwitch = answer.status === 101
      const isAsked = this.#request.upgrade && answer.upgrade
      if (isSwitch && !isAsked) throw new BadMessage(502, '101 unasked')
      if (answer.status >= 200) return answer
      this.#isContinued ||= answer.status === 100
      this.hasAnswered = isSwitch
      // HTTP/1.0 has none (RFC 9110 15.2).
      if (this.#request.minor === 1) {
        inbound.write(forwarded(lineOf(answer), answer, isSwitch ? 'upgrade' : undefined), 'latin1')
      }
      if (isSwitch) return answer
    }
    throw new BadMessage(502, 'too many interim answers')
  }

  async #readAnswer(): Promise<AnswerHead> {
    const { answerTimeoutMs, maxHeadBytes } = this.#limits
    this.#awaitsHead = true
    try {
      if (this.#isGiven) this.#outbound.limit(answerTimeoutMs, noAnswer)
      const text = await this.#outbound.head(maxHeadBytes)
      this.#outbound.noLimit()
      if (text === undefined) throw new ServerGone()
      return readAnswer(text, this.#request.method)
    } catch (error) {
      // Whatever is wrong with it, the client has no part in that.
      const isBad = error instanceof BadMessage && error.status !== 504
      throw isBad ? new BadMessage(502, error.message) : error
    } finally {
      this.#awaitsHead = false
    }
  }

  async #passAnswer(answer: AnswerHead): Promise<void> {
    this.hasAnswered = true
    const connection = this.#isLast(answer) ? 'close' : undefined
    const { bodyTimeoutMs: timeoutMs } = this.#limits
    const course = { direction: 's2c', reader: this.#outbound, timeoutMs } as const
    const passage = new BodyPassage(this.#server, course)
    await passage.pass(forwarded(lineOf(answer), answer, connection), answer.framing)
  }

  /** The client is told that nothing follows. */
  #isLast({ framing }: AnswerHead): boolean {
    const { persistent, expectsContinue } = this.#request
    // A body that waited for 100, and got something else, may come or not.
    const isUnknown = expectsContinue && !this.#isSent
    return !persistent || framing.kind === 'close' || isUnknown
  }

  async #outcome(answer: AnswerHead, sent: Promise<void>): Promise<Exchanged> {
    if (answer.status === 101) return { client: 'tunnel', isReusable: false }
    const isLast = this.#isLast(answer)
    // The server has answered before it had all: it may read the rest, or not.
    if (!this.#isSent && !isLast) await sent.catch(ignore)
    const isWhole = this.#isSent
    const isReusable = isWhole && answer.persistent && this.#request.minor === 1
    return { client: isLast || !isWhole ? 'close' : 'keep', isReusable }
  }
}

/** An intermediary speaks for itself (RFC 9110 2.5): what is left of an answer of HTTP/1.0 is its length. */
function lineOf({ line }: AnswerHead): string {
  return line.replace(/^HTTP\/1\.0/, 'HTTP/1.1')
}
