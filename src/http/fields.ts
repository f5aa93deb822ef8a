/** The fields of a head of HTTP/1.x, in one pass over its text, and without an object for each. */
import { BadMessage } from './bad-message.js'

/** A field as it was sent; `name` in small letters. */
export interface Field {
  readonly name: string
  readonly value: string
  readonly line: string
}

const mostFields = 200
/** Fields that are for the next hop alone (RFC 9110 7.6.1). */
const ofHop = new Set(['connection', 'keep-alive', 'proxy-connection', 'te', 'upgrade'])
/** What says where a message ends, and for whom it is: nobody has it removed by naming it in Connection. */
const ofMessage = new Set(['content-length', 'transfer-encoding', 'host'])
const looked = new Set([...ofHop, ...ofMessage, 'expect'])
const lookedLengths = new Set([...looked].map(({ length }) => length))

/** Bits of what a character may be part of. */
const token = 1
const value = 2
const blank = 4
const kinds = new Uint8Array(256)
for (const character of "!#$%&'*+.^_`|~-") kinds[character.charCodeAt(0)] |= token
for (let code = 0; code < 256; code++) {
  if (/\w/.test(String.fromCharCode(code))) kinds[code] |= token
  if (code === 9 || code === 32) kinds[code] |= blank
  if (code === 9 || (code >= 32 && code !== 127)) kinds[code] |= value
}
const [colon, carriageReturn, lineFeed] = [58, 13, 10]

/** Where a field begins, its colon stands, its value begins and ends, and its line ends. */
const marks = 5

export class Fields {
  readonly #text: string
  readonly #marks: number[] = []
  /** Those that say what is to be done with the message; in the order in which they came. */
  readonly #looked = new Map<string, string[]>()
  #options: readonly string[] | undefined
  /** Which of the fields are not for the next hop but one. */
  readonly #ofHop: number[] = []

  /** @param text a head without its empty line @param at where its first line ends
   *  @throws {BadMessage} */
  constructor(text: string, at: number) {
    this.#text = text
    let next = at
    while (next < text.length) next = this.#read(next + 2)
  }

  get count(): number {
    return this.#marks.length / marks
  }

  /** The values of the fields of that name, one of those that are looked at. */
  of(name: string): readonly string[] {
    return this.#looked.get(name) ?? none
  }

  /** The options of all fields Connection (RFC 9110 7.6.1), in small letters. */
  get connectionOptions(): readonly string[] {
    this.#options ??= this.of('connection').flatMap((list) =>
      list.split(',').map((option) => option.trim().toLowerCase()),
    )
    return this.#options
  }

  *[Symbol.iterator](): IterableIterator<Field> {
    for (let index = 0; index < this.count; index++) yield this.#field(index)
  }

  /** The lines that go on to the next hop, each with its end. */
  forwarded(): string {
    let lines = ''
    let from = 0
    for (const index of this.#dropped()) {
      lines += this.#lines(from, index)
      from = index + 1
    }
    return lines + this.#lines(from, this.count)
  }

  // -- inside

  /** Reads a line. Returns where it ends. */
  #read(start: number): number {
    const text = this.#text
    let at = start
    while (at < text.length && kinds[text.charCodeAt(at)] & token) at++
    const nameEnd = at
    if (nameEnd === start || text.charCodeAt(at) !== colon) throw new BadMessage(400, 'a field')
    at++
    while (kinds[text.charCodeAt(at)] & blank) at++
    const valueStart = at
    let valueEnd = at
    for (; at < text.length; at++) {
      const kind = kinds[text.charCodeAt(at)]
      if (!(kind & value)) break
      if (!(kind & blank)) valueEnd = at + 1
    }
    const isEnd = text.charCodeAt(at) === carriageReturn && text.charCodeAt(at + 1) === lineFeed
    if (at < text.length && !isEnd) throw new BadMessage(400, 'a field')
    if (this.count === mostFields) throw new BadMessage(431, 'the number of fields')
    if (lookedLengths.has(nameEnd - start)) {
      this.#look(text.slice(start, nameEnd).toLowerCase(), text.slice(valueStart, valueEnd))
    }
    this.#marks.push(start, nameEnd, valueStart, valueEnd, at)
    return at
  }

  #look(name: string, text: string): void {
    if (!looked.has(name)) return
    const others = this.#looked.get(name)
    if (others) others.push(text)
    else this.#looked.set(name, [text])
    if (ofHop.has(name)) this.#ofHop.push(this.count)
  }

  /** What Connection names is for the next hop alone, too. */
  #dropped(): readonly number[] {
    const named = this.connectionOptions.filter((name) => !ofMessage.has(name))
    if (named.every((name) => ofHop.has(name) || name === 'close')) return this.#ofHop
    const all: number[] = []
    for (let index = 0; index < this.count; index++) {
      const name = this.#name(index)
      if (ofHop.has(name) || named.includes(name)) all.push(index)
    }
    return all
  }

  #name(index: number): string {
    const at = index * marks
    return this.#text.slice(this.#marks[at], this.#marks[at + 1]).toLowerCase()
  }

  #field(index: number): Field {
    const [start, , from, to, end] = this.#marks.slice(index * marks, (index + 1) * marks)
    const text = this.#text
    return {
      name: this.#name(index),
      value: text.slice(from, to),
      line: text.slice(start, end),
    }
  }

  /** Fields of these indices, `to` not included. */
  #lines(from: number, to: number): string {
    if (from >= to) return ''
    const end = this.#marks[to * marks - 1]
    const lines = this.#text.slice(this.#marks[from * marks], end)
    return `${lines}\r\n`
  }
}

const none: readonly string[] = []
