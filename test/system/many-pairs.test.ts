/** Many connections at once: most of them idle, some at work, and nothing left of any. */
import { expect, test } from 'vitest'
import { HeldConnections, startHolding } from '../../bench/loads/held-connections.js'
import type { ServiceFunction } from '../../src/index.js'
import { type Host, type LabProcess, until } from '../../src/laboratory/index.js'
import { EngineSite } from '../helpers/engine-site.js'
import { startEcho } from '../helpers/servers.js'
import { requireHost, requireTools } from '../helpers/skip.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'python3')

const [HOLD, ECHO] = [9000, 7]
const [IDLE, ACTIVE, SERVERS] = [6000, 60, 3]

test('SOCK-33 PROXY-07 thousands of idle pairs over three servers; others work beside them', async () => {
  let servers: readonly Host[] = []
  const holding: LabProcess[] = []
  let next = 0
  const toServers =
    (port: number): ServiceFunction =>
    async (inbound, { stack }) => {
      const address = servers[next++ % SERVERS]?.address() as string
      const outbound = await stack.connect({ address, port, associateWith: inbound })
      outbound.pair?.process()
    }
  await using site = await EngineSite.start({
    families: [4],
    servers: SERVERS,
    services: { [HOLD]: toServers(HOLD), [ECHO]: toServers(ECHO) },
    more: () => ({ limits: { connections: 2 * (IDLE + ACTIVE) + 500 } }),
    startServers: async (lab) => {
      servers = lab.servers
      for (const server of servers) {
        holding.push(...(await startHolding(server, HOLD, { connections: IDLE / SERVERS })))
        await startEcho(lab, [server], ECHO)
      }
    },
  })
  const counters = () => site.engine.status().counters
  const held = await HeldConnections.open(
    site.lab,
    { address: site.lab.virtualAddress(), port: HOLD },
    IDLE,
  )
  expect(held.counts).toEqual({ held: IDLE, failed: 0 })
  await until(
    () => `all are pairs: ${JSON.stringify(site.stack.stats().pairs)}`,
    () => site.stack.stats().pairs.proxied === IDLE,
  )
  const active = await Promise.all(Array.from({ length: ACTIVE }, () => site.connect(4, ECHO)))
  for (let turn = 1; turn <= 10; turn++) {
    for (const client of active) client.write(`turn ${turn}\n`)
    await Promise.all(active.map((client) => client.untilReceived(new RegExp(` turn ${turn}\n`))))
  }
  expect(counters().connections).toBe(2 * (IDLE + ACTIVE))
  for (const client of active) client.end()
  await held.close()
  await Promise.all(holding.map((process) => process.stop()))
  await site.untilIdle()
  await until('nothing is held for them', () => {
    const { connections, sockets, streamBuffers } = counters()
    return connections === 0 && sockets === 0 && streamBuffers === 0
  })
  await site.end()
})
