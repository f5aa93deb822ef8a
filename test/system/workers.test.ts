/** Several workers: each has its share of the flows, and together they are one engine. */
import { describe, expect, test } from 'vitest'
import { type TopologyName, until } from '../../src/laboratory/index.js'
import { url } from '../helpers/http-clients.js'
import { NginxServer } from '../helpers/servers.js'
import { Site } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { SocketClients } from '../helpers/socket-clients.js'

requireTools('ip', 'nsenter', 'nginx', 'curl')

const WORKERS = 3
const CONNECTIONS = 60
const FILE = 3_000_000

function startSite(topology: TopologyName): Promise<Site> {
  return Site.start({ topology, more: `workers: ${WORKERS},` })
}

describe.each<[TopologyName]>([['tap'], ['two-arm'], ['one-arm']])(
  'workers over %s',
  (topology) => {
    if (topology === 'tap') requireHost('tun')

    test('every connection is one flow of one worker, wherever its packets come in', async () => {
      await using site = await startSite(topology)
      const clients = await SocketClients.start(site.client)
      for (const server of site.servers) await server.addFile(FILE)
      for (const family of site.lab.families) {
        const host = site.lab.virtualAddress(family)
        const sockets = await Promise.all(
          Array.from({ length: CONNECTIONS }, () => clients.connect({ host, port: 80 })),
        )
        for (const socket of sockets) await socket.request()
        for (const socket of sockets.slice(0, 8)) {
          expect(await socket.request(`/bytes/${FILE}`)).toHaveLength(FILE)
        }
        const flows = await site.flows()
        expect(
          flows.filter(({ virtualServer }) => virtualServer?.endsWith(`${family}`)),
        ).toHaveLength(CONNECTIONS)
        await Promise.all(sockets.map((socket) => socket.end()))
        // A new connection finds its way while the others linger.
        expect(await site.fetch(family)).toMatchObject({ status: 200, exitCode: 0 })
      }
      await until('all flows have ended', async () => (await site.flows()).length === 0)
      const status = await site.end()
      const connections = site.lab.families.length * (CONNECTIONS + 1)
      expect(status.counters.flowsOpened).toBe(connections)
      expect(status.counters.queries).toBe(connections)
      expect(status.drops.noFlow).toBeUndefined()
      expect(status.drops.handOverFull).toBeUndefined()
      // What the engine sends does not come in again (DFS-23).
      expect(status.drops.ethernetOtherHost).toBeUndefined()
      const steered = status.ports.every(({ mode }) => mode.includes('steered by program'))
      if (steered) expect(status.counters.handedOver).toBe(0)
      else expect(status.counters.handedOver).toBeGreaterThan(0)
    })
  },
)

test('a connection that a server opens is one flow of one worker, too', async () => {
  await using site = await startSite('two-arm')
  const { client, servers } = site.lab
  await NginxServer.start(site.lab, client)
  for (const family of site.lab.families) {
    for (const server of servers) {
      const { stdout } = await server.namespace.exec('curl', ['-sS', url(client.address(family))])
      expect(stdout).not.toBe('')
    }
  }
  await until('each flow has ended', async () => (await site.flows()).length === 0)
  const status = await site.end()
  expect(status.counters.queries).toBe(site.lab.families.length * servers.length)
  const steered = status.ports.every(({ mode }) => mode.includes('steered by program'))
  if (steered) expect(status.counters.handedOver).toBe(0)
  else expect(status.counters.handedOver).toBeGreaterThan(0)
})
