/** Another control segment watches the bus of the one that decides, while real flows come and go. */
import { expect, test } from 'vitest'
import { DuplicateLedger } from '../../src/cluster/duplicate-ledger.js'
import type { SluiceConfig } from '../../src/config/config.js'
import { resolveConfig } from '../../src/config/resolve.js'
import { ControlSegment } from '../../src/control/control-segment.js'
import { nativeOptions } from '../../src/control/native-options.js'
import { Laboratory, until } from '../../src/laboratory/index.js'
import { silentLogger } from '../../src/logger.js'
import { createNativeSegment } from '../../src/native.js'
import { entriesOf } from '../helpers/ledger-entries.js'
import { startEcho, startServers } from '../helpers/servers.js'
import { endpoint, listen } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { type ClientSocket, SocketClients } from '../helpers/socket-clients.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx')

const FLOWS = 32
const ECHO = 7

function configOf(lab: Laboratory, more: object = {}): SluiceConfig {
  const to = (port: number) => lab.serverAddresses(4).map((address) => endpoint(address, port))
  return {
    ports: lab.ports(),
    pools: { web: { nodes: to(80) }, echo: { nodes: to(ECHO) } },
    virtualServers: {
      site: { listen: listen(lab, 4, 80), pool: 'web' },
      hidden: { listen: listen(lab, 4, 81), pool: 'web', snat: '10.1.0.5' },
      echo: { listen: listen(lab, 4, ECHO, 'udp'), pool: 'echo', idleTimeoutMs: 1000 },
      ...more,
    },
    limits: { flows: FLOWS },
    timeouts: { statsIntervalMs: 100, reapMs: 5000 },
  } as SluiceConfig
}

/** An engine of which every message is seen by somebody else, too. */
async function startWatched(lab: Laboratory) {
  const segment = createNativeSegment()
  const config = resolveConfig(configOf(lab))
  const control = new ControlSegment({ config, segment, log: silentLogger })
  const duplicate = new DuplicateLedger(config)
  control.watch(duplicate)
  segment.start(nativeOptions(config), control.wake)
  await control.start()
  await lab.afterStart()
  return {
    control,
    duplicate,
    /** At any moment between two batches. @returns how many sessions both have */
    compare: () => {
      const entries = entriesOf(control.ledger)
      expect(entriesOf(duplicate.ledger)).toEqual(entries)
      return entries.length
    },
    [Symbol.dispose]: () => {
      control.stop()
      segment.stop()
    },
  }
}

test('FLOWLIFE-20 CS-13 a duplicate of the ledger equals it while real flows open, move, are evicted, end and are reset', async () => {
  await using lab = await Laboratory.create({ topology: 'two-arm', families: [4], servers: 2 })
  await startServers(lab)
  for (const host of lab.servers) await startEcho(lab, [host], ECHO)
  using watched = await startWatched(lab)
  const { control, duplicate, compare } = watched
  const clients = await SocketClients.start(lab.client.namespace)
  const host = lab.virtualAddress(4)
  const fetchOver = async (port: number, count: number) => {
    const sockets: ClientSocket[] = []
    for (let n = 0; n < count; n++) {
      const socket = await clients.connect({ host, port })
      await socket.request()
      sockets.push(socket)
      compare()
    }
    return sockets
  }
  const udp = await clients.connect({ protocol: 'udp', host, port: ECHO })
  udp.write('hello')
  await until('it is answered', () => udp.received.length > 0)
  expect(compare()).toBe(1)
  await until('it is idle', () => control.ledger.size === 0)
  compare()
  const early = await fetchOver(80, 8)
  const hidden = await fetchOver(81, 8)
  expect(compare()).toBe(16)

  // Too many for the table: some are evicted, and go on with their next request.
  const many = await fetchOver(80, FLOWS)
  expect(compare()).toBeGreaterThan(FLOWS)
  for (const socket of [...early, ...hidden]) {
    await socket.request()
    compare()
  }
  expect(control.decisions.resumed).toBeGreaterThan(8)

  await early[0]?.end()
  await early[1]?.reset()
  compare()

  const next = resolveConfig(configOf(lab, { late: { listen: listen(lab, 4, 82), pool: 'web' } }))
  duplicate.reload(next)
  await control.deployment.reload(next)
  await fetchOver(82, 2)

  control.resetFlows()
  await until('all are reset', () => control.ledger.size === 0)
  expect(compare()).toBe(0)
  await expect(many[0]?.request()).rejects.toThrow('ECONNRESET')
  const figures = ({ servers }: Pick<DuplicateLedger, 'servers'>) =>
    [...servers].map(({ name, totalConnections, traffic }) => ({
      name,
      totalConnections,
      ...traffic,
    }))
  expect(figures(duplicate)).toEqual(figures(control))
  expect(figures(duplicate)[0]?.totalConnections).toBe(8 + FLOWS)
})
