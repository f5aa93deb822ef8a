/** One request and its answer, over a pair of a client's socket and a server's. */
import type { SocketPair } from '../socket/pair.js'
import { BadMessage } from './bad-message.js'
import { BodyPassage } from './bodies.js'
import { type AnswerHead, forwarded, type RequestHead, readAnswer } from './head.js'
import type { ServerSide } from './server-side.js'
import type { StreamReader } from './stream-reader.js'

export interface ExchangeLimits {
  readonly maxHeadBytes: number
  /** Of silence of the server, until its head. */
  readonly answerTimeoutMs: number
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
  /** Of the answer, a byte has gone to the client. */
  hasAnswered = false
  readonly #pair: SocketPair
  readonly #request: RequestHead
  readonly #inbound: StreamReader
  readonly #outbound: StreamReader
  readonly #limits: ExchangeLimits
  /** Of what goes to the server, behind a head. */
  readonly #sending: AbortController | undefined
  #isSent = false

  constructor(
    { pair, reader }: ServerSide,
    request: RequestHead,
    inbound: StreamReader,
    limits: ExchangeLimits,
  ) {
    this.#pair = pair
    this.#request = request
    this.#sending = request.framing.kind === 'none' ? undefined : new AbortController()
    this.#inbound = inbound
    this.#outbound = reader
    this.#limits = limits
  }

  /** @throws {BadMessage}, `ServerGone`, and what ends a side */
  async run(): Promise<Exchanged> {
    const sent = this.#send()
    sent.then(() => {
      this.#isSent = true
    }, ignore)
    const answer = await (this.#sending ? this.#beside(sent, this.#sending) : this.#receive())
    if (answer.status === 101) return { client: 'tunnel', isReusable: false }
    return this.#outcome(answer, sent)
  }

  /** What the client has wrong ends it at once; a server that reads no more may still answer. */
  async #beside(sent: Promise<void>, sending: AbortController): Promise<AnswerHead> {
    const { outbound } = this.#pair
    const stop = () => sending.abort()
    const wrong = new Promise<never>((_, reject) => {
      sent.catch((error) => error instanceof BadMessage && reject(error))
    })
    outbound.once('close', stop)
    try {
      return await Promise.race([this.#receive(), wrong])
    } finally {
      outbound.off('close', stop)
    }
  }

  #send(): Promise<void> {
    const { method, target, minor, upgrade, framing } = this.#request
    const line = `${method} ${target} HTTP/1.${minor}`
    const isLast = minor === 0 ? undefined : 'keep-alive'
    const head = forwarded(line, this.#request, upgrade ? 'upgrade' : isLast)
    const body = new BodyPassage(this.#pair, 'c2s', this.#inbound, this.#sending?.signal)
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
      if (isSwitch && !this.#request.upgrade) throw new BadMessage(502, '101 unasked')
      if (answer.status >= 200) return answer
      // HTTP/1.0 has none (RFC 9110 15.2).
      if (this.#request.minor === 1) {
        this.hasAnswered = true
        inbound.write(forwarded(lineOf(answer), answer, isSwitch ? 'upgrade' : undefined), 'latin1')
      }
      if (isSwitch) return answer
    }
    throw new BadMessage(502, 'too many interim answers')
  }

  async #readAnswer(): Promise<AnswerHead> {
    const { answerTimeoutMs, maxHeadBytes } = this.#limits
    try {
      this.#outbound.limit(answerTimeoutMs, noAnswer)
      const text = await this.#outbound.head(maxHeadBytes)
      this.#outbound.noLimit()
      if (text === undefined) throw new ServerGone()
      return readAnswer(text, this.#request.method)
    } catch (error) {
      // Whatever is wrong with it, the client has no part in that.
      const isBad = error instanceof BadMessage && error.status !== 504
      throw isBad ? new BadMessage(502, error.message) : error
    }
  }

  async #passAnswer(answer: AnswerHead): Promise<void> {
    this.hasAnswered = true
    const connection = this.#isLast(answer) ? 'close' : undefined
    const passage = new BodyPassage(this.#pair, 's2c', this.#outbound)
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
    const isLast = this.#isLast(answer)
    if (!this.#isSent && !isLast) {
      // The server has answered before it had all: it may read the rest, or not.
      const { answerTimeoutMs } = this.#limits
      const late = setTimeout(() => this.#sending?.abort(), answerTimeoutMs)
      this.#inbound.limit(answerTimeoutMs, () => new Error('too late'))
      await sent.catch(ignore)
      this.#inbound.noLimit()
      clearTimeout(late)
    }
    const isWhole = this.#isSent
    const isReusable = isWhole && answer.persistent && this.#request.minor === 1
    return { client: isLast || !isWhole ? 'close' : 'keep', isReusable }
  }
}

/** An intermediary speaks for itself (RFC 9110 2.5): what is left of an answer of HTTP/1.0 is its length. */
function lineOf({ line }: AnswerHead): string {
  return line.replace(/^HTTP\/1\.0/, 'HTTP/1.1')
}
