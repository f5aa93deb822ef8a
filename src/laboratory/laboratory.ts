/**
 * A laboratory: a topology of network namespaces, laid for a demo, a test or a measurement, and
 * removed with all that ran in it. Several run at once, in one process or in many.
 *
 * Removal has three lines of defence: `close()`; the process's end, by itself or by a signal; and
 * the next `create()` of anybody on the machine, for owners that were killed.
 */
import { mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { addressLines, type Family, OUTSIDE } from './addresses.js'
import { explainRefusal } from './capabilities.js'
import { register, unregister } from './clean-up.js'
import { LaboratoryError } from './error.js'
import { layKernelNat, layKernelRouter } from './kernel-router.js'
import { LabProcess, run, tryRun } from './lab-process.js'
import { Namespace } from './namespace.js'
import { nextPrefix, OWNER_VARIABLE } from './owner.js'
import { untilLinksAreUp, untilNeighboursAnswer } from './settle.js'
import { congestionControl, PINNED } from './sysctls.js'
import type { LaboratoryPort, Topology, TopologyName } from './topology.js'
import { bridged } from './topology-bridged.js'
import { oneArm } from './topology-one-arm.js'
import { tap } from './topology-tap.js'
import { twoArm } from './topology-two-arm.js'
import { until } from './until.js'

const TOPOLOGIES = { 'two-arm': twoArm, 'one-arm': oneArm, tap, bridged }

/** The plan's IPv4 addresses go from 10.1.0.11 upwards within one /24. */
const MOST_SERVERS = 240

export interface LaboratoryOptions {
  topology: TopologyName
  /** How many servers; default 3. */
  servers?: number
  /** Default: both. */
  families?: readonly Family[]
  /** More sysctls for every namespace, by their path below /proc/sys/net. */
  sysctls?: Record<string, string | number>
}

/** A client or a server. On the TAP topology all servers share a namespace. */
export interface Host {
  name: string
  namespace: Namespace
  address(family?: Family): string
}

export class Laboratory implements AsyncDisposable {
  readonly topology: TopologyName
  readonly families: readonly Family[]
  /** Begins the name of everything that this laboratory made. */
  readonly prefix = nextPrefix()
  /** A folder for configurations, logs and captures; removed with the laboratory. */
  readonly folder = join(tmpdir(), this.prefix)
  readonly congestionControl = congestionControl()
  private readonly plan: Topology
  private readonly serverCount: number
  private readonly namespaces = new Map<string, Namespace>()
  private readonly processes = new Set<LabProcess>()

  private constructor(options: LaboratoryOptions) {
    this.topology = options.topology
    this.families = options.families ?? [4, 6]
    this.serverCount = options.servers ?? 3
    if (this.serverCount < 1 || this.serverCount > MOST_SERVERS) {
      throw new RangeError(`servers: ${this.serverCount} is not within 1 to ${MOST_SERVERS}`)
    }
    this.plan = TOPOLOGIES[options.topology]({
      servers: this.serverCount,
      families: this.families,
    })
    for (const { role } of this.plan.roles) {
      this.namespaces.set(role, new Namespace(role, `${this.prefix}-${role}`, this.processes))
    }
  }

  /** Lays a topology. @throws {LaboratoryError} with a remedy where the host refuses. */
  static async create(options: LaboratoryOptions): Promise<Laboratory> {
    const lab = new Laboratory(options)
    register(lab)
    try {
      mkdirSync(lab.folder, { mode: 0o755 })
      await lab.lay(options.sysctls ?? {})
      return lab
    } catch (error) {
      unregister(lab)
      throw error instanceof LaboratoryError ? await explainRefusal(error) : error
    }
  }

  get client(): Host {
    return this.host('client', 'cli', (family) => OUTSIDE[family].client)
  }

  get servers(): Host[] {
    return Array.from({ length: this.serverCount }, (_, index) =>
      this.host(`srv${index + 1}`, this.plan.serverRole(index + 1), (family) =>
        this.plan.serverAddress(family, index + 1),
      ),
    )
  }

  serverAddresses(family: Family = this.firstFamily): string[] {
    return this.servers.map((server) => server.address(family))
  }

  /** The address for virtual servers. It is the engine's. */
  virtualAddress(family: Family = this.firstFamily): string {
    return OUTSIDE[family].virtual
  }

  /** The namespace of a role in the topology's drawing, `ctl` for example. */
  namespace(role: string): Namespace {
    const namespace = this.namespaces.get(role)
    if (namespace) return namespace
    const known = [...this.namespaces.keys()].join(', ')
    throw new RangeError(`topology ${this.topology} has no ${role}, only ${known}`)
  }

  /** The `ports` object of a Sluice configuration. */
  ports(): Record<string, LaboratoryPort> {
    return this.plan.ports((role) => this.namespace(role).name)
  }

  /** Completes what can only be laid once the engine has made its devices. Call it after each start. */
  async afterStart(timeoutMs = 10_000): Promise<void> {
    await Promise.all(
      this.plan.late.map(({ role, lines }) => this.untilAccepted(role, lines, timeoutMs)),
    )
  }

  /** Lets the kernel be the engine: it forwards between clients and servers. */
  async kernelRouter(): Promise<void> {
    await layKernelRouter(this.kernelPlace(), this.ports())
  }

  /** As `kernelRouter()`, with the virtual addresses, too: for a proxy in the engine's place. */
  async kernelHost(): Promise<void> {
    const place = this.kernelPlace()
    await layKernelRouter(place, this.ports())
    const virtual = this.families.map((family) => this.virtualAddress(family))
    await place.namespace.ip(addressLines(place.outside, virtual))
    await untilNeighboursAnswer(place.namespace)
  }

  /** As `kernelHost()`, and nftables translates the virtual address to that of one server. */
  async kernelNat(server = 1): Promise<void> {
    await this.kernelHost()
    const translations = this.families.map((family) => ({
      family,
      from: this.virtualAddress(family),
      to: this.plan.serverAddress(family, server),
    }))
    await layKernelNat(this.kernelPlace().namespace, translations)
  }

  /** Starts a process outside the namespaces, the engine for example, that ends with the laboratory. */
  async spawn(
    command: string,
    args: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
  ): Promise<LabProcess> {
    const started = await LabProcess.start([command, ...args], {
      env: { ...env, [OWNER_VARIABLE]: this.prefix },
    })
    this.processes.add(started)
    started.exited.then(() => this.processes.delete(started))
    return started
  }

  /** Ends every process of the laboratory and removes what it made. Idempotent. */
  async close(): Promise<void> {
    const processes = [...this.processes]
    unregister(this)
    await Promise.all(processes.map((one) => one.exited))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Ends every process at once; for the clean-up, which cannot wait. */
  killProcesses(): void {
    for (const one of this.processes) one.kill()
  }

  private get firstFamily(): Family {
    return this.families[0] ?? 4
  }

  private host(name: string, role: string, address: (family: Family) => string): Host {
    const namespace = this.namespace(role)
    return { name, namespace, address: (family = this.firstFamily) => address(family) }
  }

  private kernelPlace(): { namespace: Namespace; outside: string; inside: string } {
    const engine = this.plan.engine
    if (engine) return { ...engine, namespace: this.namespace(engine.role) }
    throw new LaboratoryError(
      'ERR_SLUICE_LAB_TOPOLOGY',
      `topology ${this.topology} has no place where the kernel could stand in for the engine`,
      'Use two-arm or one-arm.',
    )
  }

  private async lay(sysctls: Record<string, string | number>): Promise<void> {
    const roles = this.plan.roles.map((plan) => ({ plan, at: this.namespace(plan.role) }))
    await ipBatch(roles.map(({ at }) => `netns add ${at.name}`))
    const pinned = { ...PINNED, 'ipv4/tcp_congestion_control': this.congestionControl, ...sysctls }
    await Promise.all(roles.map(({ plan, at }) => at.setSysctls({ ...pinned, ...plan.sysctls })))
    await ipBatch(this.plan.links.map(({ from, to }) => this.linkLine(from, to)))
    await Promise.all(roles.map(({ plan, at }) => at.ip(['link set lo up', ...plan.lines])))
    await Promise.all(roles.map(({ plan, at }) => untilLinksAreUp(at, this.devicesOf(plan.role))))
    await Promise.all(roles.map(({ at }) => untilNeighboursAnswer(at)))
  }

  private devicesOf(role: string): string[] {
    const ends = this.plan.links.flatMap(({ from, to }) => [from, to])
    return ends.filter(([owner]) => owner === role).map(([, device]) => device)
  }

  private linkLine(from: [string, string], to: [string, string]): string {
    const [one, other] = [from, to].map(([role]) => this.namespace(role).name)
    return `link add ${from[1]} netns ${one} type veth peer name ${to[1]} netns ${other}`
  }

  /** Repeats `lines` until the kernel takes them: it refuses a route while its device is missing. */
  private async untilAccepted(role: string, lines: string[], timeoutMs: number): Promise<void> {
    const command = ['ip', '-n', this.namespace(role).name, '-batch', '-'] as const
    const input = `${lines.join('\n')}\n`
    let refusal = ''
    const accepted = async () => {
      const { code, stderr } = await tryRun([...command], { input })
      refusal = stderr.trim()
      return code === 0
    }
    await until(() => `the engine's device in ${role}: ${refusal}`, accepted, timeoutMs)
    await untilNeighboursAnswer(this.namespace(role))
  }
}

async function ipBatch(lines: string[]): Promise<void> {
  if (lines.length > 0) await run(['ip', '-batch', '-'], { input: `${lines.join('\n')}\n` })
}
