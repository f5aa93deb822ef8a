/**
 * LAB-E, TAP: the engine opens a TAP device on each side; the kernel behind a TAP is the peer.
 *
 *  ┌─ cli ──────────────────┐                         ┌─ lan ───────────────────────┐
 *  │ ext0  192.0.2.10       │      engine (any        │ int0  10.1.0.11 .. 10+n     │
 *  │ (TAP) 2001:db8:1::10   ╞═══   namespace)      ═══╡ (TAP) 2001:db8:2::11 ..     │
 *  └────────────────────────┘  192.0.2.1   10.1.0.1   │       srv1 .. srvn          │
 *                              2001:db8:1::1          └─────────────────────────────┘
 *  virtual addresses                  2001:db8:2::1
 *  192.0.2.100, 2001:db8:1::100
 *
 * The devices come and go with the engine, so only the namespaces are laid before it starts; the
 * routes follow in `afterStart()`. Servers may bind their addresses before these exist.
 */
import { defaultRouteLines, INSIDE, OUTSIDE, serverAddress } from './addresses.js'
import {
  clientAddresses,
  engineAddresses,
  numbers,
  serverAddresses,
  type Topology,
  type TopologyOptions,
} from './topology.js'

const BIND_EARLY = { 'ipv4/ip_nonlocal_bind': 1, 'ipv6/ip_nonlocal_bind': 1 }

export function tap({ servers, families }: TopologyOptions): Topology {
  return {
    roles: [
      { role: 'cli', sysctls: {}, lines: [] },
      { role: 'lan', sysctls: BIND_EARLY, lines: [] },
    ],
    links: [],
    late: [
      { role: 'cli', device: 'ext0', lines: defaultRouteLines('ext0', OUTSIDE, families) },
      { role: 'lan', device: 'int0', lines: defaultRouteLines('int0', INSIDE, families) },
    ],
    serverRole: () => 'lan',
    serverAddress,
    ports: (name) => ({
      outside: {
        kind: 'tap',
        device: 'ext0',
        netns: name('cli'),
        address: engineAddresses(OUTSIDE, families),
        hostAddress: clientAddresses(families),
      },
      inside: {
        kind: 'tap',
        device: 'int0',
        netns: name('lan'),
        address: engineAddresses(INSIDE, families),
        hostAddress: numbers(servers).flatMap((server) => serverAddresses(server, families)),
      },
    }),
  }
}
