/** What a QUERY says of the flow that asks, read once and reused for the next. */
import { QueryReason, type QueryView, SsmbFlags } from '../generated/messages.js'
import { readSignature, signatureWords } from './signature.js'

export class Question {
  readonly signature = new Int32Array(signatureWords)
  /** A signed number: on the bus it is unsigned with its top bit set, which V8 keeps as an object. */
  serial = 0
  outbound = false
  midSession = false

  read(message: QueryView): this {
    readSignature(message.sig.view, message.sig.at, this.signature)
    this.serial = message.serial | 0
    this.outbound = (message.flags & SsmbFlags.outbound) !== 0
    this.midSession = message.reason === QueryReason.midSession
    return this
  }
}
