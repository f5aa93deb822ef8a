/** An engine over a segment without packets, with one farm, for each IP family. */
import { onTestFinished } from 'vitest'
import type { SluiceConfig } from '../../src/config/config.js'
import { Engine, type EngineOptions } from '../../src/engine.js'
import { FakeSegment } from './fake-segment.js'

export type Family = 4 | 6
export const families: Family[] = [4, 6]

/** The endpoints of the farm. */
export function farmEndpoints(family: Family) {
  const [outside, inside] =
    family === 4 ? ['192.0.2.', '10.1.0.'] : ['2001:db8:0::', '2001:db8:1::']
  const endpoint = (prefix: string, host: number | string, port: number) =>
    family === 4 ? `${prefix}${host}:${port}` : `[${prefix.replace(':0:', ':')}${host}]:${port}`
  return {
    /** The n-th client, by port. */
    client: (n = 0) => endpoint(outside, 10, 40_000 + n),
    vip: endpoint(outside, 100, 80),
    otherVip: endpoint(outside, 100, 81),
    /** An address that no virtual server has. */
    stranger: endpoint(outside, 77, 4242),
    node: (n: number) => endpoint(inside, 10 + n, 8080),
    ports: {
      outside: {
        kind: 'tap',
        address: `${outside.replace(':0:', ':')}1/${family === 4 ? 24 : 64}`,
      },
      inside: { kind: 'tap', address: `${inside}1/${family === 4 ? 24 : 64}` },
    },
  } as const
}

export type FarmEndpoints = ReturnType<typeof farmEndpoints>

/** Three nodes, round robin, behind the virtual server `site`, unless `change` says otherwise. */
export function farmConfig(
  family: Family,
  change: (farm: FarmEndpoints) => Partial<SluiceConfig> = () => ({}),
): SluiceConfig {
  const farm = farmEndpoints(family)
  return {
    ports: farm.ports,
    pools: { web: { nodes: [farm.node(1), farm.node(2), farm.node(3)] } },
    virtualServers: { site: { listen: `tcp://${farm.vip}`, pool: 'web' } },
    ...change(farm),
  }
}

/** A running engine with its segment; stopped when the test ends. */
export async function startFarm(
  family: Family,
  change?: (farm: FarmEndpoints) => Partial<SluiceConfig>,
  options: EngineOptions = {},
) {
  const segment = new FakeSegment()
  const engine = await Engine.start(farmConfig(family, change), { segment, ...options })
  onTestFinished(() => engine.stop())
  const farm = farmEndpoints(family)
  const fromClient = (n = 0) => ({ source: farm.client(n), destination: farm.vip, vsId: 1 })
  const connectionsByNode = () =>
    engine.status().pools[0].nodes.map(({ connections }) => connections)
  return { engine, segment, farm, fromClient, connectionsByNode }
}
