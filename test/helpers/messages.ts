/** Messages of the bus from plain values, and back: what a test says and sees. */
import {
  familyAt,
  formatAddress,
  formatEndpoint,
  parseAddress,
  parseEndpoint,
  parseHost,
} from '../../src/bus/address.js'
import type { Endpoint } from '../../src/endpoint.js'
import {
  AppFlags,
  AppLearnView,
  AppQueryView,
  AppType,
  type CntView,
  DeleteView,
  NewFlowView,
  QueryReason,
  QueryView,
  ReapView,
  ReplyView,
  ResetView,
  type SigView,
  SsmbError,
  SsmbFlags,
  StateView,
  StatsView,
  TimeoutView,
  XlatMask,
} from '../../src/generated/messages.js'

export interface FlowFields {
  serial: number
  /** 'address:port' of who sends. */
  source: string
  /** 'address:port' of whom it is sent to. */
  destination: string
  protocol?: number
  tos?: number
}

export interface QueryFields extends FlowFields {
  vsId?: number
  reason?: number
  sequence?: number
  /** As in the header of TCP. */
  tcpFlags?: number
  outbound?: boolean
  bridged?: boolean
  /** The answer before could not be carried out. */
  again?: boolean
  /** The id of the node that did not take the connection. */
  failedNode?: number
  /** Milliseconds since 1970. */
  at?: number
}

export interface CountFields {
  packetsIn?: number
  bytesIn?: number
  packetsOut?: number
  bytesOut?: number
  /** Milliseconds since 1970. */
  lastAt?: number
}

const untagged = 0xffff
export const testEpoch = Date.UTC(2026, 0, 1)

function endpoint(text: string): Endpoint {
  const parsed = parseEndpoint(text, 0) ?? parseHost(text)
  if (!parsed) throw new Error(`not an endpoint: ${text}`)
  return parsed
}

function bytesOf(view: { view: DataView }): Uint8Array {
  return new Uint8Array(view.view.buffer)
}

function fresh<View>(type: { new (view: DataView): View; size: number }): View {
  return new type(new DataView(new ArrayBuffer(type.size)))
}

function writeSig(sig: SigView, fields: FlowFields): void {
  const bytes = bytesOf(sig)
  const [source, destination] = [endpoint(fields.source), endpoint(fields.destination)]
  bytes.set(parseAddress(source.address) ?? [], sig.srcIpaddrOffset)
  bytes.set(parseAddress(destination.address) ?? [], sig.dstIpaddrOffset)
  sig.srcPort = source.port
  sig.dstPort = destination.port
  sig.protocol = fields.protocol ?? 6
  sig.tos = fields.tos ?? 0
  sig.vlanTci = untagged
}

function writeCnt(cnt: CntView, counts: CountFields): void {
  cnt.pktsInNumber = counts.packetsIn ?? 0
  cnt.bytesInNumber = counts.bytesIn ?? 0
  cnt.pktsOutNumber = counts.packetsOut ?? 0
  cnt.bytesOutNumber = counts.bytesOut ?? 0
  cnt.tLastNumber = (counts.lastAt ?? testEpoch) * 1000
}

export function queryMessage(fields: QueryFields): Uint8Array {
  const query = fresh(QueryView).clear()
  query.serial = fields.serial
  query.flags =
    (fields.outbound ? SsmbFlags.outbound : 0) |
    (fields.bridged ? SsmbFlags.bridge : 0) |
    (fields.again ? SsmbFlags.another : 0)
  writeSig(query.sig, fields)
  query.timestampNumber = (fields.at ?? testEpoch) * 1000
  query.tcpSeq = fields.sequence ?? 1
  query.tcpFlags = fields.tcpFlags ?? 0
  query.inIf = 1
  query.reason = fields.reason ?? QueryReason.open
  query.vsId = fields.vsId ?? 0
  if (fields.failedNode !== undefined) {
    query.errorCode = SsmbError.srvfail
    query.tcpAck = fields.failedNode
  }
  return bytesOf(query)
}

/** An APP_QUERY: a QUERY, and behind it what the first datagram carries. */
export function appQueryMessage(
  fields: QueryFields & { data: Uint8Array; truncated?: boolean; type?: number },
): Uint8Array {
  const bytes = new Uint8Array(AppQueryView.size + ((fields.data.length + 3) & ~3))
  bytes.set(queryMessage({ reason: QueryReason.udp, protocol: 17, ...fields }))
  bytes.set(fields.data, AppQueryView.size)
  const message = new AppQueryView(new DataView(bytes.buffer))
  message.msgType = AppQueryView.code
  message.appType = fields.type ?? AppType.datagram
  message.appFlags =
    (fields.truncated ? AppFlags.truncated : 0) | (fields.data.length > 0 ? 0 : AppFlags.absent)
  message.appLen = fields.data.length
  return bytes
}

/** An APP_LEARN: the id that a session of TLS has from its server. */
export function appLearnMessage(fields: FlowFields & { id: Uint8Array }): Uint8Array {
  const bytes = new Uint8Array(AppLearnView.size + ((fields.id.length + 3) & ~3))
  bytes.set(fields.id, AppLearnView.size)
  const message = new AppLearnView(new DataView(bytes.buffer))
  message.msgType = AppLearnView.code
  message.serial = fields.serial
  writeSig(message.sig, fields)
  message.appType = AppType.tls
  message.appLen = fields.id.length
  return bytes
}

export function deleteMessage(
  fields: FlowFields &
    CountFields & { reason: number; error?: number; flags?: number; tcpState?: number },
): Uint8Array {
  const message = fresh(DeleteView).clear()
  message.serial = fields.serial
  message.flags = fields.flags ?? 0
  message.errorCode = fields.error ?? 0
  message.reason = fields.reason
  message.tcpState = fields.tcpState ?? 0
  writeSig(message.sig, fields)
  writeCnt(message.cnt, fields)
  return bytesOf(message)
}

export function statsMessage(fields: FlowFields & CountFields & { error?: number }): Uint8Array {
  const message = fresh(StatsView).clear()
  message.serial = fields.serial
  message.errorCode = fields.error ?? 0
  writeSig(message.sig, fields)
  writeCnt(message.cnt, fields)
  return bytesOf(message)
}

/** The fields of a STATE or REPLY by which TCP's numbers are moved. */
export interface OffsetFields {
  seqOffset?: number
  ackOffset?: number
  tsvalOffset?: number
  tsecrOffset?: number
  wshiftC2s?: number
  wshiftS2c?: number
}

export interface StateFields extends FlowFields, CountFields, OffsetFields {
  nextCursor?: bigint
  error?: number
  flags?: number
  vsId?: number
  nodeId?: number
  /** What source and destination become. */
  newSource?: string
  newDestination?: string
  /** Milliseconds since 1970. */
  openedAt?: number
}

const offsetNames = [
  'seqOffset',
  'ackOffset',
  'tsvalOffset',
  'tsecrOffset',
  'wshiftC2s',
  'wshiftS2c',
] as const satisfies (keyof OffsetFields)[]

/** Nothing is moved. */
export const noOffsets = Object.fromEntries(offsetNames.map((name) => [name, 0]))

export function stateMessage(fields: StateFields): Uint8Array {
  const message = fresh(StateView).clear()
  message.flags = fields.flags ?? 0
  message.xlat.vsId = fields.vsId ?? 0
  message.xlat.nodeId = fields.nodeId ?? 0
  message.cnt.tOpenNumber = (fields.openedAt ?? testEpoch) * 1000
  for (const name of offsetNames) message.xlat[name] = fields[name] ?? 0
  message.serial = fields.serial
  message.errorCode = fields.error ?? 0
  message.nextCursor = fields.nextCursor ?? 0n
  writeSig(message.sig, fields)
  writeCnt(message.cnt, fields)
  writeTranslation(message, fields)
  return bytesOf(message)
}

/** What source and destination of its packets become. */
function writeTranslation(message: StateView, { newSource, newDestination }: StateFields): void {
  const { xlat } = message
  if (newSource !== undefined) {
    const { address, port } = endpoint(newSource)
    bytesOf(message).set(parseAddress(address) ?? [], xlat.xlatSrcIpaddrOffset)
    xlat.xlatSrcPort = port
    xlat.xlatMask |= XlatMask.srcAddr | XlatMask.srcPort
  }
  if (newDestination !== undefined) {
    const { address, port } = endpoint(newDestination)
    bytesOf(message).set(parseAddress(address) ?? [], xlat.xlatDstIpaddrOffset)
    xlat.xlatDstPort = port
    xlat.xlatMask |= XlatMask.dstAddr | XlatMask.dstPort
  }
}

/** To that server, by translation of the destination. */
export function newFlowMessage(fields: FlowFields & { server: string; nodeId?: number }) {
  const message = fresh(NewFlowView).clear()
  const { xlat } = message
  const { address, port } = endpoint(fields.server)
  message.serial = fields.serial
  message.flags = SsmbFlags.routeByDst
  writeSig(message.sig, fields)
  bytesOf(message).set(parseAddress(address) ?? [], xlat.xlatDstIpaddrOffset)
  xlat.xlatDstPort = port
  xlat.xlatMask = XlatMask.dstAddr | XlatMask.dstPort | XlatMask.decTtl
  xlat.nodeId = fields.nodeId ?? 0
  return bytesOf(message)
}

/** A REAP or a TIMEOUT. */
export function askingMessage(
  type: typeof ReapView | typeof TimeoutView,
  fields: FlowFields & { idleSecs: number },
): Uint8Array {
  const message = fresh<ReapView | TimeoutView>(type).clear()
  message.serial = fields.serial
  message.idleSecs = fields.idleSecs
  writeSig(message.sig, fields)
  return bytesOf(message)
}

export function resetMessage(scope: number): Uint8Array {
  const message = fresh(ResetView).clear()
  message.scope = scope
  return bytesOf(message)
}

function endpointAt(view: DataView, addressAt: number, port: number): string | null {
  const bytes = new Uint8Array(view.buffer, view.byteOffset)
  if (bytes.subarray(addressAt, addressAt + 16).every((byte) => byte === 0)) return null
  return formatEndpoint({
    address: formatAddress(bytes, addressAt),
    port,
    family: familyAt(bytes, addressAt),
  })
}

/** A REPLY as a test compares it. */
export function readReply(bytes: Uint8Array) {
  const reply = new ReplyView(new DataView(bytes.buffer, bytes.byteOffset))
  const { sig, xlat, view } = reply
  return {
    serial: reply.serial,
    error: reply.errorCode,
    flags: reply.flags,
    source: endpointAt(view, sig.srcIpaddrOffset, sig.srcPort),
    destination: endpointAt(view, sig.dstIpaddrOffset, sig.dstPort),
    protocol: sig.protocol,
    tos: sig.tos,
    vlanTci: sig.vlanTci,
    mask: xlat.xlatMask,
    newSourcePort: xlat.xlatSrcPort,
    newSource: endpointAt(view, xlat.xlatSrcIpaddrOffset, xlat.xlatSrcPort),
    newDestination: endpointAt(view, xlat.xlatDstIpaddrOffset, xlat.xlatDstPort),
    nextHop: endpointAt(view, xlat.nextHopIpaddrOffset, 0),
    idleSeconds: xlat.idleTimeout,
    offsets: Object.fromEntries(offsetNames.map((name) => [name, xlat[name]])),
    nodeId: xlat.nodeId,
    vsId: xlat.vsId,
  }
}

export type Reply = ReturnType<typeof readReply>

/** What a control segment asks of its own accord, as a test compares it; undefined for other messages. */
export function readRequest(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  switch (bytes[0]) {
    case ReapView.code:
      return { kind: 'REAP', ...readAsked(new ReapView(view)) }
    case TimeoutView.code:
      return { kind: 'TIMEOUT', ...readAsked(new TimeoutView(view)) }
    case ResetView.code:
      return { kind: 'RESET', scope: new ResetView(view).scope }
    default:
      return undefined
  }
}

function readAsked({ sig, view, serial, idleSecs }: ReapView | TimeoutView) {
  const source = endpointAt(view, sig.srcIpaddrOffset, sig.srcPort)
  const destination = endpointAt(view, sig.dstIpaddrOffset, sig.dstPort)
  return { serial, source, destination, tos: sig.tos, idleSecs }
}

export type Request = NonNullable<ReturnType<typeof readRequest>>
