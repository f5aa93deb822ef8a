/**
 * A topology as data: what has to be laid. Laying it is the laboratory's; a topology's file says
 * only which namespaces there are, how they are joined and what each end is called.
 */
import {
  addressLines,
  defaultRouteLines,
  type Family,
  INSIDE,
  OUTSIDE,
  serverAddress,
  withPrefix,
} from './addresses.js'

export type TopologyName = 'two-arm' | 'one-arm' | 'tap' | 'bridged'

/** One entry of `ports` in a Sluice configuration. */
export type LaboratoryPort =
  | { kind: 'packet'; device: string; netns: string; address?: string[]; role?: 'internal' }
  | { kind: 'tap'; device: string; netns: string; address: string[]; hostAddress: string[] }

/** A veth pair, each end with its namespace's role and its device name there. */
export interface Link {
  from: [role: string, device: string]
  to: [role: string, device: string]
}

export interface RolePlan {
  role: string
  sysctls: Record<string, string | number>
  /** `ip` lines for the inside of the namespace, run once the links are there. */
  lines: string[]
}

/** What is laid where the engine makes its devices itself, and so only after it has started. */
export interface LatePlan {
  role: string
  device: string
  lines: string[]
}

export interface Topology {
  roles: RolePlan[]
  links: Link[]
  late: LatePlan[]
  /** Role of the namespace where the servers with numbers from 1 live. */
  serverRole(server: number): string
  /** Address of the server with a number from 1. */
  serverAddress(family: Family, server: number): string
  /** Role and devices of the engine's own place, where it has one that the kernel can stand in for. */
  engine?: { role: string; outside: string; inside: string }
  /** The `ports` object of a Sluice configuration; `name` gives the namespace of a role. */
  ports(name: (role: string) => string): Record<string, LaboratoryPort>
}

export interface TopologyOptions {
  servers: number
  families: readonly Family[]
}

export const UP = (device: string) => `link set ${device} up`

/** The engine's own addresses on one side. */
export function engineAddresses(
  side: typeof OUTSIDE | typeof INSIDE,
  families: readonly Family[],
): string[] {
  return families.map((family) => withPrefix(side[family].engine, side[family]))
}

export function clientAddresses(families: readonly Family[]): string[] {
  return families.map((family) => withPrefix(OUTSIDE[family].client, OUTSIDE[family]))
}

export function serverAddresses(server: number, families: readonly Family[]): string[] {
  return families.map((family) => withPrefix(serverAddress(family, server), INSIDE[family]))
}

/** A client or a server: one device, its addresses, the engine as its gateway. */
export function endHost(
  role: string,
  addresses: readonly string[],
  side: typeof OUTSIDE | typeof INSIDE,
  families: readonly Family[],
): RolePlan {
  const lines = [
    ...addressLines('eth0', addresses),
    UP('eth0'),
    ...defaultRouteLines('eth0', side, families),
  ]
  return { role, sysctls: {}, lines }
}

/** A bridge in a namespace of its own that joins the named devices. */
export function bridge(role: string, ports: readonly string[]): RolePlan {
  // No spanning tree and no snooping: a port forwards, multicast included, once it is up.
  const lines = [
    'link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0',
    UP('br0'),
    ...ports.flatMap((port) => [`link set ${port} master br0`, UP(port)]),
  ]
  return { role, sysctls: SILENT, lines }
}

/** Sysctls of a namespace whose kernel takes no part in IP. */
export const SILENT = {
  'ipv6/conf/all/disable_ipv6': 1,
  'ipv6/conf/default/disable_ipv6': 1,
}

export function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1)
}
