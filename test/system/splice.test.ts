/** Pairs that the hosts at their ends run for a while, with real ones, and the way back up. */
import { expect, test } from 'vitest'
import type { SocketPair } from '../../src/index.js'
import type { Namespace } from '../../src/laboratory/index.js'
import { until } from '../../src/laboratory/index.js'
import type { EngineSite } from '../helpers/engine-site.js'
import { curlSha256, url } from '../helpers/http-clients.js'
import { endWithoutComplaints } from '../helpers/kernel-counters.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { HTTP, spliceAtOnce, startSpliceSite, UPLOADS } from '../helpers/splice-site.js'
import { transferSize } from '../helpers/transfer-size.js'
import { BothWays } from '../helpers/whole-transfer.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'curl', 'python3', 'bash', 'sha256sum', 'ss')

/** Some times the largest window, and five gigabytes where somebody asks for it. */
const USUAL = 64_000_000
const SIZE = transferSize(USUAL)

test('SOCK-12 MEM-17 TCPX-13 TCPX-18 TCPX-21 spliced in the middle, equal sha256 each way', async () => {
  const { site, pairs, nginx } = await startSpliceSite(spliceAtOnce)
  await using _ = site
  const contents = await BothWays.prepare(site, nginx, SIZE)
  await contents.transfer(UPLOADS)
  await site.untilIdle()
  expect(pairs).toHaveLength(4)
  for (const { pair, modes } of pairs) {
    expect(modes).toEqual(['draining', 'relay', 'splice', 'closed'])
    const { bytes, jsBytes } = pair.stats()
    expect(bytes.c2s + bytes.s2c).toBeGreaterThan(BigInt(SIZE))
    expect(jsBytes.c2s + jsBytes.s2c).toBeLessThan(10_000n)
  }
  await endWithoutComplaints(site)
})

test('SOCK-18 SOCK-20 let go and taken back a hundred times, equal sha256', async () => {
  let turns = 0
  const takeTurns = async (pair: SocketPair) => {
    pair.process()
    while (pair.mode !== 'closed') {
      const { mode } = await pair.unproxy({ depth: 'splice' })
      if (mode === 'splice') turns++
      await pair.proxy()
    }
  }
  const { site, pairs, nginx } = await startSpliceSite((pair) => takeTurns(pair).catch(() => {}))
  await using _ = site
  const body = await nginx.addFile(SIZE)
  for (const family of site.lab.families) {
    turns = 0
    // A busy machine has fewer of them in one download.
    while (turns < 100) {
      const address = site.lab.virtualAddress(family)
      const down = await curlSha256(site.client, url(address, `/bytes/${SIZE}`))
      expect(down).toMatchObject({ status: 200, bytes: SIZE, body })
    }
  }
  await site.untilIdle()
  for (const { modes } of pairs) {
    expect(modes).toContain('splice')
    expect(modes.slice(modes.indexOf('splice'))).toContain('proxied')
  }
  await endWithoutComplaints(site)
})

test('SOCK-14 MEM-17 while it is spliced no block is there, no buffer, and nothing for JavaScript', async () => {
  const { site, pairs, nginx } = await startSpliceSite(spliceAtOnce)
  await using _ = site
  const body = await nginx.addFile(USUAL)
  for (const [index, family] of site.lab.families.entries()) {
    // So that there is a middle of it to look at. It is the server that takes its time: a client that
    // does closes its window, and counts the server's probes of it as segments out of place.
    const target = url(site.lab.virtualAddress(family), `/paced/${USUAL}`)
    const download = curlSha256(site.client, target)
    const passed = () => Number(pairs[index]?.pair.stats().bytes.s2c ?? 0)
    const status = () => site.engine.status().counters
    await until('its blocks are gone', () => passed() > 0 && status().connections === 0)
    const before = status()
    const from = passed()
    await until('a part of it has passed', () => passed() > from + USUAL / 8)
    const after = status()
    expect(after).toMatchObject({ connections: 0, streamBuffers: 0, pushes: before.pushes })
    expect(after.streamBytesRead).toBe(before.streamBytesRead)
    expect(after.streamBytesWritten).toBe(before.streamBytesWritten)
    expect(pairs[index]?.pair.stats().heldByApp).toBe(0)
    expect(await download).toMatchObject({ status: 200, bytes: USUAL, body })
    await site.untilIdle()
  }
  await endWithoutComplaints(site)
})

test('SOCK-27 the end of either side of a splice closes both, and a RST resets both', async () => {
  const { site, pairs } = await startSpliceSite(spliceAtOnce)
  await using _ = site
  const server = site.server.namespace
  const open = async (family: 4 | 6) => {
    const client = await site.connect(family, HTTP)
    await client.request()
    await client.request()
    await until('it is spliced', () => pairs.at(-1)?.pair.mode === 'splice')
    return client
  }
  for (const family of site.lab.families) {
    const ended = await open(family)
    await ended.request()
    await ended.end()
    await untilNothingIsLeft(site, server)
    const given = await open(family)
    await given.reset()
    await untilNothingIsLeft(site, server)
    const taken = await open(family)
    await server.exec('ss', ['-K', 'state', 'established', 'sport = :80'])
    await until('the client is told', () => taken.error)
    expect(taken.error?.code).toBe('ECONNRESET')
    await untilNothingIsLeft(site, server)
    const destroyed = await open(family)
    pairs.at(-1)?.pair.inbound.destroy()
    await until('the client is told', () => destroyed.error)
    expect(destroyed.error?.code).toBe('ECONNRESET')
    await untilNothingIsLeft(site, server)
  }
  await site.end()
})

/** The server's kernel has no connection any more, in whatever state, and the engine no socket. */
async function untilNothingIsLeft(site: EngineSite, server: Namespace): Promise<void> {
  await until('the server has no connection', async () => {
    const { stdout } = await server.exec('ss', ['-Htn', 'state', 'connected', 'sport = :80'])
    return stdout.trim() === ''
  })
  await site.untilIdle()
}
