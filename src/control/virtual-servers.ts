/** The virtual servers of an engine: their numbers, their settings, and telling the data flow
 *  segment of them (CS-05). */
import { formatEndpoint, parseAddress } from '../bus/address.js'
import type { MessageWriter } from '../bus/writer.js'
import type { ResolvedVirtualServer } from '../config/resolved.js'
import { SluiceError } from '../errors.js'
import { type AckView, AddVsView, CsmbError, VsFlags } from '../generated/messages.js'
import { protocolNumbers } from './protocol.js'
import { type EncodedEndpoint, encodeEndpoint } from './signature.js'
import type { VirtualServerStatus } from './status.js'
import { reportTraffic, TrafficTotals } from './traffic.js'

export class VirtualServer {
  readonly addressBytes: Uint8Array
  readonly encoded: EncodedEndpoint
  readonly listen: string
  readonly traffic = new TrafficTotals()
  connections = 0
  totalConnections = 0

  /** @param settings replaced as a whole when the configuration changes */
  constructor(
    readonly id: number,
    public settings: ResolvedVirtualServer,
  ) {
    this.addressBytes = parseAddress(settings.listen.address) as Uint8Array
    this.encoded = encodeEndpoint(settings.listen)
    this.listen = `${settings.protocol}://${formatEndpoint(settings.listen)}`
  }

  get name(): string {
    return this.settings.name
  }

  /** Its idle time-out in the unit of the bus; 0 for that of the class. */
  get idleSeconds(): number {
    return Math.ceil(this.settings.idleTimeoutMs / 1000)
  }

  /** It has as many flows as it may (LB-20). */
  get isFull(): boolean {
    return this.connections >= this.settings.connectionLimit
  }

  report(): VirtualServerStatus {
    const { decide } = this.settings
    return {
      name: this.name,
      listen: this.listen,
      pool: typeof decide === 'string' ? decide : null,
      connections: this.connections,
      totalConnections: this.totalConnections,
      ...reportTraffic(this.traffic),
    }
  }
}

/** CSMB serials: the first message of a connection has 1; 65535 wraps to 0. */
const nextSerial = (serial: number) => (serial + 1) & 0xffff

const errorNames = Object.fromEntries(Object.entries(CsmbError).map(([name, code]) => [code, name]))

interface Announcement {
  readonly server: VirtualServer
  /** Workers that have not acknowledged it. */
  missing: number
  resolve(): void
  reject(error: SluiceError): void
}

export class VirtualServers {
  readonly #byId = new Map<number, VirtualServer>()
  readonly #addVs = new AddVsView(new DataView(new ArrayBuffer(0)))
  readonly #unacknowledged = new Map<number, Announcement>()
  #serialGlobal = 0
  #serialAddVs = 0

  /** @param workers that acknowledge each message */
  constructor(
    servers: readonly ResolvedVirtualServer[],
    private readonly workers: number,
  ) {
    servers.forEach((settings, i) => {
      this.#byId.set(i + 1, new VirtualServer(i + 1, settings))
    })
  }

  get(id: number): VirtualServer | undefined {
    return this.#byId.get(id)
  }

  [Symbol.iterator](): IterableIterator<VirtualServer> {
    return this.#byId.values()
  }

  /** Takes other settings for the same virtual servers. */
  replace(servers: readonly ResolvedVirtualServer[]): void {
    const byName = new Map(servers.map((settings) => [settings.name, settings]))
    for (const server of this) server.settings = byName.get(server.name) ?? server.settings
  }

  /** Writes ADD_VS for each; resolves when all are acknowledged. */
  async announce(writer: MessageWriter): Promise<void> {
    await Promise.all([...this].map((server) => this.#add(server, writer)))
  }

  #add(server: VirtualServer, writer: MessageWriter): Promise<void> {
    this.#serialGlobal = nextSerial(this.#serialGlobal)
    this.#serialAddVs = nextSerial(this.#serialAddVs)
    const message = writer.start(this.#addVs, AddVsView.size)
    message.serialGlobal = this.#serialGlobal
    message.serialBytype = this.#serialAddVs
    message.flags = VsFlags.translateAddr | VsFlags.translatePort | VsFlags.routeByDstIp
    message.vsId = server.id
    writer.bytes.set(server.addressBytes, message.virtIpaddrOffset)
    message.virtPort = server.settings.listen.port
    message.protocol = protocolNumbers[server.settings.protocol]
    message.idleTimeout = server.idleSeconds
    return new Promise((resolve, reject) => {
      const missing = this.workers
      this.#unacknowledged.set(this.#serialAddVs, { server, missing, resolve, reject })
    })
  }

  /** Takes an ACK; false where it answers nothing that was sent. */
  acknowledge(message: AckView): boolean {
    const announcement = this.#unacknowledged.get(message.refSerial)
    if (message.refType !== AddVsView.code || !announcement) return false
    announcement.missing--
    if (announcement.missing === 0) this.#unacknowledged.delete(message.refSerial)
    const { server, missing, resolve, reject } = announcement
    if (message.errorCode !== CsmbError.none) reject(refusal(server, message.errorCode))
    else if (missing === 0) resolve()
    return true
  }

  /** Announcements that were not acknowledged fail. */
  giveUp(error: SluiceError): void {
    for (const { reject } of this.#unacknowledged.values()) reject(error)
    this.#unacknowledged.clear()
  }
}

function refusal(server: VirtualServer, errorCode: number): SluiceError {
  const reason = errorNames[errorCode] ?? `error ${errorCode}`
  return new SluiceError(
    'ERR_SLUICE_VIRTUAL_SERVER',
    `The data flow segment refused virtual server ${server.name} (${server.listen}): ${reason}.`,
    'Listen on an endpoint of its own, and use no more virtual servers than limits allow.',
  )
}
