/** What a stack without a configuration file is opened with, and the configuration that this means. */
import type { PortConfig, SluiceConfig } from './config/config.js'
import type { Logger } from './logger.js'
import type { NativeSegment } from './native.js'

export interface StackInterface {
  /** Name of the network device. */
  readonly name: string
  /** Default 'both'. */
  readonly role?: 'external' | 'internal' | 'both'
  /** `tap` makes the device, the others take one that there is. Default 'af_packet'. */
  readonly kind?: 'af_packet' | 'tap' | 'af_xdp'
  /** Name or path of the network namespace of the device; default the present one. */
  readonly netns?: string
  /** `tap` only: 'address/prefix' of the host's side. */
  readonly hostAddress?: string | readonly string[]
}

export interface StackAddress {
  readonly address: string
  readonly prefix: number
  /** Name of an interface. */
  readonly interface: string
}

export interface StackOptions {
  readonly interfaces: readonly StackInterface[]
  /** The engine's own. */
  readonly addresses: readonly StackAddress[]
  /** Next hop of everything that is on no link, by family. */
  readonly gateway?: string
  readonly gateway6?: string
  readonly memory?: {
    /** Of buffers, in bytes; default 256 MiB. */
    readonly poolBytes?: number
    /** Flows at once; default 1 000 000. */
    readonly flowEntries?: number
    /** Connections at once; default 100 000. */
    readonly connections?: number
    /** Of those that are over, how many are remembered in TIME-WAIT; default 262 144. */
    readonly timeWaits?: number
  }
  /** Default 1. */
  readonly workers?: number
  readonly logger?: Logger
  /** Stops the engine, also while it starts. */
  readonly signal?: AbortSignal
  /** A data flow segment of your own; for tests. */
  readonly segment?: NativeSegment
}

const kinds = { af_packet: 'packet', af_xdp: 'xdp', tap: 'tap' } as const

/** What is wrong with it, resolving the configuration tells. */
export function stackConfig(options: StackOptions): SluiceConfig {
  const { interfaces, addresses, gateway, gateway6, memory = {}, workers } = options
  const routes = [
    ...(gateway === undefined ? [] : [{ to: '0.0.0.0/0', via: gateway }]),
    ...(gateway6 === undefined ? [] : [{ to: '::/0', via: gateway6 }]),
  ]
  return {
    ports: Object.fromEntries(interfaces.map((one) => [one.name, portOf(one, addresses)])),
    routes,
    forward: false,
    limits: {
      ...(memory.flowEntries === undefined ? {} : { flows: memory.flowEntries }),
      ...(memory.connections === undefined ? {} : { connections: memory.connections }),
      ...(memory.timeWaits === undefined ? {} : { timeWaits: memory.timeWaits }),
      ...(memory.poolBytes === undefined ? {} : { bufferMemory: memory.poolBytes }),
    },
    ...(workers === undefined ? {} : { workers }),
  }
}

function portOf(
  { name, role = 'both', kind = 'af_packet', netns, hostAddress }: StackInterface,
  addresses: readonly StackAddress[],
): PortConfig {
  const own = addresses.filter((address) => address.interface === name)
  return {
    kind: kinds[kind],
    device: name,
    address: own.map(({ address, prefix }) => `${address}/${prefix}`),
    ...(role === 'both' ? {} : { role }),
    ...(netns === undefined ? {} : { netns }),
    ...(hostAddress === undefined ? {} : { hostAddress }),
  }
}
