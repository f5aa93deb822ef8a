/** SYN cookies with kernels as clients: their connections are those of a handshake that is kept. */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Family, Namespace } from '../../src/laboratory/index.js'
import { curlSha256, url } from '../helpers/http-clients.js'
import { tcpComplaints } from '../helpers/kernel-counters.js'
import { startServiceSite } from '../helpers/service-site.js'
import type { Site } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { SocketClients } from '../helpers/socket-clients.js'
import { startUploads, upload } from '../helpers/uploads.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'curl', 'ss', 'python3')

const [HTTP, UPLOAD, ECHO] = [80, 8080, 7]
const SIZE = 10_000_000

type Policy = 'always' | 'never'

function startSite(synCookies: Policy): Promise<Site> {
  return startServiceSite(
    {
      [HTTP]: `services.relayTo(services.SERVER, ${HTTP})`,
      [UPLOAD]: `services.relayTo(services.SERVER, ${UPLOAD})`,
      [ECHO]: 'async (inbound) => { inbound.pipe(inbound) }',
    },
    { more: `synCookies: '${synCookies}',` },
  )
}

/** What a host may offer, as its kernel has it set. */
const OFFERS = [0, 1].flatMap((timestamps) =>
  [0, 1].flatMap((sack) => [0, 1].map((scaling) => ({ timestamps, sack, scaling }))),
)
type Offer = (typeof OFFERS)[number]

function offer(at: Namespace, { timestamps, sack, scaling }: Offer, ecn = 0): Promise<void> {
  return at.setSysctls({
    'ipv4/tcp_timestamps': timestamps,
    'ipv4/tcp_sack': sack,
    'ipv4/tcp_window_scaling': scaling,
    'ipv4/tcp_ecn': ecn,
  })
}

/** The options and sizes of a connection, as the client's kernel has them. */
async function agreed(site: Site, clients: SocketClients, family: Family): Promise<string[]> {
  const socket = await clients.connect({ host: site.lab.virtualAddress(family), port: ECHO })
  socket.write('hello')
  await socket.untilReceived(/hello/)
  const filter = ['state', 'established', `dport = :${ECHO}`]
  const { stdout } = await site.client.exec('ss', [`-${family}Htino`, ...filter])
  await socket.end()
  return stdout
    .split(/\s+/)
    .filter((word) => /^(ts|sack|ecn|ecnseen|wscale:.*|mss:.*|pmtu:.*|advmss:.*)$/.test(word))
}

const perOffer = async (site: Site) => {
  const clients = await SocketClients.start(site.client)
  const found: Record<string, string[]> = {}
  for (const each of OFFERS) {
    for (const ecn of [0, 1]) {
      await offer(site.client, each, ecn)
      for (const family of site.lab.families) {
        found[`${family} ${JSON.stringify(each)} ${ecn}`] = await agreed(site, clients, family)
      }
    }
  }
  return found
}

test('TCPX-02 TCPX-07 a kernel agrees with a cookie on what it agrees on without, if it has timestamps', async () => {
  await using never = await startSite('never')
  const usual = await perOffer(never)
  await never.end()
  await using always = await startSite('always')
  const found = await perOffer(always)
  for (const each of OFFERS) {
    for (const ecn of [0, 1]) {
      for (const family of always.lab.families) {
        // Without timestamps it is as if the client had offered nothing.
        const none = { timestamps: 0, sack: 0, scaling: 0 }
        const key = `${family} ${JSON.stringify(each.timestamps ? each : none)} ${each.timestamps && ecn}`
        expect(found[`${family} ${JSON.stringify(each)} ${ecn}`], key).toEqual(usual[key])
      }
    }
  }
  expect(usual[`4 ${JSON.stringify({ timestamps: 1, sack: 1, scaling: 1 })} 1`]).toEqual(
    expect.arrayContaining(['ts', 'sack', 'ecn', expect.stringMatching(/^wscale:\d+,\d+$/)]),
  )
  const { counters } = await always.end()
  expect(counters).toMatchObject({
    synCookiesSent: 2 * 2 * OFFERS.length,
    synCookiesAccepted: 2 * 2 * OFFERS.length,
    synCookiesRefused: 0,
  })
})

test('TCPX-01 TCPX-02 TCPX-07 HS-07 10 MB come and go whole by cookies, whatever the client offers', async () => {
  await using site = await startSite('always')
  const [server] = site.servers
  const [host] = site.lab.servers
  if (!server || !host) throw new Error('a site has a server')
  const sha256 = await server.addFile(SIZE)
  await startUploads(host, UPLOAD)
  const path = join(site.lab.folder, 'got')
  await site.fetch(4, `/bytes/${SIZE}`, HTTP, { output: path })
  for (const each of OFFERS) {
    await offer(site.client, each)
    for (const family of site.lab.families) {
      const address = site.lab.virtualAddress(family)
      const got = await curlSha256(site.client, url(address, `/bytes/${SIZE}`))
      expect(got, JSON.stringify(each)).toMatchObject({ status: 200, bytes: SIZE, body: sha256 })
      expect(await upload(site.client, url(address, '/', UPLOAD), path)).toBe(sha256)
    }
  }
  expect(await tcpComplaints(site.client)).toEqual({})
  const { counters } = await site.end()
  expect(counters.synCookiesAccepted).toBe(1 + 2 * 2 * OFFERS.length)
  expect(counters.connectionsAccepted).toBe(counters.synCookiesAccepted)
  expect(counters.synCookiesRefused).toBe(0)
})

test('TCPX-07 10 MB come whole by cookies, whatever client and server offer: 64 cases by each family', async () => {
  await using site = await startSite('always')
  const [server] = site.servers
  const [host] = site.lab.servers
  if (!server || !host) throw new Error('a site has a server')
  const body = await server.addFile(SIZE)
  for (const client of OFFERS) {
    await offer(site.client, client)
    for (const other of OFFERS) {
      await offer(host.namespace, other)
      for (const family of site.lab.families) {
        const target = url(site.lab.virtualAddress(family), `/bytes/${SIZE}`)
        const got = await curlSha256(site.client, target)
        const offers = JSON.stringify({ client, other })
        expect(got, offers).toMatchObject({ status: 200, bytes: SIZE, body })
      }
    }
  }
  expect(await tcpComplaints(site.client)).toEqual({})
  expect(await tcpComplaints(host.namespace)).toEqual({})
  const { counters } = await site.end()
  expect(counters.synCookiesAccepted).toBe(2 * OFFERS.length ** 2)
})
