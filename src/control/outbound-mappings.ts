/**
 * Which endpoint of ours stands for an endpoint inside, whatever that one sends to outside
 * (endpoint-independent mapping: RFC 4787, REQ-1; RFC 5382, REQ-1). A mapping lasts as long as any
 * session has it. Records of fixed size in one typed array: nothing is made for a session that comes.
 */
import type { FlowView } from './flow-table.js'
import { HashIndex } from './hash-index.js'
import { sameSession, setDestination, signatureWords } from './signature.js'
import { SignatureHash } from './signature-hash.js'
import { noSource, type SourceEndpoint } from './source-endpoint.js'

/** Behind the signature of a packet from inside to nowhere. */
const Word = { source: signatureWords, sessions: signatureWords + 1 } as const
const recordWords = signatureWords + 2
const firstRecords = 256

const nowhere = new Int32Array(4)

export class OutboundMappings {
  readonly #index = new HashIndex()
  readonly #hash = new SignatureHash()
  readonly #key = new Int32Array(signatureWords)
  #records = new Int32Array(firstRecords * recordWords)
  #free: number[] = []
  #used = 0

  /** Mappings that there are. */
  get size(): number {
    return this.#index.size
  }

  /** Gives a session the mapping that its endpoint has; noSource where it has none that is meant. */
  join(session: FlowView, isMeant: (source: SourceEndpoint) => boolean): SourceEndpoint {
    const record = this.#find(session, isMeant)
    if (record < 0) return noSource
    this.#records[record + Word.sessions]++
    return this.#records[record + Word.source]
  }

  /** A mapping that its endpoint did not have, of which the session is the first one. */
  enter(session: FlowView, source: SourceEndpoint): void {
    const number = this.#free.pop() ?? this.#extend()
    const at = number * recordWords
    const hash = this.#write(session)
    this.#records.set(this.#key, at)
    this.#records[at + Word.source] = source
    this.#records[at + Word.sessions] = 1
    this.#index.insert(hash, number)
  }

  /** Takes it from a session that goes. @returns whether it was the last one */
  leave(session: FlowView): boolean {
    const at = this.#find(session, (source) => source === session.source)
    if (--this.#records[at + Word.sessions] > 0) return false
    const number = at / recordWords
    this.#index.remove(this.#write(session), number)
    this.#free.push(number)
    return true
  }

  /** Where the record begins; below 0 where there is none. */
  #find(session: FlowView, isMeant: (source: SourceEndpoint) => boolean): number {
    const [index, records] = [this.#index, this.#records]
    let slot = index.first(this.#write(session))
    for (let number = index.number(slot); number >= 0; number = index.number(slot)) {
      const at = number * recordWords
      if (sameSession(records, at, this.#key) && isMeant(records[at + Word.source])) return at
      slot = index.after(slot)
    }
    return -1
  }

  /** Fills in #key. @returns its hash */
  #write({ words, signatureAt }: FlowView): number {
    for (let i = 0; i < signatureWords; i++) this.#key[i] = words[signatureAt + i]
    setDestination(this.#key, nowhere, 0)
    return this.#hash.of(this.#key)
  }

  #extend(): number {
    if ((this.#used + 1) * recordWords > this.#records.length) {
      const records = new Int32Array(2 * this.#records.length)
      records.set(this.#records)
      this.#records = records
    }
    return this.#used++
  }
}
