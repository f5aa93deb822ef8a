/** A flow table that is too small: sessions lose their flows in mid-transfer, and go on. */
import { expect, test } from 'vitest'
import { type Family, until } from '../../src/laboratory/index.js'
import { expectAgreement } from '../helpers/agreement.js'
import { countFlows } from '../helpers/flow-counts.js'
import { url } from '../helpers/http-clients.js'
import { listen, Site } from '../helpers/site.js'
import { requireCaptures, requireTools } from '../helpers/skip.js'
import { SlowDownload } from '../helpers/slow-download.js'
import { type ClientSocket, SocketClients } from '../helpers/socket-clients.js'

requireCaptures()
requireTools('ip', 'nsenter', 'nginx', 'curl', 'bash', 'sha256sum')

const FLOWS = 32
const EVICTIONS = 10
/** More than the buffers of both ends and what is taken between evictions. */
const SIZE = 60_000_000
const PART = 1_000_000
const OTHERS = 81

/** Opens connections until the flow that has no packets meanwhile has made room for one of them. */
async function evict(site: Site, clients: SocketClients, family: Family, client: string) {
  const host = site.lab.virtualAddress(family)
  const sockets: ClientSocket[] = []
  const resumed = async () => (await site.status()).decisions.resumed
  const before = await resumed()
  await until('the eviction', async () => {
    // One after the other: while one waits for its decision no established flow makes room. Fewer
    // than the sessions that are kept, which are as many as flows: the oldest is given up for more.
    for (let count = 0; count < FLOWS / 2; count++) {
      sockets.push(await clients.connect({ host, port: OTHERS }))
    }
    // A probe of its server's may bring it back at any time.
    const isThere = (await site.flows()).some((flow) => flow.client === client)
    return !isThere || (await resumed()) > before
  })
  return { sockets, isBack: async () => (await resumed()) > before }
}

test('FLOWLIFE-16 FLOWLIFE-06 STAT-06 a transfer that is evicted ten times ends whole, on its server, counted once', async () => {
  await using site = await Site.start({
    topology: 'two-arm',
    servers: 2,
    virtualServers: (family, lab) => ({
      web: `listen: '${listen(lab, family, 80)}', pool: 'web${family}'`,
      others: `listen: '${listen(lab, family, OTHERS)}', pool: 'web${family}'`,
    }),
    // The shorter the time-out, the more exact is the order of use.
    more: `limits: { flows: ${FLOWS} }, timeouts: { tcpEstablishedMs: 60_000 },`,
  })
  const [sha256] = await Promise.all(site.servers.map((server) => server.addFile(SIZE)))
  const capture = await site.capture('port 80')
  const clients = await SocketClients.start(site.client)
  for (const family of site.lab.families) {
    const address = site.lab.virtualAddress(family)
    const download = await SlowDownload.start(site.client, url(address, `/bytes/${SIZE}`))
    await download.take(PART)
    const [flow] = await site.flows()
    for (let count = 0; count < EVICTIONS; count++) {
      const { sockets, isBack } = await evict(site, clients, family, flow.client)
      await download.take(PART)
      await until('the transfer goes on', isBack)
      await Promise.all(sockets.map((socket) => socket.reset()))
    }
    expect((await site.flows()).find(({ client }) => client === flow.client)).toMatchObject({
      server: flow.server,
      openedAt: flow.openedAt,
    })
    expect(await download.finish()).toEqual({ sha256, code: 0 })
    await expectAgreement(
      async () => {
        const { virtualServers } = await site.status()
        const web = virtualServers.find(({ name }) => name === `web${family}`)
        const { packets, bytes, connections, totalConnections } = web ?? {}
        return { packets, bytes, connections, totalConnections }
      },
      async () => {
        const flows = countFlows(await capture.read(), { address, port: 80 })
        const { packets, bytes } = flows.get(flow.client) ?? {}
        return { packets, bytes, connections: 0, totalConnections: 1 }
      },
    )
  }
  const { counters, decisions } = await site.end()
  expect(counters.flowsEvicted).toBeGreaterThanOrEqual(EVICTIONS)
  expect(decisions.resumed).toBeGreaterThanOrEqual(EVICTIONS)
  expect(decisions.unknown).toBe(0)
})
