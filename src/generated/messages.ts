// generated from native/bus/messages.def, do not edit

/**
 * The messages of both buses. A view reads and writes one message in place: make one, then move it
 * by setting `at` (and `view`); its parts follow, nothing is allocated for a message.
 */

export class SigView {
  static readonly size = 40

  constructor(
    public view: DataView,
    public at = 0,
  ) {}

  /** Where the 16 bytes of the address stand in `view`. */
  get srcIpaddrOffset(): number {
    return this.at
  }

  /** Where the 16 bytes of the address stand in `view`. */
  get dstIpaddrOffset(): number {
    return this.at + 16
  }

  get srcPort(): number {
    return this.view.getUint16(this.at + 32)
  }
  set srcPort(value: number) {
    this.view.setUint16(this.at + 32, value)
  }

  get dstPort(): number {
    return this.view.getUint16(this.at + 34)
  }
  set dstPort(value: number) {
    this.view.setUint16(this.at + 34, value)
  }

  get protocol(): number {
    return this.view.getUint8(this.at + 36)
  }
  set protocol(value: number) {
    this.view.setUint8(this.at + 36, value)
  }

  get tos(): number {
    return this.view.getUint8(this.at + 37)
  }
  set tos(value: number) {
    this.view.setUint8(this.at + 37, value)
  }

  get vlanTci(): number {
    return this.view.getUint16(this.at + 38)
  }
  set vlanTci(value: number) {
    this.view.setUint16(this.at + 38, value)
  }
}

export class XlatView {
  static readonly size = 92

  constructor(
    public view: DataView,
    public at = 0,
  ) {}

  /** Where the 16 bytes of the address stand in `view`. */
  get xlatSrcIpaddrOffset(): number {
    return this.at
  }

  /** Where the 16 bytes of the address stand in `view`. */
  get xlatDstIpaddrOffset(): number {
    return this.at + 16
  }

  get xlatSrcPort(): number {
    return this.view.getUint16(this.at + 32)
  }
  set xlatSrcPort(value: number) {
    this.view.setUint16(this.at + 32, value)
  }

  get xlatDstPort(): number {
    return this.view.getUint16(this.at + 34)
  }
  set xlatDstPort(value: number) {
    this.view.setUint16(this.at + 34, value)
  }

  get xlatMask(): number {
    return this.view.getUint16(this.at + 36)
  }
  set xlatMask(value: number) {
    this.view.setUint16(this.at + 36, value)
  }

  get xlatTos(): number {
    return this.view.getUint8(this.at + 38)
  }
  set xlatTos(value: number) {
    this.view.setUint8(this.at + 38, value)
  }

  get idleClass(): number {
    return this.view.getUint8(this.at + 39)
  }
  set idleClass(value: number) {
    this.view.setUint8(this.at + 39, value)
  }

  /** Where the 16 bytes of the address stand in `view`. */
  get nextHopIpaddrOffset(): number {
    return this.at + 40
  }

  get outIf(): number {
    return this.view.getUint16(this.at + 56)
  }
  set outIf(value: number) {
    this.view.setUint16(this.at + 56, value)
  }

  get outVlan(): number {
    return this.view.getUint16(this.at + 58)
  }
  set outVlan(value: number) {
    this.view.setUint16(this.at + 58, value)
  }

  get idleTimeout(): number {
    return this.view.getUint32(this.at + 60)
  }
  set idleTimeout(value: number) {
    this.view.setUint32(this.at + 60, value)
  }

  get seqOffset(): number {
    return this.view.getUint32(this.at + 64)
  }
  set seqOffset(value: number) {
    this.view.setUint32(this.at + 64, value)
  }

  get ackOffset(): number {
    return this.view.getUint32(this.at + 68)
  }
  set ackOffset(value: number) {
    this.view.setUint32(this.at + 68, value)
  }

  get tsvalOffset(): number {
    return this.view.getUint32(this.at + 72)
  }
  set tsvalOffset(value: number) {
    this.view.setUint32(this.at + 72, value)
  }

  get tsecrOffset(): number {
    return this.view.getUint32(this.at + 76)
  }
  set tsecrOffset(value: number) {
    this.view.setUint32(this.at + 76, value)
  }

  get wshiftC2s(): number {
    return this.view.getInt8(this.at + 80)
  }
  set wshiftC2s(value: number) {
    this.view.setInt8(this.at + 80, value)
  }

  get wshiftS2c(): number {
    return this.view.getInt8(this.at + 81)
  }
  set wshiftS2c(value: number) {
    this.view.setInt8(this.at + 81, value)
  }

  get mssClamp(): number {
    return this.view.getUint16(this.at + 82)
  }
  set mssClamp(value: number) {
    this.view.setUint16(this.at + 82, value)
  }

  get nodeId(): number {
    return this.view.getUint32(this.at + 84)
  }
  set nodeId(value: number) {
    this.view.setUint32(this.at + 84, value)
  }

  get vsId(): number {
    return this.view.getUint32(this.at + 88)
  }
  set vsId(value: number) {
    this.view.setUint32(this.at + 88, value)
  }
}

export class TcpsView {
  static readonly size = 12

  constructor(
    public view: DataView,
    public at = 0,
  ) {}

  get tcpState(): number {
    return this.view.getUint8(this.at)
  }
  set tcpState(value: number) {
    this.view.setUint8(this.at, value)
  }

  get origin(): number {
    return this.view.getUint8(this.at + 1)
  }
  set origin(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get optBits(): number {
    return this.view.getUint16(this.at + 2)
  }
  set optBits(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get cNxt(): number {
    return this.view.getUint32(this.at + 4)
  }
  set cNxt(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  get sNxt(): number {
    return this.view.getUint32(this.at + 8)
  }
  set sNxt(value: number) {
    this.view.setUint32(this.at + 8, value)
  }
}

export class CntView {
  static readonly size = 48

  constructor(
    public view: DataView,
    public at = 0,
  ) {}

  get pktsIn(): bigint {
    return this.view.getBigUint64(this.at)
  }
  set pktsIn(value: bigint) {
    this.view.setBigUint64(this.at, value)
  }
  get pktsInNumber(): number {
    return this.view.getUint32(this.at) * 0x1_0000_0000 + this.view.getUint32(this.at + 4)
  }
  set pktsInNumber(value: number) {
    this.view.setUint32(this.at, Math.floor(value / 0x1_0000_0000))
    this.view.setUint32(this.at + 4, value >>> 0)
  }

  get bytesIn(): bigint {
    return this.view.getBigUint64(this.at + 8)
  }
  set bytesIn(value: bigint) {
    this.view.setBigUint64(this.at + 8, value)
  }
  get bytesInNumber(): number {
    return this.view.getUint32(this.at + 8) * 0x1_0000_0000 + this.view.getUint32(this.at + 12)
  }
  set bytesInNumber(value: number) {
    this.view.setUint32(this.at + 8, Math.floor(value / 0x1_0000_0000))
    this.view.setUint32(this.at + 12, value >>> 0)
  }

  get pktsOut(): bigint {
    return this.view.getBigUint64(this.at + 16)
  }
  set pktsOut(value: bigint) {
    this.view.setBigUint64(this.at + 16, value)
  }
  get pktsOutNumber(): number {
    return this.view.getUint32(this.at + 16) * 0x1_0000_0000 + this.view.getUint32(this.at + 20)
  }
  set pktsOutNumber(value: number) {
    this.view.setUint32(this.at + 16, Math.floor(value / 0x1_0000_0000))
    this.view.setUint32(this.at + 20, value >>> 0)
  }

  get bytesOut(): bigint {
    return this.view.getBigUint64(this.at + 24)
  }
  set bytesOut(value: bigint) {
    this.view.setBigUint64(this.at + 24, value)
  }
  get bytesOutNumber(): number {
    return this.view.getUint32(this.at + 24) * 0x1_0000_0000 + this.view.getUint32(this.at + 28)
  }
  set bytesOutNumber(value: number) {
    this.view.setUint32(this.at + 24, Math.floor(value / 0x1_0000_0000))
    this.view.setUint32(this.at + 28, value >>> 0)
  }

  get tOpen(): bigint {
    return this.view.getBigUint64(this.at + 32)
  }
  set tOpen(value: bigint) {
    this.view.setBigUint64(this.at + 32, value)
  }
  get tOpenNumber(): number {
    return this.view.getUint32(this.at + 32) * 0x1_0000_0000 + this.view.getUint32(this.at + 36)
  }
  set tOpenNumber(value: number) {
    this.view.setUint32(this.at + 32, Math.floor(value / 0x1_0000_0000))
    this.view.setUint32(this.at + 36, value >>> 0)
  }

  get tLast(): bigint {
    return this.view.getBigUint64(this.at + 40)
  }
  set tLast(value: bigint) {
    this.view.setBigUint64(this.at + 40, value)
  }
  get tLastNumber(): number {
    return this.view.getUint32(this.at + 40) * 0x1_0000_0000 + this.view.getUint32(this.at + 44)
  }
  set tLastNumber(value: number) {
    this.view.setUint32(this.at + 40, Math.floor(value / 0x1_0000_0000))
    this.view.setUint32(this.at + 44, value >>> 0)
  }
}

export class QueryView {
  static readonly code = 0x01
  static readonly size = 72

  readonly sig: SigView

  constructor(
    private currentView: DataView,
    private currentAt = 0,
  ) {
    this.sig = new SigView(currentView, currentAt + 8)
  }

  get view(): DataView {
    return this.currentView
  }
  set view(value: DataView) {
    this.currentView = value
    this.sig.view = value
  }

  get at(): number {
    return this.currentAt
  }
  set at(value: number) {
    this.currentAt = value
    this.sig.at = value + 8
  }

  get msgType(): number {
    return this.view.getUint8(this.at)
  }
  set msgType(value: number) {
    this.view.setUint8(this.at, value)
  }

  get errorCode(): number {
    return this.view.getUint8(this.at + 1)
  }
  set errorCode(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get serial(): number {
    return this.view.getUint32(this.at + 4)
  }
  set serial(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  get timestamp(): bigint {
    return this.view.getBigUint64(this.at + 48)
  }
  set timestamp(value: bigint) {
    this.view.setBigUint64(this.at + 48, value)
  }
  get timestampNumber(): number {
    return this.view.getUint32(this.at + 48) * 0x1_0000_0000 + this.view.getUint32(this.at + 52)
  }
  set timestampNumber(value: number) {
    this.view.setUint32(this.at + 48, Math.floor(value / 0x1_0000_0000))
    this.view.setUint32(this.at + 52, value >>> 0)
  }

  get tcpSeq(): number {
    return this.view.getUint32(this.at + 56)
  }
  set tcpSeq(value: number) {
    this.view.setUint32(this.at + 56, value)
  }

  get tcpAck(): number {
    return this.view.getUint32(this.at + 60)
  }
  set tcpAck(value: number) {
    this.view.setUint32(this.at + 60, value)
  }

  get inIf(): number {
    return this.view.getUint16(this.at + 64)
  }
  set inIf(value: number) {
    this.view.setUint16(this.at + 64, value)
  }

  get tcpFlags(): number {
    return this.view.getUint8(this.at + 66)
  }
  set tcpFlags(value: number) {
    this.view.setUint8(this.at + 66, value)
  }

  get reason(): number {
    return this.view.getUint8(this.at + 67)
  }
  set reason(value: number) {
    this.view.setUint8(this.at + 67, value)
  }

  get vsId(): number {
    return this.view.getUint32(this.at + 68)
  }
  set vsId(value: number) {
    this.view.setUint32(this.at + 68, value)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < QueryView.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = QueryView.code
    return this
  }
}

export class AppQueryView {
  static readonly code = 0x02
  static readonly size = 76

  readonly sig: SigView

  constructor(
    private currentView: DataView,
    private currentAt = 0,
  ) {
    this.sig = new SigView(currentView, currentAt + 8)
  }

  get view(): DataView {
    return this.currentView
  }
  set view(value: DataView) {
    this.currentView = value
    this.sig.view = value
  }

  get at(): number {
    return this.currentAt
  }
  set at(value: number) {
    this.currentAt = value
    this.sig.at = value + 8
  }

  get msgType(): number {
    return this.view.getUint8(this.at)
  }
  set msgType(value: number) {
    this.view.setUint8(this.at, value)
  }

  get errorCode(): number {
    return this.view.getUint8(this.at + 1)
  }
  set errorCode(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get serial(): number {
    return this.view.getUint32(this.at + 4)
  }
  set serial(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  get timestamp(): bigint {
    return this.view.getBigUint64(this.at + 48)
  }
  set timestamp(value: bigint) {
    this.view.setBigUint64(this.at + 48, value)
  }
  get timestampNumber(): number {
    return this.view.getUint32(this.at + 48) * 0x1_0000_0000 + this.view.getUint32(this.at + 52)
  }
  set timestampNumber(value: number) {
    this.view.setUint32(this.at + 48, Math.floor(value / 0x1_0000_0000))
    this.view.setUint32(this.at + 52, value >>> 0)
  }

  get tcpSeq(): number {
    return this.view.getUint32(this.at + 56)
  }
  set tcpSeq(value: number) {
    this.view.setUint32(this.at + 56, value)
  }

  get tcpAck(): number {
    return this.view.getUint32(this.at + 60)
  }
  set tcpAck(value: number) {
    this.view.setUint32(this.at + 60, value)
  }

  get inIf(): number {
    return this.view.getUint16(this.at + 64)
  }
  set inIf(value: number) {
    this.view.setUint16(this.at + 64, value)
  }

  get tcpFlags(): number {
    return this.view.getUint8(this.at + 66)
  }
  set tcpFlags(value: number) {
    this.view.setUint8(this.at + 66, value)
  }

  get reason(): number {
    return this.view.getUint8(this.at + 67)
  }
  set reason(value: number) {
    this.view.setUint8(this.at + 67, value)
  }

  get vsId(): number {
    return this.view.getUint32(this.at + 68)
  }
  set vsId(value: number) {
    this.view.setUint32(this.at + 68, value)
  }

  get appType(): number {
    return this.view.getUint8(this.at + 72)
  }
  set appType(value: number) {
    this.view.setUint8(this.at + 72, value)
  }

  get appFlags(): number {
    return this.view.getUint8(this.at + 73)
  }
  set appFlags(value: number) {
    this.view.setUint8(this.at + 73, value)
  }

  get appLen(): number {
    return this.view.getUint16(this.at + 74)
  }
  set appLen(value: number) {
    this.view.setUint16(this.at + 74, value)
  }

  /** The appLen bytes after the fixed part, in place. */
  get appData(): Uint8Array {
    const start = this.view.byteOffset + this.at + 76
    return new Uint8Array(this.view.buffer, start, this.appLen)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < AppQueryView.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = AppQueryView.code
    return this
  }
}

export class ReplyView {
  static readonly code = 0x03
  static readonly size = 140

  readonly sig: SigView
  readonly xlat: XlatView

  constructor(
    private currentView: DataView,
    private currentAt = 0,
  ) {
    this.sig = new SigView(currentView, currentAt + 8)
    this.xlat = new XlatView(currentView, currentAt + 48)
  }

  get view(): DataView {
    return this.currentView
  }
  set view(value: DataView) {
    this.currentView = value
    this.sig.view = value
    this.xlat.view = value
  }

  get at(): number {
    return this.currentAt
  }
  set at(value: number) {
    this.currentAt = value
    this.sig.at = value + 8
    this.xlat.at = value + 48
  }

  get msgType(): number {
    return this.view.getUint8(this.at)
  }
  set msgType(value: number) {
    this.view.setUint8(this.at, value)
  }

  get errorCode(): number {
    return this.view.getUint8(this.at + 1)
  }
  set errorCode(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get serial(): number {
    return this.view.getUint32(this.at + 4)
  }
  set serial(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < ReplyView.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = ReplyView.code
    return this
  }
}

export class NewFlowView {
  static readonly code = 0x04
  static readonly size = 152

  readonly sig: SigView
  readonly xlat: XlatView
  readonly tcps: TcpsView

  constructor(
    private currentView: DataView,
    private currentAt = 0,
  ) {
    this.sig = new SigView(currentView, currentAt + 8)
    this.xlat = new XlatView(currentView, currentAt + 48)
    this.tcps = new TcpsView(currentView, currentAt + 140)
  }

  get view(): DataView {
    return this.currentView
  }
  set view(value: DataView) {
    this.currentView = value
    this.sig.view = value
    this.xlat.view = value
    this.tcps.view = value
  }

  get at(): number {
    return this.currentAt
  }
  set at(value: number) {
    this.currentAt = value
    this.sig.at = value + 8
    this.xlat.at = value + 48
    this.tcps.at = value + 140
  }

  get msgType(): number {
    return this.view.getUint8(this.at)
  }
  set msgType(value: number) {
    this.view.setUint8(this.at, value)
  }

  get errorCode(): number {
    return this.view.getUint8(this.at + 1)
  }
  set errorCode(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get serial(): number {
    return this.view.getUint32(this.at + 4)
  }
  set serial(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < NewFlowView.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = NewFlowView.code
    return this
  }
}

export class DeleteView {
  static readonly code = 0x05
  static readonly size = 100

  readonly sig: SigView
  readonly cnt: CntView

  constructor(
    private currentView: DataView,
    private currentAt = 0,
  ) {
    this.sig = new SigView(currentView, currentAt + 8)
    this.cnt = new CntView(currentView, currentAt + 48)
  }

  get view(): DataView {
    return this.currentView
  }
  set view(value: DataView) {
    this.currentView = value
    this.sig.view = value
    this.cnt.view = value
  }

  get at(): number {
    return this.currentAt
  }
  set at(value: number) {
    this.currentAt = value
    this.sig.at = value + 8
    this.cnt.at = value + 48
  }

  get msgType(): number {
    return this.view.getUint8(this.at)
  }
  set msgType(value: number) {
    this.view.setUint8(this.at, value)
  }

  get errorCode(): number {
    return this.view.getUint8(this.at + 1)
  }
  set errorCode(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get serial(): number {
    return this.view.getUint32(this.at + 4)
  }
  set serial(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  get reason(): number {
    return this.view.getUint8(this.at + 96)
  }
  set reason(value: number) {
    this.view.setUint8(this.at + 96, value)
  }

  get tcpState(): number {
    return this.view.getUint8(this.at + 97)
  }
  set tcpState(value: number) {
    this.view.setUint8(this.at + 97, value)
  }

  get nodeHint(): number {
    return this.view.getUint16(this.at + 98)
  }
  set nodeHint(value: number) {
    this.view.setUint16(this.at + 98, value)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < DeleteView.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = DeleteView.code
    return this
  }
}

export class ReapView {
  static readonly code = 0x06
  static readonly size = 52

  readonly sig: SigView

  constructor(
    private currentView: DataView,
    private currentAt = 0,
  ) {
    this.sig = new SigView(currentView, currentAt + 8)
  }

  get view(): DataView {
    return this.currentView
  }
  set view(value: DataView) {
    this.currentView = value
    this.sig.view = value
  }

  get at(): number {
    return this.currentAt
  }
  set at(value: number) {
    this.currentAt = value
    this.sig.at = value + 8
  }

  get msgType(): number {
    return this.view.getUint8(this.at)
  }
  set msgType(value: number) {
    this.view.setUint8(this.at, value)
  }

  get errorCode(): number {
    return this.view.getUint8(this.at + 1)
  }
  set errorCode(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get serial(): number {
    return this.view.getUint32(this.at + 4)
  }
  set serial(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  get idleSecs(): number {
    return this.view.getUint32(this.at + 48)
  }
  set idleSecs(value: number) {
    this.view.setUint32(this.at + 48, value)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < ReapView.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = ReapView.code
    return this
  }
}

export class TimeoutView {
  static readonly code = 0x07
  static readonly size = 52

  readonly sig: SigView

  constructor(
    private currentView: DataView,
    private currentAt = 0,
  ) {
    this.sig = new SigView(currentView, currentAt + 8)
  }

  get view(): DataView {
    return this.currentView
  }
  set view(value: DataView) {
    this.currentView = value
    this.sig.view = value
  }

  get at(): number {
    return this.currentAt
  }
  set at(value: number) {
    this.currentAt = value
    this.sig.at = value + 8
  }

  get msgType(): number {
    return this.view.getUint8(this.at)
  }
  set msgType(value: number) {
    this.view.setUint8(this.at, value)
  }

  get errorCode(): number {
    return this.view.getUint8(this.at + 1)
  }
  set errorCode(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get serial(): number {
    return this.view.getUint32(this.at + 4)
  }
  set serial(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  get idleSecs(): number {
    return this.view.getUint32(this.at + 48)
  }
  set idleSecs(value: number) {
    this.view.setUint32(this.at + 48, value)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < TimeoutView.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = TimeoutView.code
    return this
  }
}

export class StatsView {
  static readonly code = 0x08
  static readonly size = 100

  readonly sig: SigView
  readonly cnt: CntView

  constructor(
    private currentView: DataView,
    private currentAt = 0,
  ) {
    this.sig = new SigView(currentView, currentAt + 8)
    this.cnt = new CntView(currentView, currentAt + 48)
  }

  get view(): DataView {
    return this.currentView
  }
  set view(value: DataView) {
    this.currentView = value
    this.sig.view = value
    this.cnt.view = value
  }

  get at(): number {
    return this.currentAt
  }
  set at(value: number) {
    this.currentAt = value
    this.sig.at = value + 8
    this.cnt.at = value + 48
  }

  get msgType(): number {
    return this.view.getUint8(this.at)
  }
  set msgType(value: number) {
    this.view.setUint8(this.at, value)
  }

  get errorCode(): number {
    return this.view.getUint8(this.at + 1)
  }
  set errorCode(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get serial(): number {
    return this.view.getUint32(this.at + 4)
  }
  set serial(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  get reason(): number {
    return this.view.getUint8(this.at + 96)
  }
  set reason(value: number) {
    this.view.setUint8(this.at + 96, value)
  }

  get tcpState(): number {
    return this.view.getUint8(this.at + 97)
  }
  set tcpState(value: number) {
    this.view.setUint8(this.at + 97, value)
  }

  get nodeHint(): number {
    return this.view.getUint16(this.at + 98)
  }
  set nodeHint(value: number) {
    this.view.setUint16(this.at + 98, value)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < StatsView.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = StatsView.code
    return this
  }
}

export class ResetView {
  static readonly code = 0x09
  static readonly size = 16

  constructor(
    public view: DataView,
    public at = 0,
  ) {}

  get msgType(): number {
    return this.view.getUint8(this.at)
  }
  set msgType(value: number) {
    this.view.setUint8(this.at, value)
  }

  get errorCode(): number {
    return this.view.getUint8(this.at + 1)
  }
  set errorCode(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get serial(): number {
    return this.view.getUint32(this.at + 4)
  }
  set serial(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  get scope(): number {
    return this.view.getUint32(this.at + 8)
  }
  set scope(value: number) {
    this.view.setUint32(this.at + 8, value)
  }

  get epoch(): number {
    return this.view.getUint32(this.at + 12)
  }
  set epoch(value: number) {
    this.view.setUint32(this.at + 12, value)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < ResetView.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = ResetView.code
    return this
  }
}

export class StateReqView {
  static readonly code = 0x0c
  static readonly size = 24

  constructor(
    public view: DataView,
    public at = 0,
  ) {}

  get msgType(): number {
    return this.view.getUint8(this.at)
  }
  set msgType(value: number) {
    this.view.setUint8(this.at, value)
  }

  get errorCode(): number {
    return this.view.getUint8(this.at + 1)
  }
  set errorCode(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get serial(): number {
    return this.view.getUint32(this.at + 4)
  }
  set serial(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  get cursor(): bigint {
    return this.view.getBigUint64(this.at + 8)
  }
  set cursor(value: bigint) {
    this.view.setBigUint64(this.at + 8, value)
  }
  get cursorNumber(): number {
    return this.view.getUint32(this.at + 8) * 0x1_0000_0000 + this.view.getUint32(this.at + 12)
  }
  set cursorNumber(value: number) {
    this.view.setUint32(this.at + 8, Math.floor(value / 0x1_0000_0000))
    this.view.setUint32(this.at + 12, value >>> 0)
  }

  get maxRecords(): number {
    return this.view.getUint16(this.at + 16)
  }
  set maxRecords(value: number) {
    this.view.setUint16(this.at + 16, value)
  }

  get filter(): number {
    return this.view.getUint16(this.at + 18)
  }
  set filter(value: number) {
    this.view.setUint16(this.at + 18, value)
  }

  get epoch(): number {
    return this.view.getUint32(this.at + 20)
  }
  set epoch(value: number) {
    this.view.setUint32(this.at + 20, value)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < StateReqView.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = StateReqView.code
    return this
  }
}

export class StateView {
  static readonly code = 0x0d
  static readonly size = 208

  readonly sig: SigView
  readonly xlat: XlatView
  readonly tcps: TcpsView
  readonly cnt: CntView

  constructor(
    private currentView: DataView,
    private currentAt = 0,
  ) {
    this.sig = new SigView(currentView, currentAt + 8)
    this.xlat = new XlatView(currentView, currentAt + 48)
    this.tcps = new TcpsView(currentView, currentAt + 140)
    this.cnt = new CntView(currentView, currentAt + 152)
  }

  get view(): DataView {
    return this.currentView
  }
  set view(value: DataView) {
    this.currentView = value
    this.sig.view = value
    this.xlat.view = value
    this.tcps.view = value
    this.cnt.view = value
  }

  get at(): number {
    return this.currentAt
  }
  set at(value: number) {
    this.currentAt = value
    this.sig.at = value + 8
    this.xlat.at = value + 48
    this.tcps.at = value + 140
    this.cnt.at = value + 152
  }

  get msgType(): number {
    return this.view.getUint8(this.at)
  }
  set msgType(value: number) {
    this.view.setUint8(this.at, value)
  }

  get errorCode(): number {
    return this.view.getUint8(this.at + 1)
  }
  set errorCode(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get serial(): number {
    return this.view.getUint32(this.at + 4)
  }
  set serial(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  get nextCursor(): bigint {
    return this.view.getBigUint64(this.at + 200)
  }
  set nextCursor(value: bigint) {
    this.view.setBigUint64(this.at + 200, value)
  }
  get nextCursorNumber(): number {
    return this.view.getUint32(this.at + 200) * 0x1_0000_0000 + this.view.getUint32(this.at + 204)
  }
  set nextCursorNumber(value: number) {
    this.view.setUint32(this.at + 200, Math.floor(value / 0x1_0000_0000))
    this.view.setUint32(this.at + 204, value >>> 0)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < StateView.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = StateView.code
    return this
  }
}

export class AppLearnView {
  static readonly code = 0x0e
  static readonly size = 56

  readonly sig: SigView

  constructor(
    private currentView: DataView,
    private currentAt = 0,
  ) {
    this.sig = new SigView(currentView, currentAt + 8)
  }

  get view(): DataView {
    return this.currentView
  }
  set view(value: DataView) {
    this.currentView = value
    this.sig.view = value
  }

  get at(): number {
    return this.currentAt
  }
  set at(value: number) {
    this.currentAt = value
    this.sig.at = value + 8
  }

  get msgType(): number {
    return this.view.getUint8(this.at)
  }
  set msgType(value: number) {
    this.view.setUint8(this.at, value)
  }

  get errorCode(): number {
    return this.view.getUint8(this.at + 1)
  }
  set errorCode(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get serial(): number {
    return this.view.getUint32(this.at + 4)
  }
  set serial(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  get nodeId(): number {
    return this.view.getUint32(this.at + 48)
  }
  set nodeId(value: number) {
    this.view.setUint32(this.at + 48, value)
  }

  get appType(): number {
    return this.view.getUint8(this.at + 52)
  }
  set appType(value: number) {
    this.view.setUint8(this.at + 52, value)
  }

  get appFlags(): number {
    return this.view.getUint8(this.at + 53)
  }
  set appFlags(value: number) {
    this.view.setUint8(this.at + 53, value)
  }

  get appLen(): number {
    return this.view.getUint16(this.at + 54)
  }
  set appLen(value: number) {
    this.view.setUint16(this.at + 54, value)
  }

  /** The appLen bytes after the fixed part, in place. */
  get appData(): Uint8Array {
    const start = this.view.byteOffset + this.at + 56
    return new Uint8Array(this.view.buffer, start, this.appLen)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < AppLearnView.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = AppLearnView.code
    return this
  }
}

export class AddVsView {
  static readonly code = 0x0005
  static readonly size = 68

  constructor(
    public view: DataView,
    public at = 0,
  ) {}

  get msgType(): number {
    return this.view.getUint16(this.at)
  }
  set msgType(value: number) {
    this.view.setUint16(this.at, value)
  }

  get msgLength(): number {
    return this.view.getUint16(this.at + 2)
  }
  set msgLength(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get serialGlobal(): number {
    return this.view.getUint16(this.at + 4)
  }
  set serialGlobal(value: number) {
    this.view.setUint16(this.at + 4, value)
  }

  get serialBytype(): number {
    return this.view.getUint16(this.at + 6)
  }
  set serialBytype(value: number) {
    this.view.setUint16(this.at + 6, value)
  }

  get errorCode(): number {
    return this.view.getUint16(this.at + 8)
  }
  set errorCode(value: number) {
    this.view.setUint16(this.at + 8, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 10)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 10, value)
  }

  get vsId(): number {
    return this.view.getUint32(this.at + 12)
  }
  set vsId(value: number) {
    this.view.setUint32(this.at + 12, value)
  }

  /** Where the 16 bytes of the address stand in `view`. */
  get virtIpaddrOffset(): number {
    return this.at + 16
  }

  get virtPort(): number {
    return this.view.getUint16(this.at + 32)
  }
  set virtPort(value: number) {
    this.view.setUint16(this.at + 32, value)
  }

  get protocol(): number {
    return this.view.getUint8(this.at + 34)
  }
  set protocol(value: number) {
    this.view.setUint8(this.at + 34, value)
  }

  get vsClass(): number {
    return this.view.getUint8(this.at + 35)
  }
  set vsClass(value: number) {
    this.view.setUint8(this.at + 35, value)
  }

  /** Where the 16 bytes of the address stand in `view`. */
  get nextHopIpaddrOffset(): number {
    return this.at + 36
  }

  get connLimit(): number {
    return this.view.getUint32(this.at + 52)
  }
  set connLimit(value: number) {
    this.view.setUint32(this.at + 52, value)
  }

  get idleTimeout(): number {
    return this.view.getUint32(this.at + 56)
  }
  set idleTimeout(value: number) {
    this.view.setUint32(this.at + 56, value)
  }

  get proxyWindow(): number {
    return this.view.getUint16(this.at + 60)
  }
  set proxyWindow(value: number) {
    this.view.setUint16(this.at + 60, value)
  }

  get proxyTimeout(): number {
    return this.view.getUint16(this.at + 62)
  }
  set proxyTimeout(value: number) {
    this.view.setUint16(this.at + 62, value)
  }

  get appLen(): number {
    return this.view.getUint16(this.at + 64)
  }
  set appLen(value: number) {
    this.view.setUint16(this.at + 64, value)
  }

  get serverTimeout(): number {
    return this.view.getUint16(this.at + 66)
  }
  set serverTimeout(value: number) {
    this.view.setUint16(this.at + 66, value)
  }

  /** The appLen bytes after the fixed part, in place. */
  get appData(): Uint8Array {
    const start = this.view.byteOffset + this.at + 68
    return new Uint8Array(this.view.buffer, start, this.appLen)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < AddVsView.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = AddVsView.code
    this.msgLength = AddVsView.size
    return this
  }
}

export class DeleteVsView {
  static readonly code = 0x0006
  static readonly size = 20

  constructor(
    public view: DataView,
    public at = 0,
  ) {}

  get msgType(): number {
    return this.view.getUint16(this.at)
  }
  set msgType(value: number) {
    this.view.setUint16(this.at, value)
  }

  get msgLength(): number {
    return this.view.getUint16(this.at + 2)
  }
  set msgLength(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get serialGlobal(): number {
    return this.view.getUint16(this.at + 4)
  }
  set serialGlobal(value: number) {
    this.view.setUint16(this.at + 4, value)
  }

  get serialBytype(): number {
    return this.view.getUint16(this.at + 6)
  }
  set serialBytype(value: number) {
    this.view.setUint16(this.at + 6, value)
  }

  get errorCode(): number {
    return this.view.getUint16(this.at + 8)
  }
  set errorCode(value: number) {
    this.view.setUint16(this.at + 8, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 10)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 10, value)
  }

  get vsId(): number {
    return this.view.getUint32(this.at + 12)
  }
  set vsId(value: number) {
    this.view.setUint32(this.at + 12, value)
  }

  get drainSecs(): number {
    return this.view.getUint32(this.at + 16)
  }
  set drainSecs(value: number) {
    this.view.setUint32(this.at + 16, value)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < DeleteVsView.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = DeleteVsView.code
    this.msgLength = DeleteVsView.size
    return this
  }
}

export class AddSourceView {
  static readonly code = 0x000e
  static readonly size = 28

  constructor(
    public view: DataView,
    public at = 0,
  ) {}

  get msgType(): number {
    return this.view.getUint16(this.at)
  }
  set msgType(value: number) {
    this.view.setUint16(this.at, value)
  }

  get msgLength(): number {
    return this.view.getUint16(this.at + 2)
  }
  set msgLength(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get serialGlobal(): number {
    return this.view.getUint16(this.at + 4)
  }
  set serialGlobal(value: number) {
    this.view.setUint16(this.at + 4, value)
  }

  get serialBytype(): number {
    return this.view.getUint16(this.at + 6)
  }
  set serialBytype(value: number) {
    this.view.setUint16(this.at + 6, value)
  }

  get errorCode(): number {
    return this.view.getUint16(this.at + 8)
  }
  set errorCode(value: number) {
    this.view.setUint16(this.at + 8, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 10)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 10, value)
  }

  /** Where the 16 bytes of the address stand in `view`. */
  get sourceIpaddrOffset(): number {
    return this.at + 12
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < AddSourceView.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = AddSourceView.code
    this.msgLength = AddSourceView.size
    return this
  }
}

export class DeleteSourceView {
  static readonly code = 0x000f
  static readonly size = 28

  constructor(
    public view: DataView,
    public at = 0,
  ) {}

  get msgType(): number {
    return this.view.getUint16(this.at)
  }
  set msgType(value: number) {
    this.view.setUint16(this.at, value)
  }

  get msgLength(): number {
    return this.view.getUint16(this.at + 2)
  }
  set msgLength(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get serialGlobal(): number {
    return this.view.getUint16(this.at + 4)
  }
  set serialGlobal(value: number) {
    this.view.setUint16(this.at + 4, value)
  }

  get serialBytype(): number {
    return this.view.getUint16(this.at + 6)
  }
  set serialBytype(value: number) {
    this.view.setUint16(this.at + 6, value)
  }

  get errorCode(): number {
    return this.view.getUint16(this.at + 8)
  }
  set errorCode(value: number) {
    this.view.setUint16(this.at + 8, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 10)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 10, value)
  }

  /** Where the 16 bytes of the address stand in `view`. */
  get sourceIpaddrOffset(): number {
    return this.at + 12
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < DeleteSourceView.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = DeleteSourceView.code
    this.msgLength = DeleteSourceView.size
    return this
  }
}

export class AckView {
  static readonly code = 0x000c
  static readonly size = 20

  constructor(
    public view: DataView,
    public at = 0,
  ) {}

  get msgType(): number {
    return this.view.getUint16(this.at)
  }
  set msgType(value: number) {
    this.view.setUint16(this.at, value)
  }

  get msgLength(): number {
    return this.view.getUint16(this.at + 2)
  }
  set msgLength(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get serialGlobal(): number {
    return this.view.getUint16(this.at + 4)
  }
  set serialGlobal(value: number) {
    this.view.setUint16(this.at + 4, value)
  }

  get serialBytype(): number {
    return this.view.getUint16(this.at + 6)
  }
  set serialBytype(value: number) {
    this.view.setUint16(this.at + 6, value)
  }

  get errorCode(): number {
    return this.view.getUint16(this.at + 8)
  }
  set errorCode(value: number) {
    this.view.setUint16(this.at + 8, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 10)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 10, value)
  }

  get refType(): number {
    return this.view.getUint16(this.at + 12)
  }
  set refType(value: number) {
    this.view.setUint16(this.at + 12, value)
  }

  get refSerial(): number {
    return this.view.getUint16(this.at + 14)
  }
  set refSerial(value: number) {
    this.view.setUint16(this.at + 14, value)
  }

  get vsId(): number {
    return this.view.getUint32(this.at + 16)
  }
  set vsId(value: number) {
    this.view.setUint32(this.at + 16, value)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < AckView.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = AckView.code
    this.msgLength = AckView.size
    return this
  }
}

export const ssmbMessages = [
  {
    name: 'Query',
    code: 0x01,
    size: 72,
    dfsSends: true,
    csSends: false,
    priority: 'high',
    batching: true,
    stateSharing: false,
    variable: false,
  },
  {
    name: 'AppQuery',
    code: 0x02,
    size: 76,
    dfsSends: true,
    csSends: false,
    priority: 'high',
    batching: false,
    stateSharing: false,
    variable: true,
  },
  {
    name: 'Reply',
    code: 0x03,
    size: 140,
    dfsSends: false,
    csSends: true,
    priority: 'high',
    batching: true,
    stateSharing: true,
    variable: false,
  },
  {
    name: 'NewFlow',
    code: 0x04,
    size: 152,
    dfsSends: false,
    csSends: true,
    priority: 'high',
    batching: true,
    stateSharing: true,
    variable: false,
  },
  {
    name: 'Delete',
    code: 0x05,
    size: 100,
    dfsSends: true,
    csSends: false,
    priority: 'low',
    batching: true,
    stateSharing: true,
    variable: false,
  },
  {
    name: 'Reap',
    code: 0x06,
    size: 52,
    dfsSends: false,
    csSends: true,
    priority: 'low',
    batching: true,
    stateSharing: false,
    variable: false,
  },
  {
    name: 'Timeout',
    code: 0x07,
    size: 52,
    dfsSends: false,
    csSends: true,
    priority: 'low',
    batching: true,
    stateSharing: true,
    variable: false,
  },
  {
    name: 'Stats',
    code: 0x08,
    size: 100,
    dfsSends: true,
    csSends: false,
    priority: 'low',
    batching: true,
    stateSharing: true,
    variable: false,
  },
  {
    name: 'Reset',
    code: 0x09,
    size: 16,
    dfsSends: true,
    csSends: true,
    priority: 'high',
    batching: false,
    stateSharing: true,
    variable: false,
  },
  {
    name: 'StateReq',
    code: 0x0c,
    size: 24,
    dfsSends: false,
    csSends: true,
    priority: 'low',
    batching: false,
    stateSharing: false,
    variable: false,
  },
  {
    name: 'State',
    code: 0x0d,
    size: 208,
    dfsSends: true,
    csSends: false,
    priority: 'low',
    batching: true,
    stateSharing: true,
    variable: false,
  },
  {
    name: 'AppLearn',
    code: 0x0e,
    size: 56,
    dfsSends: true,
    csSends: false,
    priority: 'low',
    batching: false,
    stateSharing: true,
    variable: true,
  },
] as const

export const csmbMessages = [
  {
    name: 'AddVs',
    code: 0x0005,
    size: 68,
    dfsSends: false,
    csSends: true,
    variable: true,
  },
  {
    name: 'DeleteVs',
    code: 0x0006,
    size: 20,
    dfsSends: false,
    csSends: true,
    variable: false,
  },
  {
    name: 'AddSource',
    code: 0x000e,
    size: 28,
    dfsSends: false,
    csSends: true,
    variable: false,
  },
  {
    name: 'DeleteSource',
    code: 0x000f,
    size: 28,
    dfsSends: false,
    csSends: true,
    variable: false,
  },
  {
    name: 'Ack',
    code: 0x000c,
    size: 20,
    dfsSends: true,
    csSends: true,
    variable: false,
  },
] as const

export const QueryReason = {
  /** a TCP SYN opens the flow */
  open: 1,
  /** a TCP segment but a SYN: an old session, a new flow */
  midSession: 2,
  /** the first datagram of a UDP flow */
  udp: 3,
  /** another IP protocol */
  other: 4,
} as const
export type QueryReason = (typeof QueryReason)[keyof typeof QueryReason]

export const AppType = {
  /** of a ClientHello, each behind its length: the session id (U8), the server name (U16); then the protocols as they came */
  tls: 1,
  /** the value of the cookie of a HTTP request */
  cookie: 2,
  /** the head of a HTTP request, from its first line on */
  http: 3,
  /** what the first datagram of a UDP flow carries */
  datagram: 4,
  /** what came first on a TCP connection */
  raw: 5,
} as const
export type AppType = (typeof AppType)[keyof typeof AppType]

export const EndReason = {
  /** both directions closed by FIN */
  fin: 1,
  /** reset */
  rst: 2,
  /** idle time-out */
  idle: 3,
  /** asked for by REAP or TIMEOUT */
  reaped: 4,
  /** evicted from a full flow table */
  overflow: 5,
  /** a RESET message */
  reset: 6,
  /** the virtual server was removed */
  vsRemoved: 7,
} as const
export type EndReason = (typeof EndReason)[keyof typeof EndReason]

export const TcpState = {
  /** not TCP, or nothing seen */
  none: 0,
  /** the handshake is not complete */
  opening: 1,
  /** both sides have sent and acknowledged */
  established: 2,
  /** the client's FIN was seen */
  clientClosed: 3,
  /** the server's FIN was seen */
  serverClosed: 4,
  /** both FINs were seen */
  bothClosed: 5,
  /** both FINs are acknowledged, or the flow was reset */
  ended: 6,
} as const
export type TcpState = (typeof TcpState)[keyof typeof TcpState]

export const SsmbError = {
  /** no error */
  none: 0,
  /** the control segment has no way to handle this flow */
  unknown: 1,
  /** port denied, or the virtual server is in maintenance */
  notavail: 2,
  /** would exceed the maximum connections of the virtual server */
  connlimit: 3,
  /** the flow named in REAP or TIMEOUT is still active */
  connalive: 4,
  /** dropped for lack of room; the session may continue */
  evicted: 5,
  /** no such flow in the table */
  noflow: 6,
  /** the server handshake failed */
  srvfail: 7,
  /** the flow could not be entered */
  nores: 8,
  /** malformed message; counted, never answered */
  badmsg: 9,
  /** serial of another flow; counted, never answered */
  stale: 10,
  /** sender not authenticated; counted, never answered */
  notauth: 11,
  /** the server could not tell the flow from another one */
  inuse: 12,
} as const
export type SsmbError = (typeof SsmbError)[keyof typeof SsmbError]

export const CsmbError = {
  /** no error */
  none: 0,
  /** malformed message */
  badMsg: 5,
  /** the virtual server is not valid */
  badVs: 6,
  /** the virtual server exists already */
  vsExists: 7,
  /** no such virtual server */
  noSuchVs: 8,
  /** the data flow segment cannot do what a flag asks for */
  noCapability: 9,
  /** no room */
  noResources: 10,
} as const
export type CsmbError = (typeof CsmbError)[keyof typeof CsmbError]

export const VsClass = {
  /** the data flow segment asks for each flow, and carries it */
  dfsAssist: 0,
  /** the control segment carries it: not told to the data flow segment */
  csAssist: 1,
  /** the control segment begins, the data flow segment takes over */
  hybrid: 2,
} as const
export type VsClass = (typeof VsClass)[keyof typeof VsClass]

export const AppFlags = {
  /** there is more than app_data has room for */
  truncated: 0x0001,
  /** there is none */
  absent: 0x0002,
  /** what came could not be read, or not in time */
  unread: 0x0004,
} as const
export type AppFlags = (typeof AppFlags)[keyof typeof AppFlags]

export const SsmbFlags = {
  /** the message concerns an outbound flow */
  outbound: 0x0001,
  /** apply seq_offset and ack_offset */
  addTcpOffsets: 0x0002,
  /** apply tsval_offset and tsecr_offset */
  addTsOffsets: 0x0004,
  /** apply wshift_c2s and wshift_s2c */
  scaleWindow: 0x0008,
  /** blank SACK options */
  stripSack: 0x0010,
  /** blank timestamp options */
  stripTs: 0x0020,
  /** route on the destination; else next_hop_ipaddr decides */
  routeByDst: 0x0040,
  /** forward on layer 2 */
  bridge: 0x0080,
  /** answer to a mid-session QUERY, unless a SYN-ACK asked: that is followed as a handshake */
  resumed: 0x0100,
  /** return traffic does not pass here: no close tracking */
  halfFlow: 0x0200,
  /** the server's end of the connection is in TIME-WAIT */
  serverWaits: 0x0400,
  /** QUERY: another flow has what the server would send, decide again; REPLY: the answer to that */
  another: 0x0800,
  /** REPLY to an APP_QUERY with what came first on a connection: not enough, ask again with more than seq_offset bytes */
  more: 0x1000,
} as const
export type SsmbFlags = (typeof SsmbFlags)[keyof typeof SsmbFlags]

export const XlatMask = {
  /** translate the source address */
  srcAddr: 0x0001,
  /** translate the destination address */
  dstAddr: 0x0002,
  /** translate the source port */
  srcPort: 0x0004,
  /** translate the destination port */
  dstPort: 0x0008,
  /** set the DSCP */
  tos: 0x0010,
  /** decrement the TTL or hop limit */
  decTtl: 0x0020,
  /** change the destination MAC only (bridge) */
  dstMac: 0x0040,
  /** drop the packets of the flow */
  drop: 0x0080,
  /** refuse the flow: RST for TCP, ICMP for others */
  reset: 0x0100,
  /** refuse the flow: ICMP port unreachable */
  unreachable: 0x0200,
} as const
export type XlatMask = (typeof XlatMask)[keyof typeof XlatMask]

export const SourceFlags = {
  /** what begins behind an internal port leaves from it, and is answered from outside */
  outbound: 0x0001,
} as const
export type SourceFlags = (typeof SourceFlags)[keyof typeof SourceFlags]

export const VsFlags = {
  /** translate the destination address */
  translateAddr: 0x0001,
  /** translate the destination port */
  translatePort: 0x0002,
  /** route on the destination; else next_hop_ipaddr decides */
  routeByDstIp: 0x0004,
  /** handshake proxy: what cannot be read is asked for without data; else the client is reset */
  askUnread: 0x0008,
  /** TCP: the engine ends the connections itself, and their bytes go to sockets */
  terminate: 0x0010,
  /** any address not otherwise known */
  wildcardAddr: 0x0020,
  /** any port not otherwise known */
  wildcardPort: 0x0040,
  /** do not answer ARP for the address */
  noarpMode: 0x0080,
  /** handshake proxy: decide by the TLS session */
  sslProxy: 0x0100,
  /** handshake proxy: decide by a cookie */
  cookieProxy: 0x0200,
  /** handshake proxy: decide by the HTTP request */
  httpProxy: 0x0400,
  /** TCP: handshake proxy, the control segment sees the client's packets; UDP: it sees the first datagram */
  rawProxy: 0x0800,
  /** refuse new flows */
  maintenance: 0x1000,
  /** in maintenance: by ICMP port unreachable */
  refuseUnreachable: 0x4000,
  /** in maintenance: by silence */
  refuseSilently: 0x8000,
} as const
export type VsFlags = (typeof VsFlags)[keyof typeof VsFlags]
