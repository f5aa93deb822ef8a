// generated from native/bus/streams.def, do not edit

/**
 * The messages between the engine and its sockets. A view reads and writes one message in place: make
 * one, then move it by setting `at` (and `view`).
 */

export class OpenSocketMessage {
  static readonly code = 0x01
  static readonly size = 56

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

  get reason(): number {
    return this.view.getUint8(this.at + 1)
  }
  set reason(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get socket(): number {
    return this.view.getUint32(this.at + 4)
  }
  set socket(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  get length(): number {
    return this.view.getUint32(this.at + 8)
  }
  set length(value: number) {
    this.view.setUint32(this.at + 8, value)
  }

  get request(): number {
    return this.view.getUint32(this.at + 12)
  }
  set request(value: number) {
    this.view.setUint32(this.at + 12, value)
  }

  /** Where the 16 bytes of the address stand in `view`. */
  get srcIpaddrOffset(): number {
    return this.at + 16
  }

  /** Where the 16 bytes of the address stand in `view`. */
  get dstIpaddrOffset(): number {
    return this.at + 32
  }

  get srcPort(): number {
    return this.view.getUint16(this.at + 48)
  }
  set srcPort(value: number) {
    this.view.setUint16(this.at + 48, value)
  }

  get dstPort(): number {
    return this.view.getUint16(this.at + 50)
  }
  set dstPort(value: number) {
    this.view.setUint16(this.at + 50, value)
  }

  get protocol(): number {
    return this.view.getUint8(this.at + 52)
  }
  set protocol(value: number) {
    this.view.setUint8(this.at + 52, value)
  }

  get mirror(): number {
    return this.view.getUint8(this.at + 53)
  }
  set mirror(value: number) {
    this.view.setUint8(this.at + 53, value)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < OpenSocketMessage.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = OpenSocketMessage.code
    this.length = OpenSocketMessage.size
    return this
  }
}

export class WriteSocketMessage {
  static readonly code = 0x02
  static readonly size = 12

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

  get reason(): number {
    return this.view.getUint8(this.at + 1)
  }
  set reason(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get socket(): number {
    return this.view.getUint32(this.at + 4)
  }
  set socket(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  get length(): number {
    return this.view.getUint32(this.at + 8)
  }
  set length(value: number) {
    this.view.setUint32(this.at + 8, value)
  }

  /** All bytes after the fixed part, in place. */
  get bytes(): Uint8Array {
    const start = this.view.byteOffset + this.at + 12
    return new Uint8Array(this.view.buffer, start, this.length - 12)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < WriteSocketMessage.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = WriteSocketMessage.code
    this.length = WriteSocketMessage.size
    return this
  }
}

export class ReadSocketMessage {
  static readonly code = 0x03
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

  get reason(): number {
    return this.view.getUint8(this.at + 1)
  }
  set reason(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get socket(): number {
    return this.view.getUint32(this.at + 4)
  }
  set socket(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  get length(): number {
    return this.view.getUint32(this.at + 8)
  }
  set length(value: number) {
    this.view.setUint32(this.at + 8, value)
  }

  get credit(): number {
    return this.view.getUint32(this.at + 12)
  }
  set credit(value: number) {
    this.view.setUint32(this.at + 12, value)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < ReadSocketMessage.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = ReadSocketMessage.code
    this.length = ReadSocketMessage.size
    return this
  }
}

export class ShutSocketMessage {
  static readonly code = 0x04
  static readonly size = 12

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

  get reason(): number {
    return this.view.getUint8(this.at + 1)
  }
  set reason(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get socket(): number {
    return this.view.getUint32(this.at + 4)
  }
  set socket(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  get length(): number {
    return this.view.getUint32(this.at + 8)
  }
  set length(value: number) {
    this.view.setUint32(this.at + 8, value)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < ShutSocketMessage.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = ShutSocketMessage.code
    this.length = ShutSocketMessage.size
    return this
  }
}

export class CloseSocketMessage {
  static readonly code = 0x05
  static readonly size = 12

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

  get reason(): number {
    return this.view.getUint8(this.at + 1)
  }
  set reason(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get socket(): number {
    return this.view.getUint32(this.at + 4)
  }
  set socket(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  get length(): number {
    return this.view.getUint32(this.at + 8)
  }
  set length(value: number) {
    this.view.setUint32(this.at + 8, value)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < CloseSocketMessage.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = CloseSocketMessage.code
    this.length = CloseSocketMessage.size
    return this
  }
}

export class AbortSocketMessage {
  static readonly code = 0x06
  static readonly size = 12

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

  get reason(): number {
    return this.view.getUint8(this.at + 1)
  }
  set reason(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get socket(): number {
    return this.view.getUint32(this.at + 4)
  }
  set socket(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  get length(): number {
    return this.view.getUint32(this.at + 8)
  }
  set length(value: number) {
    this.view.setUint32(this.at + 8, value)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < AbortSocketMessage.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = AbortSocketMessage.code
    this.length = AbortSocketMessage.size
    return this
  }
}

export class SetSocketMessage {
  static readonly code = 0x07
  static readonly size = 20

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

  get reason(): number {
    return this.view.getUint8(this.at + 1)
  }
  set reason(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get socket(): number {
    return this.view.getUint32(this.at + 4)
  }
  set socket(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  get length(): number {
    return this.view.getUint32(this.at + 8)
  }
  set length(value: number) {
    this.view.setUint32(this.at + 8, value)
  }

  get option(): number {
    return this.view.getUint16(this.at + 12)
  }
  set option(value: number) {
    this.view.setUint16(this.at + 12, value)
  }

  get value(): number {
    return this.view.getUint32(this.at + 16)
  }
  set value(value: number) {
    this.view.setUint32(this.at + 16, value)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < SetSocketMessage.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = SetSocketMessage.code
    this.length = SetSocketMessage.size
    return this
  }
}

export class HoldSocketMessage {
  static readonly code = 0x08
  static readonly size = 12

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

  get reason(): number {
    return this.view.getUint8(this.at + 1)
  }
  set reason(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get socket(): number {
    return this.view.getUint32(this.at + 4)
  }
  set socket(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  get length(): number {
    return this.view.getUint32(this.at + 8)
  }
  set length(value: number) {
    this.view.setUint32(this.at + 8, value)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < HoldSocketMessage.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = HoldSocketMessage.code
    this.length = HoldSocketMessage.size
    return this
  }
}

export class RelaySocketMessage {
  static readonly code = 0x09
  static readonly size = 32

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

  get reason(): number {
    return this.view.getUint8(this.at + 1)
  }
  set reason(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get socket(): number {
    return this.view.getUint32(this.at + 4)
  }
  set socket(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  get length(): number {
    return this.view.getUint32(this.at + 8)
  }
  set length(value: number) {
    this.view.setUint32(this.at + 8, value)
  }

  get target(): number {
    return this.view.getUint32(this.at + 12)
  }
  set target(value: number) {
    this.view.setUint32(this.at + 12, value)
  }

  get headroom(): number {
    return this.view.getUint32(this.at + 16)
  }
  set headroom(value: number) {
    this.view.setUint32(this.at + 16, value)
  }

  get ends(): number {
    return this.view.getUint8(this.at + 20)
  }
  set ends(value: number) {
    this.view.setUint8(this.at + 20, value)
  }

  get count(): number {
    return this.view.getUint8(this.at + 21)
  }
  set count(value: number) {
    this.view.setUint8(this.at + 21, value)
  }

  get depth(): number {
    return this.view.getUint8(this.at + 22)
  }
  set depth(value: number) {
    this.view.setUint8(this.at + 22, value)
  }

  get bytes(): bigint {
    return this.view.getBigUint64(this.at + 24)
  }
  set bytes(value: bigint) {
    this.view.setBigUint64(this.at + 24, value)
  }
  get bytesNumber(): number {
    return this.view.getUint32(this.at + 24) * 0x1_0000_0000 + this.view.getUint32(this.at + 28)
  }
  set bytesNumber(value: number) {
    this.view.setUint32(this.at + 24, Math.floor(value / 0x1_0000_0000))
    this.view.setUint32(this.at + 28, value >>> 0)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < RelaySocketMessage.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = RelaySocketMessage.code
    this.length = RelaySocketMessage.size
    return this
  }
}

export class UnrelaySocketMessage {
  static readonly code = 0x0a
  static readonly size = 12

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

  get reason(): number {
    return this.view.getUint8(this.at + 1)
  }
  set reason(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get socket(): number {
    return this.view.getUint32(this.at + 4)
  }
  set socket(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  get length(): number {
    return this.view.getUint32(this.at + 8)
  }
  set length(value: number) {
    this.view.setUint32(this.at + 8, value)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < UnrelaySocketMessage.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = UnrelaySocketMessage.code
    this.length = UnrelaySocketMessage.size
    return this
  }
}

export class AskSocketMessage {
  static readonly code = 0x0b
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

  get reason(): number {
    return this.view.getUint8(this.at + 1)
  }
  set reason(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get socket(): number {
    return this.view.getUint32(this.at + 4)
  }
  set socket(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  get length(): number {
    return this.view.getUint32(this.at + 8)
  }
  set length(value: number) {
    this.view.setUint32(this.at + 8, value)
  }

  get request(): number {
    return this.view.getUint32(this.at + 12)
  }
  set request(value: number) {
    this.view.setUint32(this.at + 12, value)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < AskSocketMessage.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = AskSocketMessage.code
    this.length = AskSocketMessage.size
    return this
  }
}

export class ForgetSocketMessage {
  static readonly code = 0x0c
  static readonly size = 12

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

  get reason(): number {
    return this.view.getUint8(this.at + 1)
  }
  set reason(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get socket(): number {
    return this.view.getUint32(this.at + 4)
  }
  set socket(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  get length(): number {
    return this.view.getUint32(this.at + 8)
  }
  set length(value: number) {
    this.view.setUint32(this.at + 8, value)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < ForgetSocketMessage.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = ForgetSocketMessage.code
    this.length = ForgetSocketMessage.size
    return this
  }
}

export class KeepTimeWaitMessage {
  static readonly code = 0x0d
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

  get reason(): number {
    return this.view.getUint8(this.at + 1)
  }
  set reason(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get socket(): number {
    return this.view.getUint32(this.at + 4)
  }
  set socket(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  get length(): number {
    return this.view.getUint32(this.at + 8)
  }
  set length(value: number) {
    this.view.setUint32(this.at + 8, value)
  }

  get entry(): number {
    return this.view.getUint32(this.at + 12)
  }
  set entry(value: number) {
    this.view.setUint32(this.at + 12, value)
  }

  get serial(): number {
    return this.view.getUint32(this.at + 16)
  }
  set serial(value: number) {
    this.view.setUint32(this.at + 16, value)
  }

  get keepMs(): number {
    return this.view.getUint32(this.at + 20)
  }
  set keepMs(value: number) {
    this.view.setUint32(this.at + 20, value)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < KeepTimeWaitMessage.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = KeepTimeWaitMessage.code
    this.length = KeepTimeWaitMessage.size
    return this
  }
}

export class AcceptedMessage {
  static readonly code = 0x41
  static readonly size = 64

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

  get reason(): number {
    return this.view.getUint8(this.at + 1)
  }
  set reason(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get socket(): number {
    return this.view.getUint32(this.at + 4)
  }
  set socket(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  get length(): number {
    return this.view.getUint32(this.at + 8)
  }
  set length(value: number) {
    this.view.setUint32(this.at + 8, value)
  }

  get serial(): number {
    return this.view.getUint32(this.at + 12)
  }
  set serial(value: number) {
    this.view.setUint32(this.at + 12, value)
  }

  /** Where the 16 bytes of the address stand in `view`. */
  get remoteIpaddrOffset(): number {
    return this.at + 16
  }

  /** Where the 16 bytes of the address stand in `view`. */
  get localIpaddrOffset(): number {
    return this.at + 32
  }

  get remotePort(): number {
    return this.view.getUint16(this.at + 48)
  }
  set remotePort(value: number) {
    this.view.setUint16(this.at + 48, value)
  }

  get localPort(): number {
    return this.view.getUint16(this.at + 50)
  }
  set localPort(value: number) {
    this.view.setUint16(this.at + 50, value)
  }

  get vsId(): number {
    return this.view.getUint32(this.at + 52)
  }
  set vsId(value: number) {
    this.view.setUint32(this.at + 52, value)
  }

  get credit(): number {
    return this.view.getUint32(this.at + 56)
  }
  set credit(value: number) {
    this.view.setUint32(this.at + 56, value)
  }

  get options(): number {
    return this.view.getUint16(this.at + 60)
  }
  set options(value: number) {
    this.view.setUint16(this.at + 60, value)
  }

  get mss(): number {
    return this.view.getUint16(this.at + 62)
  }
  set mss(value: number) {
    this.view.setUint16(this.at + 62, value)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < AcceptedMessage.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = AcceptedMessage.code
    this.length = AcceptedMessage.size
    return this
  }
}

export class OpeningMessage {
  static readonly code = 0x42
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

  get reason(): number {
    return this.view.getUint8(this.at + 1)
  }
  set reason(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get socket(): number {
    return this.view.getUint32(this.at + 4)
  }
  set socket(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  get length(): number {
    return this.view.getUint32(this.at + 8)
  }
  set length(value: number) {
    this.view.setUint32(this.at + 8, value)
  }

  get request(): number {
    return this.view.getUint32(this.at + 12)
  }
  set request(value: number) {
    this.view.setUint32(this.at + 12, value)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < OpeningMessage.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = OpeningMessage.code
    this.length = OpeningMessage.size
    return this
  }
}

export class CannotOpenMessage {
  static readonly code = 0x43
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

  get reason(): number {
    return this.view.getUint8(this.at + 1)
  }
  set reason(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get socket(): number {
    return this.view.getUint32(this.at + 4)
  }
  set socket(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  get length(): number {
    return this.view.getUint32(this.at + 8)
  }
  set length(value: number) {
    this.view.setUint32(this.at + 8, value)
  }

  get request(): number {
    return this.view.getUint32(this.at + 12)
  }
  set request(value: number) {
    this.view.setUint32(this.at + 12, value)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < CannotOpenMessage.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = CannotOpenMessage.code
    this.length = CannotOpenMessage.size
    return this
  }
}

export class ConnectedMessage {
  static readonly code = 0x44
  static readonly size = 64

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

  get reason(): number {
    return this.view.getUint8(this.at + 1)
  }
  set reason(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get socket(): number {
    return this.view.getUint32(this.at + 4)
  }
  set socket(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  get length(): number {
    return this.view.getUint32(this.at + 8)
  }
  set length(value: number) {
    this.view.setUint32(this.at + 8, value)
  }

  get serial(): number {
    return this.view.getUint32(this.at + 12)
  }
  set serial(value: number) {
    this.view.setUint32(this.at + 12, value)
  }

  /** Where the 16 bytes of the address stand in `view`. */
  get remoteIpaddrOffset(): number {
    return this.at + 16
  }

  /** Where the 16 bytes of the address stand in `view`. */
  get localIpaddrOffset(): number {
    return this.at + 32
  }

  get remotePort(): number {
    return this.view.getUint16(this.at + 48)
  }
  set remotePort(value: number) {
    this.view.setUint16(this.at + 48, value)
  }

  get localPort(): number {
    return this.view.getUint16(this.at + 50)
  }
  set localPort(value: number) {
    this.view.setUint16(this.at + 50, value)
  }

  get credit(): number {
    return this.view.getUint32(this.at + 56)
  }
  set credit(value: number) {
    this.view.setUint32(this.at + 56, value)
  }

  get options(): number {
    return this.view.getUint16(this.at + 60)
  }
  set options(value: number) {
    this.view.setUint16(this.at + 60, value)
  }

  get mss(): number {
    return this.view.getUint16(this.at + 62)
  }
  set mss(value: number) {
    this.view.setUint16(this.at + 62, value)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < ConnectedMessage.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = ConnectedMessage.code
    this.length = ConnectedMessage.size
    return this
  }
}

export class DataMessage {
  static readonly code = 0x45
  static readonly size = 12

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

  get reason(): number {
    return this.view.getUint8(this.at + 1)
  }
  set reason(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get socket(): number {
    return this.view.getUint32(this.at + 4)
  }
  set socket(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  get length(): number {
    return this.view.getUint32(this.at + 8)
  }
  set length(value: number) {
    this.view.setUint32(this.at + 8, value)
  }

  /** All bytes after the fixed part, in place. */
  get bytes(): Uint8Array {
    const start = this.view.byteOffset + this.at + 12
    return new Uint8Array(this.view.buffer, start, this.length - 12)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < DataMessage.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = DataMessage.code
    this.length = DataMessage.size
    return this
  }
}

export class EndedMessage {
  static readonly code = 0x46
  static readonly size = 12

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

  get reason(): number {
    return this.view.getUint8(this.at + 1)
  }
  set reason(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get socket(): number {
    return this.view.getUint32(this.at + 4)
  }
  set socket(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  get length(): number {
    return this.view.getUint32(this.at + 8)
  }
  set length(value: number) {
    this.view.setUint32(this.at + 8, value)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < EndedMessage.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = EndedMessage.code
    this.length = EndedMessage.size
    return this
  }
}

export class WritableMessage {
  static readonly code = 0x47
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

  get reason(): number {
    return this.view.getUint8(this.at + 1)
  }
  set reason(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get socket(): number {
    return this.view.getUint32(this.at + 4)
  }
  set socket(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  get length(): number {
    return this.view.getUint32(this.at + 8)
  }
  set length(value: number) {
    this.view.setUint32(this.at + 8, value)
  }

  get credit(): number {
    return this.view.getUint32(this.at + 12)
  }
  set credit(value: number) {
    this.view.setUint32(this.at + 12, value)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < WritableMessage.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = WritableMessage.code
    this.length = WritableMessage.size
    return this
  }
}

export class HeldMessage {
  static readonly code = 0x48
  static readonly size = 12

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

  get reason(): number {
    return this.view.getUint8(this.at + 1)
  }
  set reason(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get socket(): number {
    return this.view.getUint32(this.at + 4)
  }
  set socket(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  get length(): number {
    return this.view.getUint32(this.at + 8)
  }
  set length(value: number) {
    this.view.setUint32(this.at + 8, value)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < HeldMessage.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = HeldMessage.code
    this.length = HeldMessage.size
    return this
  }
}

export class UnrelayedMessage {
  static readonly code = 0x49
  static readonly size = 28

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

  get reason(): number {
    return this.view.getUint8(this.at + 1)
  }
  set reason(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get socket(): number {
    return this.view.getUint32(this.at + 4)
  }
  set socket(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  get length(): number {
    return this.view.getUint32(this.at + 8)
  }
  set length(value: number) {
    this.view.setUint32(this.at + 8, value)
  }

  get bytes(): bigint {
    return this.view.getBigUint64(this.at + 12)
  }
  set bytes(value: bigint) {
    this.view.setBigUint64(this.at + 12, value)
  }
  get bytesNumber(): number {
    return this.view.getUint32(this.at + 12) * 0x1_0000_0000 + this.view.getUint32(this.at + 16)
  }
  set bytesNumber(value: number) {
    this.view.setUint32(this.at + 12, Math.floor(value / 0x1_0000_0000))
    this.view.setUint32(this.at + 16, value >>> 0)
  }

  get datagrams(): bigint {
    return this.view.getBigUint64(this.at + 20)
  }
  set datagrams(value: bigint) {
    this.view.setBigUint64(this.at + 20, value)
  }
  get datagramsNumber(): number {
    return this.view.getUint32(this.at + 20) * 0x1_0000_0000 + this.view.getUint32(this.at + 24)
  }
  set datagramsNumber(value: number) {
    this.view.setUint32(this.at + 20, Math.floor(value / 0x1_0000_0000))
    this.view.setUint32(this.at + 24, value >>> 0)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < UnrelayedMessage.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = UnrelayedMessage.code
    this.length = UnrelayedMessage.size
    return this
  }
}

export class SplicedMessage {
  static readonly code = 0x4e
  static readonly size = 12

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

  get reason(): number {
    return this.view.getUint8(this.at + 1)
  }
  set reason(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get socket(): number {
    return this.view.getUint32(this.at + 4)
  }
  set socket(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  get length(): number {
    return this.view.getUint32(this.at + 8)
  }
  set length(value: number) {
    this.view.setUint32(this.at + 8, value)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < SplicedMessage.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = SplicedMessage.code
    this.length = SplicedMessage.size
    return this
  }
}

export class ClosedMessage {
  static readonly code = 0x4a
  static readonly size = 28

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

  get reason(): number {
    return this.view.getUint8(this.at + 1)
  }
  set reason(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get socket(): number {
    return this.view.getUint32(this.at + 4)
  }
  set socket(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  get length(): number {
    return this.view.getUint32(this.at + 8)
  }
  set length(value: number) {
    this.view.setUint32(this.at + 8, value)
  }

  get bytesReceived(): bigint {
    return this.view.getBigUint64(this.at + 12)
  }
  set bytesReceived(value: bigint) {
    this.view.setBigUint64(this.at + 12, value)
  }
  get bytesReceivedNumber(): number {
    return this.view.getUint32(this.at + 12) * 0x1_0000_0000 + this.view.getUint32(this.at + 16)
  }
  set bytesReceivedNumber(value: number) {
    this.view.setUint32(this.at + 12, Math.floor(value / 0x1_0000_0000))
    this.view.setUint32(this.at + 16, value >>> 0)
  }

  get bytesSent(): bigint {
    return this.view.getBigUint64(this.at + 20)
  }
  set bytesSent(value: bigint) {
    this.view.setBigUint64(this.at + 20, value)
  }
  get bytesSentNumber(): number {
    return this.view.getUint32(this.at + 20) * 0x1_0000_0000 + this.view.getUint32(this.at + 24)
  }
  set bytesSentNumber(value: number) {
    this.view.setUint32(this.at + 20, Math.floor(value / 0x1_0000_0000))
    this.view.setUint32(this.at + 24, value >>> 0)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < ClosedMessage.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = ClosedMessage.code
    this.length = ClosedMessage.size
    return this
  }
}

export class TimeWaitMessage {
  static readonly code = 0x4b
  static readonly size = 32

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

  get reason(): number {
    return this.view.getUint8(this.at + 1)
  }
  set reason(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get socket(): number {
    return this.view.getUint32(this.at + 4)
  }
  set socket(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  get length(): number {
    return this.view.getUint32(this.at + 8)
  }
  set length(value: number) {
    this.view.setUint32(this.at + 8, value)
  }

  get entry(): number {
    return this.view.getUint32(this.at + 12)
  }
  set entry(value: number) {
    this.view.setUint32(this.at + 12, value)
  }

  get serial(): number {
    return this.view.getUint32(this.at + 16)
  }
  set serial(value: number) {
    this.view.setUint32(this.at + 16, value)
  }

  get vsId(): number {
    return this.view.getUint32(this.at + 20)
  }
  set vsId(value: number) {
    this.view.setUint32(this.at + 20, value)
  }

  get bytesFreed(): number {
    return this.view.getUint32(this.at + 24)
  }
  set bytesFreed(value: number) {
    this.view.setUint32(this.at + 24, value)
  }

  get inTimeWait(): number {
    return this.view.getUint32(this.at + 28)
  }
  set inTimeWait(value: number) {
    this.view.setUint32(this.at + 28, value)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < TimeWaitMessage.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = TimeWaitMessage.code
    this.length = TimeWaitMessage.size
    return this
  }
}

export class RoomMessage {
  static readonly code = 0x4d
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

  get reason(): number {
    return this.view.getUint8(this.at + 1)
  }
  set reason(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get socket(): number {
    return this.view.getUint32(this.at + 4)
  }
  set socket(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  get length(): number {
    return this.view.getUint32(this.at + 8)
  }
  set length(value: number) {
    this.view.setUint32(this.at + 8, value)
  }

  get chunks(): number {
    return this.view.getUint32(this.at + 12)
  }
  set chunks(value: number) {
    this.view.setUint32(this.at + 12, value)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < RoomMessage.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = RoomMessage.code
    this.length = RoomMessage.size
    return this
  }
}

export class SocketStateMessage {
  static readonly code = 0x4c
  static readonly size = 96

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

  get reason(): number {
    return this.view.getUint8(this.at + 1)
  }
  set reason(value: number) {
    this.view.setUint8(this.at + 1, value)
  }

  get flags(): number {
    return this.view.getUint16(this.at + 2)
  }
  set flags(value: number) {
    this.view.setUint16(this.at + 2, value)
  }

  get socket(): number {
    return this.view.getUint32(this.at + 4)
  }
  set socket(value: number) {
    this.view.setUint32(this.at + 4, value)
  }

  get length(): number {
    return this.view.getUint32(this.at + 8)
  }
  set length(value: number) {
    this.view.setUint32(this.at + 8, value)
  }

  get request(): number {
    return this.view.getUint32(this.at + 12)
  }
  set request(value: number) {
    this.view.setUint32(this.at + 12, value)
  }

  get tcpState(): number {
    return this.view.getUint8(this.at + 16)
  }
  set tcpState(value: number) {
    this.view.setUint8(this.at + 16, value)
  }

  get options(): number {
    return this.view.getUint8(this.at + 17)
  }
  set options(value: number) {
    this.view.setUint8(this.at + 17, value)
  }

  get sndWscale(): number {
    return this.view.getUint8(this.at + 18)
  }
  set sndWscale(value: number) {
    this.view.setUint8(this.at + 18, value)
  }

  get rcvWscale(): number {
    return this.view.getUint8(this.at + 19)
  }
  set rcvWscale(value: number) {
    this.view.setUint8(this.at + 19, value)
  }

  get srttUs(): number {
    return this.view.getUint32(this.at + 20)
  }
  set srttUs(value: number) {
    this.view.setUint32(this.at + 20, value)
  }

  get rttvarUs(): number {
    return this.view.getUint32(this.at + 24)
  }
  set rttvarUs(value: number) {
    this.view.setUint32(this.at + 24, value)
  }

  get rtoUs(): number {
    return this.view.getUint32(this.at + 28)
  }
  set rtoUs(value: number) {
    this.view.setUint32(this.at + 28, value)
  }

  get cwnd(): number {
    return this.view.getUint32(this.at + 32)
  }
  set cwnd(value: number) {
    this.view.setUint32(this.at + 32, value)
  }

  get ssthresh(): number {
    return this.view.getUint32(this.at + 36)
  }
  set ssthresh(value: number) {
    this.view.setUint32(this.at + 36, value)
  }

  get flight(): number {
    return this.view.getUint32(this.at + 40)
  }
  set flight(value: number) {
    this.view.setUint32(this.at + 40, value)
  }

  get sndWnd(): number {
    return this.view.getUint32(this.at + 44)
  }
  set sndWnd(value: number) {
    this.view.setUint32(this.at + 44, value)
  }

  get rcvWnd(): number {
    return this.view.getUint32(this.at + 48)
  }
  set rcvWnd(value: number) {
    this.view.setUint32(this.at + 48, value)
  }

  get sendQueued(): number {
    return this.view.getUint32(this.at + 52)
  }
  set sendQueued(value: number) {
    this.view.setUint32(this.at + 52, value)
  }

  get receiveQueued(): number {
    return this.view.getUint32(this.at + 56)
  }
  set receiveQueued(value: number) {
    this.view.setUint32(this.at + 56, value)
  }

  get share(): number {
    return this.view.getUint32(this.at + 60)
  }
  set share(value: number) {
    this.view.setUint32(this.at + 60, value)
  }

  get mss(): number {
    return this.view.getUint32(this.at + 64)
  }
  set mss(value: number) {
    this.view.setUint32(this.at + 64, value)
  }

  get mtu(): number {
    return this.view.getUint32(this.at + 68)
  }
  set mtu(value: number) {
    this.view.setUint32(this.at + 68, value)
  }

  get idleMs(): number {
    return this.view.getUint32(this.at + 72)
  }
  set idleMs(value: number) {
    this.view.setUint32(this.at + 72, value)
  }

  get bytesReceived(): bigint {
    return this.view.getBigUint64(this.at + 76)
  }
  set bytesReceived(value: bigint) {
    this.view.setBigUint64(this.at + 76, value)
  }
  get bytesReceivedNumber(): number {
    return this.view.getUint32(this.at + 76) * 0x1_0000_0000 + this.view.getUint32(this.at + 80)
  }
  set bytesReceivedNumber(value: number) {
    this.view.setUint32(this.at + 76, Math.floor(value / 0x1_0000_0000))
    this.view.setUint32(this.at + 80, value >>> 0)
  }

  get bytesSent(): bigint {
    return this.view.getBigUint64(this.at + 84)
  }
  set bytesSent(value: bigint) {
    this.view.setBigUint64(this.at + 84, value)
  }
  get bytesSentNumber(): number {
    return this.view.getUint32(this.at + 84) * 0x1_0000_0000 + this.view.getUint32(this.at + 88)
  }
  set bytesSentNumber(value: number) {
    this.view.setUint32(this.at + 84, Math.floor(value / 0x1_0000_0000))
    this.view.setUint32(this.at + 88, value >>> 0)
  }

  /** Starts a message here: its type, and 0 in every other field. */
  clear(): this {
    for (let i = 0; i < SocketStateMessage.size; i += 4) this.view.setUint32(this.at + i, 0)
    this.msgType = SocketStateMessage.code
    this.length = SocketStateMessage.size
    return this
  }
}

export const StreamEnd = {
  /** both sides closed */
  finished: 0,
  /** reset by the peer */
  reset: 1,
  /** the peer answered the SYN by a RST, or a datagram by an ICMP port unreachable */
  refused: 2,
  /** the peer is silent */
  timedOut: 3,
  /** aborted by its user, or by the end of its virtual server */
  aborted: 4,
  /** no route to the address, or its next hop does not answer */
  noRoute: 5,
  /** the memory of connections, of buffers or of flows is used up */
  noMemory: 6,
  /** another flow has the same addresses and ports */
  tupleInUse: 7,
  /** the socket to associate with is gone */
  noSuchSocket: 8,
  /** not an address that a connection can be opened from, or to */
  badAddress: 9,
} as const
export type StreamEnd = (typeof StreamEnd)[keyof typeof StreamEnd]

export const SocketProtocol = {
  /** a connection */
  tcp: 6,
  /** a flow of datagrams */
  udp: 17,
} as const
export type SocketProtocol = (typeof SocketProtocol)[keyof typeof SocketProtocol]

export const SocketCredit = {
  /** that a datagram takes beside its bytes */
  eachDatagram: 64,
} as const
export type SocketCredit = (typeof SocketCredit)[keyof typeof SocketCredit]

export const SocketOption = {
  /** whether small segments go at once */
  noDelay: 1,
  /** seconds after which a silent peer is probed; 0: never */
  keepAlive: 2,
  /** DSCP in the upper six bits */
  tos: 3,
  /** of UDP: seconds without a datagram of either side after which the pair is over; 0: as usual */
  idle: 4,
} as const
export type SocketOption = (typeof SocketOption)[keyof typeof SocketOption]

export const RelayEnds = {
  /** the end of a socket ends the other, a reset resets it */
  pass: 0,
  /** at the end of either the bytes move no longer */
  stay: 1,
} as const
export type RelayEnds = (typeof RelayEnds)[keyof typeof RelayEnds]

export const RelayCount = {
  /** nothing is counted: they move until told otherwise */
  none: 0,
  /** behind `bytes` of them this direction ends */
  one: 1,
  /** behind `bytes` of them both directions end */
  pair: 2,
  /** they count towards the `pair` of the target, which relays to this socket already; where it does no longer, that is over at once */
  shared: 3,
} as const
export type RelayCount = (typeof RelayCount)[keyof typeof RelayCount]

export const RelayDepth = {
  /** the engine runs both connections */
  relay: 0,
  /** the hosts at the ends do, as soon as they can */
  splice: 1,
  /** as soon as they can, unless it is for less than a million bytes */
  automatic: 2,
} as const
export type RelayDepth = (typeof RelayDepth)[keyof typeof RelayDepth]

export const SpliceBlock = {
  /** it is spliced */
  none: 0,
  /** timestamps or ECN are agreed on with one side alone */
  options: 1,
  /** a side was promised more room than the other one has */
  window: 2,
  /** bytes have still to be sent */
  inflight: 3,
  /** bytes have still to be moved */
  buffered: 4,
  /** one side may send larger segments than the other one takes */
  fragmenting: 5,
  /** a side has ended */
  closing: 6,
  /** the two connections were opened apart, or are of two IP versions */
  apart: 7,
  /** it is spliced and cannot come back, since a side has ended */
  stays: 8,
} as const
export type SpliceBlock = (typeof SpliceBlock)[keyof typeof SpliceBlock]

export const SocketOptions = {
  /** timestamps are agreed on */
  timestamps: 0x0001,
  /** SACK is agreed on */
  sack: 0x0002,
  /** window scaling is agreed on */
  windowScale: 0x0004,
  /** ECN is agreed on */
  ecn: 0x0008,
} as const
export type SocketOptions = (typeof SocketOptions)[keyof typeof SocketOptions]
