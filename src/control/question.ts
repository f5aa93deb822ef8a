/** What a QUERY says of the flow that asks, or a STATE of one that lives; read once and reused. */
import { QueryReason, type QueryView, SsmbError, SsmbFlags } from '../generated/messages.js'
import { readSignature, signatureWords } from './signature.js'

/** As in the header of TCP. */
const synFlag = 0x02

export class Question {
  readonly signature = new Int32Array(signatureWords)
  /** A signed number: on the bus it is unsigned with its top bit set, which V8 keeps as an object. */
  serial = 0
  outbound = false
  /** It passes between stations of the bridge. */
  bridged = false
  /** It goes on with a session that is known. */
  resumes = false
  /** And does so by the answer to its SYN, so that it is still to show both sides. */
  inHandshake = false
  /** Of a flow that asks: the answer before could not be carried out, for another flow had what the
   *  server would send. */
  again = false
  /** The id of the node that did not take the connection, and another is wanted; 0 where none has. */
  failedNode = 0
  /** One of QueryReason. */
  reason = 0
  /** Of the SYN, signed. */
  sequence = 0
  /** Milliseconds since 1970. */
  openedAt = 0

  /** Of a flow that lives. */
  read(message: Pick<QueryView, 'sig' | 'serial' | 'flags'>): this {
    readSignature(message.sig.view, message.sig.at, this.signature)
    this.serial = message.serial | 0
    this.outbound = (message.flags & SsmbFlags.outbound) !== 0
    this.bridged = (message.flags & SsmbFlags.bridge) !== 0
    this.resumes = false
    this.inHandshake = false
    this.again = false
    this.failedNode = 0
    return this
  }

  /** Of a flow that asks. */
  readQuery(message: QueryView): this {
    this.read(message)
    this.again = (message.flags & SsmbFlags.another) !== 0
    if (message.errorCode === SsmbError.srvfail) this.failedNode = message.tcpAck
    this.reason = message.reason
    this.resumes = message.reason === QueryReason.midSession
    this.inHandshake = this.resumes && (message.tcpFlags & synFlag) !== 0
    this.sequence = message.tcpSeq | 0
    this.openedAt = message.timestampNumber / 1000
    return this
  }
}
