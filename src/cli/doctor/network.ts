/**
 * What the kernel has on a network namespace: its devices, their addresses, and whether it forwards.
 */
import { spawnSync } from 'node:child_process'

export interface Link {
  name: string
  up: boolean
  mtu: number
  /** `tun` for a TAP device, `veth`, `''` for hardware. */
  kind: string
  /** The kernel's addresses on the device, without prefix lengths. */
  addresses: string[]
  /** Large receive offload: the driver glues packets together beyond repair. */
  largeReceiveOffload: boolean
}

export interface Network {
  links: Link[]
  /** The kernel routes between devices, by family. */
  forwards: { 4: boolean; 6: boolean }
}

/** Reads a namespace by name or path, '' for the present one; undefined where that is not possible. */
export function readNetwork(namespace: string): Network | undefined {
  const netns = namespace === '' || namespace.includes('/') ? namespace : `/run/netns/${namespace}`
  const details = command(netns, ['ip', '-details', '-json', 'address', 'show'])
  if (details === undefined) return undefined
  const forwards = (path: string) =>
    command(netns, ['cat', `/proc/sys/net/${path}`])?.trim() === '1'
  return {
    links: parseLinks(details, (name) => command(netns, ['ethtool', '--show-offload', name]) ?? ''),
    forwards: { 4: forwards('ipv4/ip_forward'), 6: forwards('ipv6/conf/all/forwarding') },
  }
}

interface IpLink {
  ifname: string
  flags?: string[]
  mtu: number
  linkinfo?: { info_kind?: string }
  addr_info?: { local?: string }[]
}

/** Reads the output of `ip -details -json address show`. */
export function parseLinks(json: string, offloadsOf: (name: string) => string): Link[] {
  return (JSON.parse(json) as IpLink[]).map((link) => ({
    name: link.ifname,
    up: link.flags?.includes('UP') ?? false,
    mtu: link.mtu,
    kind: link.linkinfo?.info_kind ?? '',
    addresses: (link.addr_info ?? []).flatMap(({ local }) => (local ? [local] : [])),
    largeReceiveOffload: /^large-receive-offload: on/m.test(offloadsOf(link.ifname)),
  }))
}

/** Output of a command run inside the namespace; undefined if it failed or is not installed. */
function command(netns: string, [file, ...args]: [string, ...string[]]): string | undefined {
  const entered: [string, string[]] =
    netns === '' ? [file, args] : ['nsenter', [`--net=${netns}`, file, ...args]]
  const { status, stdout } = spawnSync(...entered, { encoding: 'utf8' })
  return status === 0 ? stdout : undefined
}
