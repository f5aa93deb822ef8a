/** What a QUERY says of the flow that asks, or a STATE of one that lives; read once and reused. */
import { type QueryView, SsmbFlags } from '../generated/messages.js'
import { readSignature, signatureWords } from './signature.js'

export class Question {
  readonly signature = new Int32Array(signatureWords)
  /** A signed number: on the bus it is unsigned with its top bit set, which V8 keeps as an object. */
  serial = 0
  outbound = false
  /** It goes on with a session that is known. */
  resumes = false

  read(message: Pick<QueryView, 'sig' | 'serial' | 'flags'>, resumes: boolean): this {
    readSignature(message.sig.view, message.sig.at, this.signature)
    this.serial = message.serial | 0
    this.outbound = (message.flags & SsmbFlags.outbound) !== 0
    this.resumes = resumes
    return this
  }
}
