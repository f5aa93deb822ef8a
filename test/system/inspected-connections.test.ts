/** Connections whose server is chosen by what the client sends first, with real clients and servers. */
import { describe, expect, test } from 'vitest'
import type { Family, Laboratory, TopologyName } from '../../src/laboratory/index.js'
import { until } from '../../src/laboratory/index.js'
import { curl, curlSha256, url } from '../helpers/http-clients.js'
import { endpoint, listen, Site, type SiteOptions } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'curl', 'nginx')

const topologies: TopologyName[] = ['two-arm', 'tap']
const FAMILIES: [Family][] = [[4], [6]]

/** A pool for each server: `one4`, `two4`, `three4` and so on. */
const names = ['one', 'two', 'three'] as const
function poolOfEach(family: Family, lab: Laboratory): Record<string, string> {
  const nodes = lab.serverAddresses(family).map((address) => endpoint(address, 80))
  return Object.fromEntries(nodes.map((node, i) => [names[i], `nodes: ['${node}']`]))
}

/** @param keys source of the keys of the virtual server, the policy's pools without their family */
const inspected = (keys: (family: Family) => string, more: Partial<SiteOptions> = {}) => ({
  servers: 3,
  pools: poolOfEach,
  virtualServers: (family: Family, lab: Laboratory) => ({
    site: `listen: '${listen(lab, family, 80)}', ${keys(family)}`,
  }),
  ...more,
})

/** Nothing is left of any connection, and every flow that was opened has ended. */
async function endClean(site: Site): Promise<void> {
  await until('no connection is left', async () => {
    const { counters } = await site.status()
    return counters.connections + counters.inspected + counters.sockets === 0
  })
  const { flows } = await site.status()
  expect(flows).toBe(0)
  await site.end()
}

describe.each(topologies)('over %s', (topology) => {
  if (topology === 'tap') requireHost('tun')

  test('LB-18 ARCH-10 VS-21 HS-10 requests go by target, host and method, and servers see the client', async () => {
    await using site = await Site.start({
      topology,
      ...inspected(
        (family) => `inspect: 'http', policy: ({ http }) => {
          if (http.method === 'HEAD') return 'three${family}'
          if (http.host === 'api.test') return 'two${family}'
          return http.query.startsWith('img') ? 'one${family}' : { reject: 'reset' }
        }`,
      ),
    })
    for (const family of site.lab.families) {
      const image = await site.fetch(family, '/?img')
      expect(image).toMatchObject({ exitCode: 0, status: 200, body: 'srv1\n' })
      const api = await site.fetch(family, '/', 80, { args: ['-H', 'Host: api.test'] })
      expect(api).toMatchObject({ exitCode: 0, status: 200, body: 'srv2\n' })
      expect(await site.fetch(family, '/', 80, { args: ['-I'] })).toMatchObject({ status: 200 })
      // Two requests over one connection: the first one decides.
      const base = url(site.lab.virtualAddress(family))
      const kept = await curl(site.client, [`${base}?img`, base])
      expect(kept).toMatchObject({ connections: 1, body: expect.stringContaining('srv1') })
      expect(await site.fetch(family, '/nobody')).toMatchObject({ exitCode: 56, status: 0 })
      if (topology === 'two-arm') {
        const [first, second, third] = site.servers
        const before = family === 4 ? 0 : 3
        expect((await first?.untilLogged(before + 3))?.[before]?.client).toBe(image.client)
        const seconds = await second?.untilLogged(family === 4 ? 1 : 2)
        expect(seconds?.at(-1)?.client).toBe(api.client)
        expect(await third?.untilLogged(family === 4 ? 1 : 2)).toBeDefined()
      }
    }
    const { counters, decisions } = await site.status()
    expect(decisions).toMatchObject({ assigned: 8, rejected: 2, policyErrors: 0 })
    expect(counters).toMatchObject({ inspectionsJoined: 8, inspectionsAsked: 10 })
    await endClean(site)
  })
})

describe.each(FAMILIES)('IPv%s', (family) => {
  test.each(['', 'preserveClient: false, '])('HS-10 two workers serve them, %s', async (keys) => {
    await using site = await Site.start({
      topology: 'two-arm',
      families: [family],
      ...inspected(
        (of) => `${keys}inspect: 'http', policy: ({ http }) =>
        http.path === '/' ? 'one${of}' : 'two${of}'`,
      ),
      more: 'workers: 2',
    })
    const fetches = Array.from({ length: 16 }, () => site.fetch(family, '/'))
    for (const fetched of await Promise.all(fetches)) {
      expect(fetched).toMatchObject({ exitCode: 0, status: 200, body: 'srv1\n' })
    }
    expect((await site.status()).counters.inspectionsJoined).toBe(16)
    await endClean(site)
  })

  test('HS-11 a large body passes whole behind the request', async () => {
    await using site = await Site.start({
      topology: 'two-arm',
      families: [family],
      ...inspected((of) => `inspect: 'http', policy: () => 'two${of}'`),
    })
    const size = 20_000_000
    const sum = await site.servers[1]?.addFile(size)
    const target = url(site.lab.virtualAddress(family), `/bytes/${size}`)
    expect(await curlSha256(site.client, target)).toMatchObject({ exitCode: 0, body: sum })
    await endClean(site)
  })
})
