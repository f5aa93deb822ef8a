/** Pairs that are let go, whatever their ends have agreed on, and over a link that loses. */
import { expect, test } from 'vitest'
import { type Family, type Namespace, until } from '../../src/laboratory/index.js'
import { Capture } from '../helpers/capture.js'
import { decodeFrame } from '../helpers/frame.js'
import { curlSha256, url } from '../helpers/http-clients.js'
import { loseSegments } from '../helpers/impairment.js'
import { endWithoutComplaints, kernelCounters } from '../helpers/kernel-counters.js'
import { requireCaptures, requireHost, requireTools } from '../helpers/skip.js'
import { spliceAtOnce, startSpliceSite, UPLOADS } from '../helpers/splice-site.js'
import { OFFERS, offer } from '../helpers/tcp-offers.js'
import { BothWays } from '../helpers/whole-transfer.js'

requireCaptures()
requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'curl', 'python3', 'bash', 'sha256sum', 'nft')

const SIZE = 10_000_000
/** Of which a second is sent at once, and then so much in each. */
const PACED = 40_000_000
const CONGESTION_EXPERIENCED = 3

test('trap 1 trap 2 TCPX-07 TCPX-14 TCPX-16 TCPX-17 TCPX-19 64 combinations of options are spliced, or stay a relay that says why', async () => {
  const { site, pairs, nginx } = await startSpliceSite(spliceAtOnce)
  await using _ = site
  const body = await nginx.addFile(SIZE)
  let turn = 0
  for (const client of OFFERS) {
    await offer(site.client, client)
    for (const server of OFFERS) {
      await offer(site.server.namespace, server)
      const family: Family = turn++ % 2 === 0 ? 4 : 6
      const target = url(site.lab.virtualAddress(family), `/bytes/${SIZE}`)
      const got = await curlSha256(site.client, target)
      const offers = JSON.stringify({ client, server })
      expect(got, offers).toMatchObject({ status: 200, bytes: SIZE, body })
      await site.untilIdle()
      const isBlocked = client.timestamps > server.timestamps
      expect(pairs.at(-1)?.modes.includes('splice'), offers).toBe(!isBlocked)
    }
  }
  await endWithoutComplaints(site)
})

test('TCPX-17 TCPX-18 TCPX-21 over a link that loses, spliced in the middle: equal sha256 each way, by SACK', async () => {
  const { site, pairs, nginx } = await startSpliceSite(spliceAtOnce)
  await using _ = site
  const contents = await BothWays.prepare(site, nginx, SIZE)
  // What a host loses of what it sends its own kernel knows at once: so each loses what comes.
  await loseSegments(site.server.namespace, 'eth0', 1)
  await loseSegments(site.client, 'eth0', 1)
  // Until each sender has repeated, at least once, what SACK said was lost.
  const hasRecovered = async (namespace: Namespace) =>
    Number((await kernelCounters(namespace)).TcpExtTCPSackRecovery) > 0
  do {
    await contents.transfer(UPLOADS)
  } while (!((await hasRecovered(site.client)) && (await hasRecovered(site.server.namespace))))
  await site.untilIdle()
  for (const { modes } of pairs) expect(modes).toContain('splice')
  await endWithoutComplaints(site)
})

test('TCPX-25 what the network marks while a pair is spliced its receiver echoes, and its sender answers', async () => {
  const { site, pairs, nginx } = await startSpliceSite(spliceAtOnce)
  await using _ = site
  const hosts = [site.client, site.server.namespace]
  for (const host of hosts) await host.setSysctls({ 'ipv4/tcp_ecn': 1 })
  const body = await nginx.addFile(PACED)
  const capture = await Capture.start(site.lab, site.client, 'eth0', { snapLength: 100 })
  for (const family of site.lab.families) {
    const address = site.lab.virtualAddress(family)
    const download = curlSha256(site.client, url(address, `/paced/${PACED}`))
    const isSpliced = async () =>
      pairs.at(-1)?.pair.mode === 'splice' &&
      (await site.engine.status()).counters.connections === 0
    await until('its blocks are gone', isSpliced)
    const from = (await capture.read()).length
    await markSome(site.server.namespace, family)
    expect(await download).toMatchObject({ status: 200, body })
    const frames = (await capture.read()).slice(from).map(({ bytes }) => decodeFrame(bytes))
    const toClient = frames.filter(({ ip }) => ip?.source === address)
    const fromClient = frames.filter(({ ip }) => ip?.destination === address)
    expect(toClient.some(({ ip }) => ip?.ecn === CONGESTION_EXPERIENCED)).toBe(true)
    expect(fromClient.some(({ tcp }) => tcp?.flags.has('ECE'))).toBe(true)
    expect(toClient.some(({ tcp }) => tcp?.flags.has('CWR'))).toBe(true)
    expect(fromClient.at(-1)?.tcp?.flags.has('ECE')).toBe(false)
  }
  await endWithoutComplaints(site)
})

/** Of what a host sends from now on every hundredth packet has met congestion (RFC 3168 5). */
function markSome(at: Namespace, family: Family) {
  const table = `inet marks${family}`
  const ip = family === 4 ? 'ip' : 'ip6'
  const chain = `add chain ${table} out { type filter hook output priority 0; }`
  const rule = `add rule ${table} out numgen inc mod 100 == 0 ${ip} ecn ect0 ${ip} ecn set ce`
  return at.exec('nft', [`add table ${table}; ${chain}; ${rule}`])
}
