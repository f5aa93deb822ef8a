/** Pairs that the hosts at their ends run for a while, with real ones, and the way back up. */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { ServiceFunction, SocketPair } from '../../src/index.js'
import type { Host, Namespace } from '../../src/laboratory/index.js'
import { until } from '../../src/laboratory/index.js'
import { writeContents } from '../helpers/contents.js'
import { EngineSite } from '../helpers/engine-site.js'
import { curlSha256, url } from '../helpers/http-clients.js'
import { tcpComplaints } from '../helpers/kernel-counters.js'
import { NginxServer } from '../helpers/servers.js'
import { associated, SERVER } from '../helpers/services.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { startUploads, upload } from '../helpers/uploads.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'curl', 'python3', 'bash', 'sha256sum', 'ss')

const [HTTP, UPLOADS] = [80, 81]
/** Some times the largest window, and five gigabytes where somebody asks for it. */
const SIZE = Number(process.env.SLUICE_TRANSFER_BYTES ?? 64_000_000)

interface Spliced {
  readonly pair: SocketPair
  /** Modes that it has been in. */
  readonly modes: string[]
}

async function startSite(letGo: (pair: SocketPair) => Promise<unknown>) {
  const pairs: Spliced[] = []
  const splicing =
    (port: number): ServiceFunction =>
    async (inbound, { stack }) => {
      inbound.on('error', () => {})
      const outbound = await associated(stack, inbound, SERVER, port)
      outbound.on('error', () => {})
      const pair = outbound.pair as SocketPair
      const modes: string[] = []
      pair.on('mode', (_before, now) => modes.push(now))
      pairs.push({ pair, modes })
      await letGo(pair)
    }
  let nginx: NginxServer | undefined
  const site = await EngineSite.start({
    services: { [HTTP]: splicing(HTTP), [UPLOADS]: splicing(UPLOADS) },
    startServers: async (lab) => {
      const [host] = lab.servers as [Host]
      await startUploads(host, UPLOADS)
      nginx = await NginxServer.start(lab, host)
    },
  })
  return { site, pairs, nginx: nginx as NginxServer }
}

const spliceAtOnce = (pair: SocketPair) => pair.unproxy({ depth: 'splice' })

/** Neither kernel has anything against its peers. */
async function expectNoComplaints(site: EngineSite): Promise<void> {
  for (const namespace of [site.client, site.server.namespace]) {
    expect(await tcpComplaints(namespace)).toEqual({})
  }
}

test('SOCK-12 MEM-17 TCPX-13 TCPX-18 TCPX-21 spliced in the middle, equal sha256 each way', async () => {
  const { site, pairs, nginx } = await startSite(spliceAtOnce)
  await using _ = site
  const body = await nginx.addFile(SIZE)
  const path = join(site.lab.folder, 'upload')
  expect(await writeContents(path, SIZE)).toBe(body)
  for (const family of site.lab.families) {
    const address = site.lab.virtualAddress(family)
    const down = await curlSha256(site.client, url(address, `/bytes/${SIZE}`))
    expect(down).toMatchObject({ status: 200, bytes: SIZE, body })
    expect(await upload(site.client, url(address, '/', UPLOADS), path)).toBe(body)
  }
  await site.untilIdle()
  expect(pairs).toHaveLength(4)
  for (const { pair, modes } of pairs) {
    expect(modes).toEqual(['draining', 'relay', 'splice', 'closed'])
    const { bytes, jsBytes } = pair.stats()
    expect(bytes.c2s + bytes.s2c).toBeGreaterThan(BigInt(SIZE))
    expect(jsBytes.c2s + jsBytes.s2c).toBeLessThan(10_000n)
  }
  await expectNoComplaints(site)
  await site.end()
})

test('SOCK-18 SOCK-20 let go and taken back again and again in one download, equal sha256', async () => {
  const turns = async (pair: SocketPair) => {
    pair.process()
    while (pair.mode !== 'closed') {
      await pair.unproxy({ depth: 'splice', spliceTimeout: 100 })
      await pair.proxy()
    }
  }
  const { site, pairs, nginx } = await startSite((pair) => turns(pair).catch(() => {}))
  await using _ = site
  const body = await nginx.addFile(SIZE)
  for (const family of site.lab.families) {
    const address = site.lab.virtualAddress(family)
    const down = await curlSha256(site.client, url(address, `/bytes/${SIZE}`))
    expect(down).toMatchObject({ status: 200, bytes: SIZE, body })
  }
  await site.untilIdle()
  for (const { modes } of pairs) {
    expect(modes).toContain('splice')
    expect(modes.slice(modes.indexOf('splice'))).toContain('proxied')
  }
  await expectNoComplaints(site)
  await site.end()
})

test('SOCK-27 the end of either side of a splice closes both, and a RST resets both', async () => {
  const { site, pairs } = await startSite(spliceAtOnce)
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
