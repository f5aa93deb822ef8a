/** Services with several workers: each connection is with the worker that its packets come to. */
import { describe, expect, test } from 'vitest'
import type { ServiceFunction } from '../../src/index.js'
import type { TopologyName } from '../../src/laboratory/index.js'
import { EngineSite } from '../helpers/engine-site.js'
import { url } from '../helpers/http-clients.js'
import { startServers } from '../helpers/servers.js'
import { join, pipeTo, relayTo, SERVER } from '../helpers/services.js'
import { requireHost, requireTools } from '../helpers/skip.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'curl')

const [PIPE, RELAY, OWN] = [80, 81, 82]
const REQUESTS = 24

/** The server sees an address of the engine, at which each answer comes to one worker. */
const fromOurs: ServiceFunction = async (inbound, { stack }) => {
  const { family } = inbound.identity
  const to = { address: SERVER[family], port: 80 }
  const outbound = await stack.connect({ ...to, associateWith: inbound, preserveClient: false })
  await join(inbound, outbound)
}

describe.each<[TopologyName]>([['tap'], ['two-arm']])('over %s', (topology) => {
  if (topology === 'tap') requireHost('tun')

  test('SOCK-08 SOCK-09 three workers have the connections of a service', async () => {
    await using site = await EngineSite.start({
      topology,
      services: { [PIPE]: pipeTo(SERVER, 80), [RELAY]: relayTo(SERVER, 80), [OWN]: fromOurs },
      startServers: (lab) => startServers(lab),
      more: () => ({ workers: 3 }),
    })
    for (const family of site.lab.families) {
      for (const port of [PIPE, RELAY, OWN]) {
        const target = url(site.lab.virtualAddress(family), '/', port)
        const once = ['-s', '-o', '/dev/null', '-w', '%{http_code}\n', '--no-keepalive', target]
        const all = Array.from({ length: REQUESTS }, () => site.client.exec('curl', once))
        const codes = (await Promise.all(all)).map(({ stdout }) => stdout.trim())
        expect(codes).toEqual(Array.from({ length: REQUESTS }, () => '200'))
      }
    }
    const { connectionsAccepted, connectionsOpened } = site.engine.status().counters
    expect([connectionsAccepted, connectionsOpened]).toEqual(
      Array.from({ length: 2 }, () => site.lab.families.length * 3 * REQUESTS),
    )
    await site.end()
  })
})
