/** Datagrams at a fixed rate through whatever stands in a laboratory, and how long each takes. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import {
  capabilities,
  type HostCapabilities,
  type Laboratory,
  missingTools,
  type Namespace,
} from '../../src/laboratory/index.js'
import { root } from '../../test/helpers/repository.js'

const PROGRAM = join(root, 'out/cmake/build/first_packets')
/** The discard service. */
export const DISCARD = 9
/** Addresses of the client's network that nobody has: each has 60 000 source ports. */
const FIRST_SOURCE = '192.0.2.101'

export interface Load {
  /** The flows that take turns: as many as datagrams where each is to be the first of its flow. */
  flows: number
  /** Datagrams a second. */
  rate: number
  seconds: number
}

/** What the program prints; times in microseconds. */
export interface Arrivals {
  planned: number
  arrived: number
  /** Of all that were planned: one that did not arrive is as slow as the run was long. */
  p50: number
  p99: number
  p50_of_arrived: number
}

/** Share of the planned datagrams that did not arrive, those that the device refused included. */
export function lossOf({ planned, arrived }: Pick<Arrivals, 'planned' | 'arrived'>): number {
  return 1 - arrived / planned
}

/** Why it cannot run here; undefined where it can. */
export async function unavailable(
  needs: readonly (keyof HostCapabilities)[],
): Promise<string | undefined> {
  const missing = missingTools('ip', 'nsenter', 'nft', 'ping')
  if (missing.length > 0) return `not installed: ${missing.join(', ')}`
  const host = await capabilities()
  const lacking = (['netns', 'afPacket', ...needs] as const).find((need) => !host[need].available)
  if (lacking) return `${host[lacking].reason}. ${host[lacking].remedy}`
  return existsSync(PROGRAM) ? undefined : `${PROGRAM} is not built: npm run build`
}

/** The client's side and the servers' side of a laboratory, once the forwarder is in place. */
export class FirstPackets {
  #next = 0

  private constructor(
    private readonly client: Namespace,
    private readonly server: Namespace,
    private readonly devices: { near: string; far: string },
    private readonly gateway: string,
    private readonly destination: string,
  ) {}

  static async towards(lab: Laboratory, destination: string): Promise<FirstPackets> {
    const tap = lab.topology === 'tap'
    const server = tap ? lab.namespace('lan') : lab.namespace('srv1')
    const devices = tap ? { near: 'ext0', far: 'int0' } : { near: 'eth0', far: 'eth0' }
    await discard(server, devices.far)
    const client = lab.client.namespace
    await client.exec('ping', ['-c', '1', '-w', '10', destination])
    const gateway = await neighbour(client, destination)
    return new FirstPackets(client, server, devices, gateway, destination)
  }

  /** Offers datagrams of flows that were not offered before; `known` ones are those of each call. */
  async offer(load: Load, known = false): Promise<Arrivals> {
    const first = known ? 0 : this.#next
    this.#next += load.flows
    const { near, far } = this.devices
    const route = [near, this.server.path, far, this.gateway, FIRST_SOURCE, this.destination]
    const args = [...route, DISCARD, first, load.flows, load.rate, load.seconds].map(String)
    const { stdout } = await this.client.exec(PROGRAM, args)
    return JSON.parse(stdout) as Arrivals
  }
}

/** The far end takes the datagrams to its discard service and does nothing else with them. */
export async function discard(server: Namespace, device: string): Promise<void> {
  const chain = `type filter hook ingress device ${device} priority 0; udp dport ${DISCARD} drop;`
  await server.exec('nft', ['-f', '-'], { input: `table netdev sink { chain in { ${chain} }; }\n` })
}

async function neighbour(at: Namespace, address: string): Promise<string> {
  const { stdout } = await at.exec('ip', ['-j', 'neighbour', 'show', 'to', address])
  const [entry] = JSON.parse(stdout) as { lladdr?: string }[]
  if (!entry?.lladdr) throw new Error(`nobody has answered for ${address}`)
  return entry.lladdr
}
