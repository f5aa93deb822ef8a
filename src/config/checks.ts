/** What concerns several values of a configuration at once. Each check reports what it finds. */
import { contains, formatPrefix } from '../bus/address.js'
import type { Family } from '../endpoint.js'
import type { ConfigIssue } from '../errors.js'
import { checkAdmin } from './admin-checks.js'
import { leastWindow, longestDevice, minimumIpv6Mtu, mostPorts } from './defaults.js'
import { checkPools } from './pool-checks.js'
import { isBroadcast, linkOf, linksOf, ownAddresses } from './reach.js'
import type { Report } from './report.js'
import type { ParsedConfig } from './schema.js'
import { checkOutboundSources } from './sources.js'
import { checkVirtualServers } from './virtual-server-checks.js'

const isIpv6 = (address: { family: Family }) => address.family === 6

function checkPort(name: string, port: ParsedConfig['ports'][string], report: Report): void {
  const key = `ports.${name}`
  if (port.kind !== 'memory' && port.device === undefined && name.length > longestDevice) {
    report(`${key}.device`, 'is missing, and the name of the port is too long for it', 'add it')
  }
  if (port.hostAddress && port.kind !== 'tap') {
    report(
      `${key}.hostAddress`,
      `belongs to a tap, and this port is ${port.kind}`,
      'take it out, or make the port a tap',
    )
  }
  if (port.vlan && port.vlan.length > 2) {
    report(`${key}.vlan`, `has ${port.vlan.length} tags`, 'take an outer and an inner one at most')
  }
  if (port.mtu < minimumIpv6Mtu && port.address.some(isIpv6)) {
    report(
      `${key}.mtu`,
      `is below ${minimumIpv6Mtu}, which IPv6 needs`,
      `set it to at least ${minimumIpv6Mtu}, or take out the IPv6 address`,
    )
  }
}

/** Where ports are bridged, the engine needs no address, and those of all ports are on one link. */
function checkOwnAddresses(config: ParsedConfig, report: Report): void {
  const ports = Object.entries(config.ports)
  if (config.forward === 'bridge') {
    if (ports.length === 1) report('ports', 'has one entry', 'name at least two ports to bridge')
    return
  }
  for (const [name, port] of ports) checkAddressesOf(`ports.${name}`, port, report)
}

function checkAddressesOf(key: string, port: ParsedConfig['ports'][string], report: Report): void {
  if (port.address.length === 0) {
    report(`${key}.address`, 'is missing', "write it as '192.0.2.1/24' or '2001:db8::1/64'")
    return
  }
  for (const host of port.hostAddress ?? []) {
    const near = port.address.some(
      (own) => contains(own, host.address, host.family) || contains(host, own.address, own.family),
    )
    if (near) continue
    report(
      `${key}.hostAddress`,
      `${formatPrefix(host)} is in no network of the port`,
      'give both sides of the link addresses of one network',
    )
  }
}

function checkPorts(config: ParsedConfig, report: Report): void {
  const ports = Object.entries(config.ports)
  if (ports.length === 0) report('ports', 'is empty', 'name at least one port')
  if (ports.length > mostPorts) {
    report('ports', `has ${ports.length} entries`, `name at most ${mostPorts} ports`)
  }
  const devices = new Map<string, string>()
  const owners = new Map<string, string>()
  for (const [name, port] of ports) {
    checkPort(name, port, report)
    const device = `${port.netns} ${port.device ?? name}`
    const other = devices.get(device)
    if (other !== undefined && port.kind !== 'memory') {
      report(
        `ports.${name}.device`,
        `is that of port ${other}`,
        'give each port its own device; for VLANs of one link, those of the kernel (eth0.100)',
      )
    }
    devices.set(device, name)
    const own = port.address.map((prefix) => ['address', prefix.address] as const)
    const hosts = (port.hostAddress ?? []).map((prefix) => ['hostAddress', prefix.address] as const)
    for (const [field, address] of [...own, ...hosts]) {
      const key = `ports.${name}.${field}`
      const owner = owners.get(address)
      if (owner) report(key, `${address} is that of ${owner}`, 'use each address once')
      owners.set(address, key)
    }
  }
}

function checkRoutes(config: ParsedConfig, report: Report): void {
  const links = linksOf(config)
  const own = ownAddresses(links)
  config.routes.forEach(({ to, via }, i) => {
    const key = `routes[${i}].via`
    if (own.has(via)) {
      report(key, `${via} is an address of the engine`, 'name the router that is the next hop')
    } else if (linkOf(links, via, to.family) === undefined) {
      report(
        key,
        `${via} is on the link of no port`,
        `name a router of IPv${to.family} in the network of a port`,
      )
    } else if (isBroadcast(links, via, to.family)) {
      report(key, `${via} is the broadcast address of a network`, 'name the router itself')
    }
  })
}

function checkWorkers({ workers, cpus, ports }: ParsedConfig, report: Report): void {
  if (cpus.length > 0 && cpus.length !== workers) {
    report(
      'cpus',
      `has ${cpus.length} entries for ${workers} workers`,
      'name one CPU for each worker, or none',
    )
  }
  if (workers === 1) return
  for (const [name, port] of Object.entries(ports)) {
    if (port.kind !== 'xdp') continue
    report(
      `ports.${name}.kind`,
      'is xdp, which one worker serves',
      "set workers to 1, or take the kind 'packet'",
    )
  }
}

/** BUF-12: a window of so little would not be one, and what is promised to all has to be there. */
function checkWindows({ limits }: ParsedConfig, report: Report): void {
  const { windowsFor, bufferMemory } = limits
  if (windowsFor === 0 || bufferMemory / 2 / windowsFor >= leastWindow) return
  report(
    'limits.windowsFor',
    `leaves each connection less than ${leastWindow} bytes`,
    `set it to ${Math.floor(bufferMemory / 2 / leastWindow)} at most, or raise limits.bufferMemory`,
  )
}

export function checkConfig(config: ParsedConfig): ConfigIssue[] {
  const issues: ConfigIssue[] = []
  const report: Report = (key, problem, remedy) => issues.push({ key, problem, remedy })
  const checks = [
    checkPorts,
    checkOwnAddresses,
    checkRoutes,
    checkPools,
    checkVirtualServers,
    checkOutboundSources,
    checkWorkers,
    checkWindows,
    checkAdmin,
  ]
  for (const check of checks) check(config, report)
  return issues
}
