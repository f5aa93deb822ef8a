/** A control segment on virtual time, over a segment without packets. */
import { onTestFinished } from 'vitest'
import type { NodeConfig, PoolConfig, SluiceConfig } from '../../src/config/config.js'
import { resolveConfig } from '../../src/config/resolve.js'
import { ControlSegment } from '../../src/control/control-segment.js'
import { nativeOptions } from '../../src/control/native-options.js'
import { XlatMask } from '../../src/generated/messages.js'
import { FakeSegment } from './fake-segment.js'
import { type Family, type FarmEndpoints, farmConfig, farmEndpoints } from './farm.js'
import type { Reply } from './messages.js'
import { VirtualClock } from './virtual-clock.js'

export type Change = (farm: FarmEndpoints) => Partial<SluiceConfig>

/** A pool of so many nodes, behind the virtual server `site`. */
export const web =
  (pool: Partial<PoolConfig> = {}, nodes: Partial<NodeConfig>[] = [{}, {}, {}]): Change =>
  ({ node }) => ({
    pools: { web: { nodes: nodes.map((one, i) => ({ address: node(i + 1), ...one })), ...pool } },
  })

export async function startControl(family: Family, change: Change) {
  const [segment, clock, farm] = [new FakeSegment(), new VirtualClock(), farmEndpoints(family)]
  const logged: object[] = []
  const note = (details: object) => void logged.push(details)
  const log = { debug: note, info: note, warn: note, error: note }
  const resolved = (changed: Change) => resolveConfig(farmConfig(family, changed))
  const config = resolved(change)
  const control = new ControlSegment({ config, segment, log, clock })
  onTestFinished(() => control.stop())
  segment.start(nativeOptions(config), control.wake)
  await control.start()
  let flows = 0
  const ask = (vsId = 1, n = flows++) => {
    const fields = { source: farm.client(n), destination: farm.vip, vsId }
    return { ...fields, serial: segment.query(fields) }
  }
  /** Where the next flows go: nodes by number, or what they are refused with. */
  const next = async (count: number) => {
    const serials = Array.from({ length: count }, () => ask().serial)
    return (await segment.repliesTo(...serials)).map(placeOf)
  }
  const placeOf = ({ newDestination, mask }: Reply) => {
    const place = [1, 2, 3, 4].find((n) => newDestination === farm.node(n))
    return place ?? (mask & XlatMask.reset ? 'reset' : 'drop')
  }
  const states = () => control.pools.report()[0].nodes.map(({ state }) => state)
  const reload = (changed: Change) => control.deployment.reload(resolved(changed))
  return { control, segment, clock, farm, logged, ask, next, placeOf, states, reload }
}
