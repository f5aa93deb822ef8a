/**
 * LAB-F, bridged: everybody is in one network, whose switch is the engine. Each server has a cable of
 * its own.
 *
 *  ┌─ cli ───────────────┐   ┌─ ctl ─────────────────────────┐   ┌─ srv1 .. srvn ───────────┐
 *  │ eth0 192.0.2.10     ├───┤ ext0       engine        int1 ├───┤ eth0 192.0.2.11 ..       │
 *  │      2001:db8:1::10 │   │      192.0.2.1            ..  │   │      2001:db8:1::11 ..   │
 *  └─────────────────────┘   │      2001:db8:1::1       intn ├───┤                          │
 *    virtual addresses       └───────────────────────────────┘   └──────────────────────────┘
 *    192.0.2.100, 2001:db8:1::100
 */
import { type Family, OUTSIDE, withPrefix } from './addresses.js'
import {
  clientAddresses,
  endHost,
  engineAddresses,
  type LaboratoryPort,
  numbers,
  SILENT,
  type Topology,
  type TopologyOptions,
  UP,
} from './topology.js'

function serverAddress(family: Family, server: number): string {
  return family === 4 ? `192.0.2.${10 + server}` : `2001:db8:1::${10 + server}`
}

export function bridged({ servers, families }: TopologyOptions): Topology {
  const all = numbers(servers)
  const addressesOf = (server: number) =>
    families.map((family) => withPrefix(serverAddress(family, server), OUTSIDE[family]))
  return {
    roles: [
      endHost('cli', clientAddresses(families), OUTSIDE, families),
      { role: 'ctl', sysctls: SILENT, lines: ['ext0', ...all.map((n) => `int${n}`)].map(UP) },
      ...all.map((server) => endHost(`srv${server}`, addressesOf(server), OUTSIDE, families)),
    ],
    links: [
      { from: ['cli', 'eth0'], to: ['ctl', 'ext0'] },
      ...all.map((server) => ({
        from: [`srv${server}`, 'eth0'] as [string, string],
        to: ['ctl', `int${server}`] as [string, string],
      })),
    ],
    late: [],
    serverRole: (server) => `srv${server}`,
    serverAddress,
    ports: (name) => {
      const port = (device: string) => ({ kind: 'packet' as const, device, netns: name('ctl') })
      const inside = all.map((server): [string, LaboratoryPort] => [
        `inside${server}`,
        { ...port(`int${server}`), role: 'internal' },
      ])
      const outside = { ...port('ext0'), address: engineAddresses(OUTSIDE, families) }
      return { outside, ...Object.fromEntries(inside) }
    },
  }
}
