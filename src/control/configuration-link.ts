/** Tells the data flow segment of its configuration, and collects what it acknowledges (CS-05). */
import type { MessageWriter } from '../bus/writer.js'
import type { ResolvedInspect, ResolvedVirtualServer } from '../config/resolved.js'
import { SluiceError } from '../errors.js'
import {
  type AckView,
  AddSourceView,
  AddVsView,
  CsmbError,
  DeleteSourceView,
  DeleteVsView,
  SourceFlags,
  VsClass,
  VsFlags,
} from '../generated/messages.js'
import { protocolNumber } from '../protocol.js'
import type { SourceAddress } from './source-addresses.js'
import type { VirtualServer } from './virtual-server.js'

/** The first message of a connection has 1; 65535 wraps to 0. */
const nextSerial = (serial: number) => (serial + 1) & 0xffff

const errorNames = Object.fromEntries(Object.entries(CsmbError).map(([name, code]) => [code, name]))

interface Sent {
  /** What was told, in words. */
  readonly subject: string
  /** Workers that have not acknowledged it. */
  missing: number
  resolve(): void
  reject(error: SluiceError): void
}

/** Serials are counted for each type. */
const keyOf = (type: number, serial: number) => type * 0x10000 + serial

export class ConfigurationLink {
  readonly #addVs = new AddVsView(new DataView(new ArrayBuffer(0)))
  readonly #deleteVs = new DeleteVsView(new DataView(new ArrayBuffer(0)))
  readonly #addSource = new AddSourceView(new DataView(new ArrayBuffer(0)))
  readonly #deleteSource = new DeleteSourceView(new DataView(new ArrayBuffer(0)))
  readonly #sent = new Map<number, Sent>()
  readonly #serials = new Map<number, number>()
  #serialGlobal = 0

  /** @param workers that acknowledge each message */
  constructor(
    private readonly writer: MessageWriter,
    private readonly workers: number,
  ) {}

  /** Resolves when every worker has it; a virtual server that they know takes what is new. */
  add(server: VirtualServer): Promise<void> {
    const { inspect } = server.settings
    const name = new TextEncoder().encode(inspect?.name ?? '')
    const message = this.#start(this.#addVs, AddVsView, name.length)
    message.flags = flagsOf(server)
    message.vsId = server.id
    this.writer.bytes.set(server.addressBytes, message.virtIpaddrOffset)
    const { protocol, listen } = server.settings
    message.virtPort = listen.port
    message.protocol = protocolNumber(protocol, listen.family)
    message.vsClass = VsClass.dfsAssist
    message.idleTimeout = server.idleSeconds
    if (inspect && protocol === 'tcp') {
      message.proxyWindow = Math.ceil(inspect.maxBytes / 1024)
      message.proxyTimeout = Math.ceil(inspect.timeoutMs / 1000)
      message.serverTimeout = inspect.connectTimeoutMs
    }
    message.appLen = name.length
    message.appData.set(name)
    return this.#acknowledged(AddVsView.code, message.serialBytype, nameOf(server))
  }

  /** Ends it: no new flows from now on, and the live ones have so long (VS-24). */
  remove(server: VirtualServer, drainMs: number): Promise<void> {
    const message = this.#start(this.#deleteVs, DeleteVsView)
    message.vsId = server.id
    message.drainSecs = Math.ceil(drainMs / 1000)
    return this.#acknowledged(DeleteVsView.code, message.serialBytype, nameOf(server))
  }

  /** An address that flows leave from; one that is known is in another use now. */
  addSource({ address, bytes, isOutbound }: SourceAddress): Promise<void> {
    const message = this.#start(this.#addSource, AddSourceView)
    message.flags = isOutbound ? SourceFlags.outbound : 0
    this.writer.bytes.set(bytes, message.sourceIpaddrOffset)
    return this.#acknowledged(AddSourceView.code, message.serialBytype, `source ${address}`)
  }

  removeSource({ address, bytes }: SourceAddress): Promise<void> {
    const message = this.#start(this.#deleteSource, DeleteSourceView)
    this.writer.bytes.set(bytes, message.sourceIpaddrOffset)
    return this.#acknowledged(DeleteSourceView.code, message.serialBytype, `source ${address}`)
  }

  /** Takes an ACK; false where it answers nothing that was sent. */
  acknowledge(message: AckView): boolean {
    const key = keyOf(message.refType, message.refSerial)
    const sent = this.#sent.get(key)
    if (!sent) return false
    sent.missing--
    if (sent.missing === 0) this.#sent.delete(key)
    if (message.errorCode !== CsmbError.none) sent.reject(refusal(sent.subject, message.errorCode))
    else if (sent.missing === 0) sent.resolve()
    return true
  }

  /** What was not acknowledged fails. */
  giveUp(error: SluiceError): void {
    for (const { reject } of this.#sent.values()) reject(error)
    this.#sent.clear()
  }

  #start<View extends AddVsView | DeleteVsView | AddSourceView | DeleteSourceView>(
    view: View,
    { code, size }: { readonly code: number; readonly size: number },
    tail = 0,
  ): View {
    const message = this.writer.start(view, size + tail)
    message.msgLength = size + tail
    const serial = nextSerial(this.#serials.get(code) ?? 0)
    this.#serials.set(code, serial)
    this.#serialGlobal = nextSerial(this.#serialGlobal)
    message.serialGlobal = this.#serialGlobal
    message.serialBytype = serial
    return message
  }

  #acknowledged(type: number, serial: number, subject: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const missing = this.workers
      this.#sent.set(keyOf(type, serial), { subject, missing, resolve, reject })
    })
  }
}

const nameOf = ({ name, listen }: VirtualServer) => `virtual server ${name} (${listen})`

function refusal(subject: string, errorCode: number): SluiceError {
  const reason = errorNames[errorCode] ?? `error ${errorCode}`
  return new SluiceError(
    'ERR_SLUICE_VIRTUAL_SERVER',
    `The data flow segment refused ${subject}: ${reason}.`,
    'Listen on an endpoint of its own, and use no more virtual servers than limits allow.',
  )
}

const refusalFlags = {
  reset: 0,
  unreachable: VsFlags.refuseUnreachable,
  drop: VsFlags.refuseSilently,
} as const satisfies Record<ResolvedVirtualServer['refuse'], number>

const inspectFlags = {
  http: VsFlags.httpProxy,
  cookie: VsFlags.cookieProxy,
  tls: VsFlags.sslProxy,
  raw: VsFlags.rawProxy,
} as const satisfies Record<ResolvedInspect['kind'], number>

function flagsOf(server: VirtualServer): number {
  const { settings, state } = server
  const { translateAddress, translatePort, terminates, inspect } = settings
  const { wildcardAddress, wildcardPort, maintenance } = settings
  return (
    (terminates ? VsFlags.terminate : 0) |
    (translateAddress && !terminates ? VsFlags.translateAddr | VsFlags.routeByDstIp : 0) |
    (translatePort && !terminates ? VsFlags.translatePort : 0) |
    (wildcardAddress ? VsFlags.wildcardAddr : 0) |
    (wildcardPort ? VsFlags.wildcardPort : 0) |
    (maintenance || (server.acceptsAlone && state !== 'up') ? VsFlags.maintenance : 0) |
    (settings.arp ? 0 : VsFlags.noarpMode) |
    (inspect ? inspectFlags[inspect.kind] : 0) |
    (inspect?.unread === 'decide' ? VsFlags.askUnread : 0) |
    refusalFlags[settings.refuse]
  )
}

/** The error of what was not acknowledged in so long. */
export function unacknowledged(ms: number): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_TIMEOUT',
    `The data flow segment did not take the virtual servers within ${ms / 1000} seconds.`,
    'Try again when the machine is less busy; report it if it stays so.',
  )
}
