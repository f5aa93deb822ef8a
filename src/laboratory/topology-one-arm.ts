/**
 * LAB-B, one-arm: clients, servers and the engine on one bridge; the engine has one device, on which
 * it owns an address of either subnet.
 *
 *  ┌─ cli ───────────────┐                                   ┌─ srv1 .. srvn ──────────┐
 *  │ eth0 192.0.2.10     │   ┌─ lan ──────────────────────┐  │ eth0 10.1.0.11 ..       │
 *  │      2001:db8:1::10 ├───┤ c0     br0       p1 .. pn  ├──┤      2001:db8:2::11 ..  │
 *  └─────────────────────┘   │            e0              │  └─────────────────────────┘
 *                            └────────────┬───────────────┘
 *  virtual addresses         ┌─ ctl ──────┴───────────────┐
 *  192.0.2.100               │ ext0   engine              │
 *  2001:db8:1::100           │ 192.0.2.1    2001:db8:1::1 │
 *                            │ 10.1.0.1     2001:db8:2::1 │
 *                            └────────────────────────────┘
 */
import { INSIDE, OUTSIDE, serverAddress } from './addresses.js'
import {
  bridge,
  clientAddresses,
  endHost,
  engineAddresses,
  numbers,
  SILENT,
  serverAddresses,
  type Topology,
  type TopologyOptions,
  UP,
} from './topology.js'

export function oneArm({ servers, families }: TopologyOptions): Topology {
  const all = numbers(servers)
  return {
    roles: [
      endHost('cli', clientAddresses(families), OUTSIDE, families),
      { role: 'ctl', sysctls: SILENT, lines: [UP('ext0')] },
      bridge('lan', ['c0', 'e0', ...all.map((server) => `p${server}`)]),
      ...all.map((server) =>
        endHost(`srv${server}`, serverAddresses(server, families), INSIDE, families),
      ),
    ],
    links: [
      { from: ['cli', 'eth0'], to: ['lan', 'c0'] },
      { from: ['ctl', 'ext0'], to: ['lan', 'e0'] },
      ...all.map((server) => ({
        from: [`srv${server}`, 'eth0'] as [string, string],
        to: ['lan', `p${server}`] as [string, string],
      })),
    ],
    late: [],
    serverRole: (server) => `srv${server}`,
    serverAddress,
    engine: { role: 'ctl', outside: 'ext0', inside: 'ext0' },
    ports: (name) => ({
      outside: {
        kind: 'packet',
        device: 'ext0',
        netns: name('ctl'),
        address: [...engineAddresses(OUTSIDE, families), ...engineAddresses(INSIDE, families)],
      },
    }),
  }
}
