/**
 * LAB-A, two-arm: the engine between its clients and its servers, one device on each side.
 *
 *  ┌─ cli ──────────────┐   ┌─ ctl ─────────────────────┐   ┌─ lan ─────────────┐
 *  │ eth0 192.0.2.10    ├───┤ ext0     engine      int0 ├───┤ up0   br0         │
 *  │      2001:db8:1::10│   │ 192.0.2.1        10.1.0.1 │   │       p1  p2 .. pn│
 *  └────────────────────┘   │ 2001:db8:1::1             │   └───────┬───┬────┬──┘
 *                           │            2001:db8:2::1  │   ┌───────┴┐ ┌┴──┐ ┌┴──┐
 *    virtual addresses      └───────────────────────────┘   │srv1    │ │ 2 │ │ n │
 *    192.0.2.100                                            │10.1.0.11 ..         eth0
 *    2001:db8:1::100                                        │2001:db8:2::11 ..
 *                                                           └────────┘ └───┘ └───┘
 *
 * Every address in ctl is the engine's: its kernel has none and stays silent. One server alone is
 * joined to int0 directly, without a bridge, which would cost each packet more than the engine does.
 */
import { INSIDE, OUTSIDE, serverAddress } from './addresses.js'
import {
  bridge,
  clientAddresses,
  endHost,
  engineAddresses,
  type Link,
  numbers,
  SILENT,
  serverAddresses,
  type Topology,
  type TopologyOptions,
  UP,
} from './topology.js'

/** What joins int0 and the servers. */
type Network = Pick<Topology, 'roles' | 'links'>

function cable(): Network {
  return { roles: [], links: [{ from: ['ctl', 'int0'], to: ['srv1', 'eth0'] }] }
}

function bridged(servers: readonly number[]): Network {
  return {
    roles: [bridge('lan', ['up0', ...servers.map((server) => `p${server}`)])],
    links: [
      { from: ['ctl', 'int0'], to: ['lan', 'up0'] },
      ...servers.map(
        (server): Link => ({ from: [`srv${server}`, 'eth0'], to: ['lan', `p${server}`] }),
      ),
    ],
  }
}

export function twoArm({ servers, families }: TopologyOptions): Topology {
  const all = numbers(servers)
  const network = servers === 1 ? cable() : bridged(all)
  return {
    roles: [
      endHost('cli', clientAddresses(families), OUTSIDE, families),
      { role: 'ctl', sysctls: SILENT, lines: [UP('ext0'), UP('int0')] },
      ...network.roles,
      ...all.map((server) =>
        endHost(`srv${server}`, serverAddresses(server, families), INSIDE, families),
      ),
    ],
    links: [{ from: ['cli', 'eth0'], to: ['ctl', 'ext0'] }, ...network.links],
    late: [],
    serverRole: (server) => `srv${server}`,
    serverAddress,
    engine: { role: 'ctl', outside: 'ext0', inside: 'int0' },
    ports: (name) => ({
      outside: {
        kind: 'packet',
        device: 'ext0',
        netns: name('ctl'),
        address: engineAddresses(OUTSIDE, families),
      },
      inside: {
        kind: 'packet',
        device: 'int0',
        netns: name('ctl'),
        address: engineAddresses(INSIDE, families),
      },
    }),
  }
}
