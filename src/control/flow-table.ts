/**
 * The memory of the ledger: records of fixed size in typed arrays, by number. Nothing is made for a
 * flow that comes, nothing is left for the garbage collector when it goes, and a million of them are
 * a few hundred objects to it.
 */
import type { Node } from './node.js'
import { signatureWords } from './signature.js'
import { TrafficTotals } from './traffic.js'
import type { VirtualServer } from './virtual-server.js'

/** Number of a record: of a flow, and of the session that this flow began. */
export type FlowId = number
export const noFlow = -1

/**
 * - `free`: no record, or one of a flow that began no session.
 * - `deciding`: no node yet; its flows wait.
 * - `open`: it has flows.
 * - `dormant`: its flows were evicted for lack of room, the conversation may go on.
 */
export const SessionState = { free: 0, deciding: 1, open: 2, dormant: 3 } as const
export type SessionState = (typeof SessionState)[keyof typeof SessionState]

export const FlowFlags = {
  /** The data flow segment has this flow. */
  live: 1,
  outbound: 2,
  /** Its first packet was in the middle of a session that is known. */
  resumes: 4,
  /** It began with a packet of the server: its `in` is the session's `out`. */
  fromServer: 8,
  /** Of a session: another one has its signature now. */
  replaced: 16,
  /** The data flow segment was asked whether it still has this flow (REAP). */
  asked: 32,
  /** Of a session: its server's packets come from the address that its client knows. */
  keepsAddress: 64,
  /** Of a session: and from the L4 port. */
  keepsPort: 128,
  /** Of a session: it is found by what its server sends. */
  answers: 256,
  /** Of a session: neither end remembers the connection (RFC 9293 3.6). */
  closed: 512,
  /** It passes between stations of the bridge, unless its session has a node. */
  bridged: 1024,
  /** Its first decision could not be carried out: another flow had what its server would send. */
  another: 2048,
} as const
const stateMask = 0xf
const flagsShift = 4
/** Of the word of the state: the turn of the reaper in which something was heard of the flow. */
const heardShift = 16
const turnMask = 0xffff

/** Places of the words of a record, behind those of its signature. */
const Word = { serial: 10, hash: 11, session: 12, next: 13, sequence: 14, state: 15 } as const
/** Places of its 64-bit numbers, behind the words. */
const Num = {
  opened: 8,
  active: 9,
  recentSince: 10,
  recentBytes: 11,
  totals: 12,
  sessionTotals: 16,
} as const
const numbersOfRecord = 20
const wordsOfRecord = 2 * numbersOfRecord

const chunkBits = 12
const chunkRecords = 1 << chunkBits

interface Chunk {
  readonly words: Int32Array
  readonly numbers: Float64Array
  readonly sources: Int32Array
  readonly seen: Uint16Array
  readonly nodes: (Node | null)[]
  readonly servers: (VirtualServer | null)[]
}

function makeChunk(): Chunk {
  const memory = new ArrayBuffer(chunkRecords * wordsOfRecord * 4)
  return {
    words: new Int32Array(memory),
    numbers: new Float64Array(memory),
    sources: new Int32Array(chunkRecords),
    seen: new Uint16Array(chunkRecords),
    nodes: new Array(chunkRecords).fill(null),
    servers: new Array(chunkRecords).fill(null),
  }
}

export class FlowTable {
  readonly #chunks: Chunk[] = []
  readonly #view: FlowView
  #free: FlowId = noFlow
  #used = 0

  constructor() {
    this.#view = new FlowView(this.#chunks)
  }

  /** A view of its own for whoever looks at two records at once. */
  view(): FlowView {
    return new FlowView(this.#chunks)
  }

  /** A record, all of it zero but for node and server, which are null. */
  allocate(): FlowId {
    if (this.#free === noFlow) return this.#extend()
    const id = this.#free
    this.#free = this.#view.at(id).next
    this.#view.clear()
    return id
  }

  release(id: FlowId): void {
    this.#view.at(id).clear()
    this.#view.next = this.#free
    this.#free = id
  }

  /** The records that are sessions. */
  *sessions(): Generator<FlowId> {
    const view = this.view()
    for (let id = 0; id < this.#used; id++) {
      if (view.at(id).state !== SessionState.free) yield id
    }
  }

  /** Every record that was ever used has a number below this. */
  get size(): number {
    return this.#used
  }

  /**
   * The first flow from `from` on, below `end`, that was not asked about, and of which nothing was
   * heard in `turns` turns before this one; `end` where there is none.
   */
  firstSilent(from: FlowId, end: FlowId, turn: number, turns: number): FlowId {
    const { live, asked } = FlowFlags
    for (let id = from; id < end; id++) {
      const { words } = this.#chunks[id >>> chunkBits]
      const word = words[(id & (chunkRecords - 1)) * wordsOfRecord + Word.state]
      const isSilent = ((turn - (word >>> heardShift)) & turnMask) > turns
      if (isSilent && ((word >>> flagsShift) & (live | asked)) === live) return id
    }
    return end
  }

  #extend(): FlowId {
    if (this.#used === this.#chunks.length << chunkBits) this.#chunks.push(makeChunk())
    return this.#used++
  }
}

/** Reads and writes one record in place; move it by `at()`. */
export class FlowView {
  readonly #chunks: readonly Chunk[]
  // Nothing is read before at(), for which there is a chunk.
  #chunk = undefined as unknown as Chunk
  #index = 0
  #word = 0
  #num = 0
  id: FlowId = noFlow

  constructor(chunks: readonly Chunk[]) {
    this.#chunks = chunks
  }

  at(id: FlowId): this {
    this.id = id
    this.#chunk = this.#chunks[id >>> chunkBits]
    this.#index = id & (chunkRecords - 1)
    this.#word = this.#index * wordsOfRecord
    this.#num = this.#index * numbersOfRecord
    return this
  }

  clear(): void {
    const { words, sources, seen, nodes, servers } = this.#chunk
    words.fill(0, this.#word, this.#word + wordsOfRecord)
    sources[this.#index] = 0
    seen[this.#index] = 0
    nodes[this.#index] = null
    servers[this.#index] = null
  }

  /** The words in which the signature of the packet that asked stands, from `signatureAt` on. */
  get words(): Int32Array {
    return this.#chunk.words
  }
  get signatureAt(): number {
    return this.#word
  }
  set signature(words: Int32Array) {
    for (let i = 0; i < signatureWords; i++) this.#chunk.words[this.#word + i] = words[i]
  }

  get serial(): number {
    return this.#chunk.words[this.#word + Word.serial]
  }
  set serial(value: number) {
    this.#chunk.words[this.#word + Word.serial] = value
  }
  /** Of the signature. */
  get hash(): number {
    return this.#chunk.words[this.#word + Word.hash]
  }
  set hash(value: number) {
    this.#chunk.words[this.#word + Word.hash] = value
  }
  /** The session that the flow belongs to. */
  get session(): FlowId {
    return this.#chunk.words[this.#word + Word.session]
  }
  set session(value: FlowId) {
    this.#chunk.words[this.#word + Word.session] = value
  }
  /** The next flow of the same session, from that which began it on; noFlow behind the last. */
  get next(): FlowId {
    return this.#chunk.words[this.#word + Word.next]
  }
  set next(value: FlowId) {
    this.#chunk.words[this.#word + Word.next] = value
  }
  /** Of the SYN, signed: tells a repeated SYN from a new session. */
  get sequence(): number {
    return this.#chunk.words[this.#word + Word.sequence]
  }
  set sequence(value: number) {
    this.#chunk.words[this.#word + Word.sequence] = value
  }
  get state(): SessionState {
    return (this.#chunk.words[this.#word + Word.state] & stateMask) as SessionState
  }
  set state(value: SessionState) {
    const { words } = this.#chunk
    const at = this.#word + Word.state
    words[at] = (words[at] & ~stateMask) | value
  }
  /** Any of FlowFlags. */
  has(flag: number): boolean {
    return (this.#chunk.words[this.#word + Word.state] & (flag << flagsShift)) !== 0
  }
  raise(flag: number): void {
    this.#chunk.words[this.#word + Word.state] |= flag << flagsShift
  }
  lower(flag: number): void {
    this.#chunk.words[this.#word + Word.state] &= ~(flag << flagsShift)
  }
  /** Something was heard of the flow in this turn of the reaper; it is not asked about any more. */
  hear(turn: number): void {
    const { words } = this.#chunk
    const at = this.#word + Word.state
    const others = words[at] & turnMask & ~(FlowFlags.asked << flagsShift)
    words[at] = others | (turn << heardShift)
  }

  /** Where the packets of the session go; null while deciding, and where they are only routed. */
  get node(): Node | null {
    return this.#chunk.nodes[this.#index]
  }
  set node(value: Node | null) {
    this.#chunk.nodes[this.#index] = value
  }
  /** Where its packets leave from; 0: from the client's endpoint. See source-addresses.ts. */
  get source(): number {
    return this.#chunk.sources[this.#index]
  }
  set source(value: number) {
    this.#chunk.sources[this.#index] = value
  }
  /** Of a session: what was seen of it, a bit for each category (flow-events.ts). */
  get seen(): number {
    return this.#chunk.seen[this.#index]
  }
  set seen(value: number) {
    this.#chunk.seen[this.#index] = value
  }
  /** Null where no virtual server takes the session. */
  get server(): VirtualServer | null {
    return this.#chunk.servers[this.#index]
  }
  set server(value: VirtualServer | null) {
    this.#chunk.servers[this.#index] = value
  }

  /** Of the session, in milliseconds since 1970. */
  get openedAt(): number {
    return this.#chunk.numbers[this.#num + Num.opened]
  }
  set openedAt(value: number) {
    this.#chunk.numbers[this.#num + Num.opened] = value
  }
  /** Of the session, in milliseconds since 1970, as told by the data flow segment. */
  get lastActiveAt(): number {
    return this.#chunk.numbers[this.#num + Num.active]
  }
  set lastActiveAt(value: number) {
    this.#chunk.numbers[this.#num + Num.active] = value
  }
  /** Bytes of the session since the statistics before the last ones, which were then. */
  get recentBytes(): number {
    return this.#chunk.numbers[this.#num + Num.recentBytes]
  }
  set recentBytes(value: number) {
    this.#chunk.numbers[this.#num + Num.recentBytes] = value
  }
  get recentSince(): number {
    return this.#chunk.numbers[this.#num + Num.recentSince]
  }
  set recentSince(value: number) {
    this.#chunk.numbers[this.#num + Num.recentSince] = value
  }

  /** Another flow begins in the record of its session. */
  beginFlow(): void {
    this.lower(FlowFlags.outbound | FlowFlags.resumes | FlowFlags.bridged | FlowFlags.another)
    this.#chunk.numbers.fill(0, this.#num + Num.totals, this.#num + Num.sessionTotals)
  }

  /** Takes the totals of the flow since its start; `more` becomes what is new in them. */
  count(totals: Readonly<TrafficTotals>, more: TrafficTotals): void {
    const { numbers } = this.#chunk
    const at = this.#num + Num.totals
    more.packetsIn = totals.packetsIn - numbers[at]
    more.bytesIn = totals.bytesIn - numbers[at + 1]
    more.packetsOut = totals.packetsOut - numbers[at + 2]
    more.bytesOut = totals.bytesOut - numbers[at + 3]
    numbers[at] = totals.packetsIn
    numbers[at + 1] = totals.bytesIn
    numbers[at + 2] = totals.packetsOut
    numbers[at + 3] = totals.bytesOut
  }

  /** Adds to the totals of the session. */
  add(more: Readonly<TrafficTotals>): void {
    const { numbers } = this.#chunk
    const at = this.#num + Num.sessionTotals
    numbers[at] += more.packetsIn
    numbers[at + 1] += more.bytesIn
    numbers[at + 2] += more.packetsOut
    numbers[at + 3] += more.bytesOut
  }

  /** The totals of all the flows that the session had. */
  sessionTotals(): TrafficTotals {
    const totals = new TrafficTotals()
    const at = this.#num + Num.sessionTotals
    const [packetsIn, bytesIn, packetsOut, bytesOut] = this.#chunk.numbers.subarray(at, at + 4)
    return Object.assign(totals, { packetsIn, bytesIn, packetsOut, bytesOut })
  }
}
