/** What the engine offers to a server is what the client offered to it, seen on the wire on both sides. */
import { describe, expect, test } from 'vitest'
import type { Family } from '../../src/laboratory/index.js'
import { EngineSite } from '../helpers/engine-site.js'
import { curl, url } from '../helpers/http-clients.js'
import { checksumErrors, repeatedSyns, tcpComplaints } from '../helpers/kernel-counters.js'
import { startServers } from '../helpers/servers.js'
import { relayTo, SERVER } from '../helpers/services.js'
import { requireCaptures, requireHost, requireTools } from '../helpers/skip.js'
import { conversations } from '../helpers/tcp-streams.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'curl', 'nginx')
requireCaptures()

const HTTP = 80
const FAMILIES: [Family][] = [[4], [6]]
const COMBINATIONS = [0, 1, 2, 3, 4, 5, 6, 7].map((bits) => ({
  'ipv4/tcp_timestamps': bits & 1,
  'ipv4/tcp_sack': (bits >> 1) & 1,
  'ipv4/tcp_window_scaling': (bits >> 2) & 1,
}))

/** Of a SYN what has to be the same on both sides. */
function offerOf(frames: Parameters<typeof conversations>[0]) {
  const [{ request }] = conversations(frames, HTTP) as [ReturnType<typeof conversations>[number]]
  const { sequence, options } = request.segments[0]?.tcp ?? {}
  const { mss, windowScale, sackPermitted } = options ?? {}
  return { sequence, mss, windowScale, sackPermitted, stamped: options?.timestamps !== undefined }
}

describe.each(FAMILIES)('IPv%s', (family) => {
  test.each(COMBINATIONS)('HS-21 TCPX-04 to the server it offers %o', async (sysctls) => {
    await using site = await EngineSite.start({
      families: [family],
      startServers,
      services: { [HTTP]: relayTo(SERVER, HTTP) },
    })
    await site.client.setSysctls(sysctls)
    const [outside, inside] = [await site.captureOutside(), await site.captureInside()]
    const target = url(site.lab.virtualAddress(family), '/', HTTP)
    expect(await curl(site.client, target)).toMatchObject({ exitCode: 0, status: 200 })
    await site.untilIdle()
    const [ofClient, ofServer] = [await outside.stop(), await inside.stop()]
    const offered = offerOf(ofClient)
    expect(offered.sequence).toBeDefined()
    expect(offered.stamped).toBe(sysctls['ipv4/tcp_timestamps'] === 1)
    expect(offerOf(ofServer)).toEqual(offered)
    const seen = [
      { host: site.lab.client, frames: ofClient },
      { host: site.server, frames: ofServer },
    ]
    for (const { host, frames } of seen) {
      const { namespace } = host
      const repeated = repeatedSyns(frames, host.address(family))
      expect(await tcpComplaints(namespace, repeated)).toEqual({})
      expect(await checksumErrors(namespace)).toEqual({})
    }
    await site.end()
  })
})
