/** A laboratory, nginx on each of its servers and `sluice run` in front: what most system tests use. */
import { join } from 'node:path'
import { expect } from 'vitest'
import { askEngine } from '../../src/cli/admin-client.js'
import type { EngineStatus, FlowRecord } from '../../src/index.js'
import {
  type Family,
  Laboratory,
  type LaboratoryOptions,
  type LaboratoryPort,
  type Namespace,
  until,
} from '../../src/laboratory/index.js'
import { Capture } from './capture.js'
import { curl, type FetchOptions, url } from './http-clients.js'
import { type CapturedFrame, readCapture } from './pcap.js'
import { type NginxServer, startServers } from './servers.js'
import { SluiceProcess } from './sluice-process.js'

export type Ports = Record<
  string,
  LaboratoryPort & { offloads?: boolean; mtu?: number; vlan?: number | number[] }
>

export interface SiteOptions extends LaboratoryOptions {
  /** Source of the `balance` of the pools `web4` and `web6`, which have every server. */
  balance?: string
  /** Source of further keys of these pools. */
  pool?: string
  /** The engine's host has a place in the servers' network, for its checks; on `two-arm` only. */
  amongServers?: boolean
  /** Role of the namespace whose kernel's sockets the engine's process uses: checks, administration. */
  runsIn?: string
  /** Source of further pools by name, called for each family. */
  pools?: (family: Family, lab: Laboratory) => Record<string, string>
  /** Source of each virtual server by name, called for each family. Default: TCP 80 to the pool. */
  virtualServers?: (family: Family, lab: Laboratory) => Record<string, string>
  /** Source of further keys of the configuration. */
  more?: string
  /** Source that stands before the configuration. */
  prelude?: string
  /** Changes the ports that the laboratory proposes. */
  ports?: (ports: Ports) => Ports
  /** Lets the engine record what passes its ports, for `passed()`. */
  record?: boolean
  /** What runs on the servers; default nginx on port 80. */
  startServers?: (lab: Laboratory) => Promise<NginxServer[]>
}

export class Site implements AsyncDisposable {
  private constructor(
    readonly lab: Laboratory,
    readonly servers: NginxServer[],
    readonly engine: SluiceProcess,
  ) {}

  static async start(options: SiteOptions): Promise<Site> {
    const lab = await Laboratory.create(options)
    try {
      const servers = await (options.startServers ?? startServers)(lab)
      const beside = options.runsIn ? lab.namespace(options.runsIn) : lab
      const host = options.amongServers ? await placeAmongServers(lab) : beside
      const engine = await SluiceProcess.start(lab, source(lab, options), [], host)
      return new Site(lab, servers, engine)
    } catch (error) {
      await lab.close()
      throw error
    }
  }

  get client(): Namespace {
    return this.lab.client.namespace
  }

  /** The network device of each host, the client's first. */
  get devices(): { at: Namespace; device: string }[] {
    const hosts = [this.lab.client, ...this.lab.servers].map(({ namespace }) => namespace)
    if (this.lab.topology !== 'tap') return hosts.map((at) => ({ at, device: 'eth0' }))
    return [
      { at: this.client, device: 'ext0' },
      { at: this.lab.namespace('lan'), device: 'int0' },
    ]
  }

  /** From now on the hosts complete checksums and cut segments themselves. */
  async withoutOffloads(): Promise<void> {
    const off = ['tx', 'off', 'tso', 'off', 'gso', 'off']
    for (const { at, device } of this.devices) await at.exec('ethtool', ['-K', device, ...off])
  }

  /** Captures what passes the client's device. */
  capture(filter = ''): Promise<Capture> {
    const device = this.lab.topology === 'tap' ? 'ext0' : 'eth0'
    return Capture.start(this.lab, this.client, device, { filter })
  }

  /**
   * What passed a port, as the engine saw it, once the engine has ended and if it was to record.
   * Between its ports and the hosts, kernels have queues of their own: on a busy machine they lose
   * packets and change their order.
   */
  passed(port: string): CapturedFrame[] {
    return readCapture(recordOf(this.lab, port))
  }

  /** The client reaches a network of each family through the engine. */
  async routeClient(to: (family: Family) => string): Promise<void> {
    for (const family of this.lab.families) {
      const own = this.lab.ports().outside?.address?.[family === 4 ? 0 : 1]
      await this.client.ip([`route replace ${to(family)} via ${own?.split('/')[0]}`])
    }
  }

  /** Fetches from the virtual address. */
  fetch(family: Family, path = '/', port = 80, options?: FetchOptions) {
    return curl(this.client, url(this.lab.virtualAddress(family), path, port), options)
  }

  status(): Promise<EngineStatus> {
    return askEngine<EngineStatus>(this.engine.socket, '/api/v1/status')
  }

  flows(): Promise<FlowRecord[]> {
    return askEngine<FlowRecord[]>(this.engine.socket, '/api/v1/flows')
  }

  /**
   * Ends the engine as its user does, and gives its last status. Every packet that it received must
   * have had one verdict (law 9), and the exit code must be 0.
   */
  async end(): Promise<EngineStatus> {
    // A packet may be received between the reading of two counters.
    const status = await until('the engine is quiet', async () => {
      const { packets, ...rest } = await this.status()
      const { received, forwarded, delivered, dropped, waiting } = packets
      return received === forwarded + delivered + dropped + waiting && { packets, ...rest }
    })
    expect(status.bus).toEqual({ invalid: 0, stale: 0 })
    await this.engine.stop()
    return status
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab.close()
  }
}

const recordOf = (lab: Laboratory, port: string) => join(lab.folder, `${port}.pcapng`)

/** `tcp://192.0.2.100:80`: the laboratory's virtual address as a configuration takes it. */
export function listen(lab: Laboratory, family: Family, port: number, protocol = 'tcp'): string {
  return `${protocol}://${endpoint(lab.virtualAddress(family), port)}`
}

/** `192.0.2.10:80` or `[2001:db8::10]:80`. */
export function endpoint(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

/** Source of a pool's nodes: every server of the laboratory with this L4 port. */
export function nodes(lab: Laboratory, family: Family, port: number): string {
  return JSON.stringify(lab.serverAddresses(family).map((address) => endpoint(address, port)))
}

/** The namespace with the servers' bridge, which gets addresses of its own. */
async function placeAmongServers(lab: Laboratory): Promise<Namespace> {
  const lan = lab.namespace('lan')
  await lan.setSysctls({ 'ipv6/conf/br0/disable_ipv6': 0 })
  await lan.ip(['address add 10.1.0.254/24 dev br0', 'address add 2001:db8:2::fe/64 dev br0 nodad'])
  return lan
}

function source(lab: Laboratory, options: SiteOptions): string {
  const balance = options.balance ?? `'round-robin'`
  const web = (family: Family) => ({
    web: `nodes: ${nodes(lab, family, 80)}, balance: ${balance}, ${options.pool ?? ''}`,
  })
  const plain = (family: Family) => ({
    plain: `listen: '${listen(lab, family, 80)}', pool: 'web${family}'`,
  })
  /** The entries of each family; their names end in it. */
  const entries = (of: (family: Family) => Record<string, string>) =>
    lab.families
      .flatMap((family) => Object.entries(of(family)).map(([name, keys]) => [name + family, keys]))
      .map(([name, keys]) => `${name}: { ${keys} },`)
      .join('\n')
  const ports: Ports = options.ports?.(lab.ports()) ?? lab.ports()
  const recorded = Object.entries(ports).map(([name, port]) => {
    return [name, options.record ? { ...port, capture: recordOf(lab, name) } : port]
  })
  return `${options.prelude ?? ''}
    export default {
      ports: ${JSON.stringify(Object.fromEntries(recorded))},
      pools: { ${entries((family) => ({ ...web(family), ...options.pools?.(family, lab) }))} },
      virtualServers: { ${entries((family) => (options.virtualServers ?? plain)(family, lab))} },
      ${options.more ?? ''}
    }`
}
