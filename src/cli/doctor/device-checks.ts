/**
 * What a configuration asks of the network devices that it names.
 */
import type { XdpSupport } from '../../index.js'
import { type Finding, healthy, missing, remark } from './finding.js'
import type { Link, Network } from './network.js'

/** A port as far as its device matters. */
export interface PortPlan {
  name: string
  kind: 'tap' | 'packet' | 'xdp' | 'memory'
  device: string
  /** Name or path of the network namespace, '' for the present one. */
  netns: string
  /** The engine's own addresses on the link. */
  addresses: readonly { address: string }[]
}

/** Checks one port against its namespace. `virtual` are the addresses that virtual servers listen on. */
export function checkPort(
  port: PortPlan,
  network: Network | undefined,
  virtual: readonly string[],
): Finding[] {
  if (port.kind === 'memory') return []
  if (!network) return [unreadable(port)]
  const device = network.links.find(({ name }) => name === port.device)
  if (port.kind === 'tap') return [checkTapName(port, device)]
  if (!device) return [absent(port, network)]
  const own = [...port.addresses.map(({ address }) => address), ...virtual]
  if (port.kind === 'xdp') {
    return [
      checkUp(port, device),
      ...checkAddresses(port, network, own),
      ...checkSole(port, device),
    ]
  }
  return [
    checkUp(port, device),
    ...checkAddresses(port, network, own),
    ...checkForwarding(port, network, own),
    ...checkOffloads(port, device),
  ]
}

const title = (port: PortPlan) => `port ${port.name}`

function unreadable(port: PortPlan): Finding {
  return port.netns === ''
    ? remark(title(port), 'its device cannot be examined', 'Install the package iproute2.')
    : missing(
        title(port),
        `the network namespace ${port.netns} cannot be entered`,
        'See that it exists (`ip netns list`), and run as root.',
      )
}

function checkTapName(port: PortPlan, device: Link | undefined): Finding {
  if (!device) return healthy(title(port), `${port.device} is free for the engine to make`)
  if (device.kind === 'tun') return healthy(title(port), `${port.device} is a TAP device`)
  return missing(
    title(port),
    `${port.device} exists and is no TAP device`,
    'Give `device` a name that is not taken.',
  )
}

function absent(port: PortPlan, { links }: Network): Finding {
  const names = links.map(({ name }) => name).filter((name) => name !== 'lo')
  return missing(
    title(port),
    `there is no device ${port.device}`,
    names.length > 0 ? `Name one of ${names.join(', ')}.` : 'Make it first, with `ip link add`.',
  )
}

function checkUp(port: PortPlan, device: Link): Finding {
  return device.up
    ? healthy(title(port), `${device.name} is up, MTU ${device.mtu}`)
    : missing(title(port), `${device.name} is down`, `Run: ip link set ${device.name} up`)
}

/** An address that the kernel holds too is answered twice: by the engine, and by a reset. */
function checkAddresses(port: PortPlan, { links }: Network, own: readonly string[]): Finding[] {
  return links.flatMap(({ name, addresses }) =>
    addresses
      .filter((address) => own.includes(address))
      .map((address) =>
        missing(
          title(port),
          `the kernel holds ${address} on ${name}, and would answer for the engine`,
          `Run: ip address del ${address} dev ${name}; or give the engine another address.`,
        ),
      ),
  )
}

/** Longest IP packet that AF_XDP takes (kLargestMtu in native/port/xdp_port.cc). */
const largestXdpMtu = 3818

/** AF_XDP takes every frame: the host would be cut off. */
function checkSole(port: PortPlan, { name, addresses, mtu }: Link): Finding[] {
  const made = (address: string) => address.startsWith('fe80:')
  const host = addresses.filter((address) => !made(address))
  const findings = host.map((address) =>
    missing(
      title(port),
      `the host has ${address} on ${name}, and AF_XDP would cut it off`,
      `Run: ip address del ${address} dev ${name}; or make the port a packet port.`,
    ),
  )
  if (mtu <= largestXdpMtu) return findings
  const remedy = `Run: ip link set ${name} mtu ${largestXdpMtu}; or make the port a packet port.`
  return [...findings, missing(title(port), `the MTU of ${name} is too large for AF_XDP`, remedy)]
}

/** Which mode an AF_XDP port will find, and why. */
export function checkXdpMode(port: PortPlan, support: XdpSupport): Finding {
  const { device } = port
  switch (support) {
    case 'zero copy':
      return healthy(title(port), `the driver of ${device} has XDP and shares memory: zero copy`)
    case 'driver':
      return healthy(title(port), `the driver of ${device} has XDP: driver mode, copy`)
    case 'generic':
      return remark(
        title(port),
        `the driver of ${device} has no XDP: generic mode, copy`,
        'A packet port may be as fast there: measure both.',
      )
    case 'unknown':
      return healthy(title(port), `the mode of ${device} shows at the start, in \`sluice status\``)
  }
}

/** A forwarding kernel sends on its own copy of what the engine forwards. */
function checkForwarding(port: PortPlan, { forwards }: Network, own: readonly string[]): Finding[] {
  const families = [
    { on: forwards[4] && own.some((a) => !a.includes(':')), key: 'net.ipv4.ip_forward' },
    { on: forwards[6] && own.some((a) => a.includes(':')), key: 'net.ipv6.conf.all.forwarding' },
  ]
  return families
    .filter(({ on }) => on)
    .map(({ key }) =>
      remark(
        title(port),
        `the kernel forwards packets too (${key} = 1) and may send what the engine sends again`,
        `Run: sysctl ${key}=0, if this machine is no router beside the engine.`,
      ),
    )
}

function checkOffloads(port: PortPlan, device: Link): Finding[] {
  if (!device.largeReceiveOffload) return []
  const remedy = `Run: ethtool -K ${device.name} lro off`
  return [remark(title(port), `${device.name} merges packets in the driver (LRO)`, remedy)]
}
