/** The engine is a hop of the way, as any router is. */
import { expect, test } from 'vitest'
import { type FarHost, placeBehind } from '../helpers/far-host.js'
import { NginxServer } from '../helpers/servers.js'
import { Site } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'traceroute')

const methods = { UDP: ['-p', '33434'], ICMP: ['-I'], TCP: ['-T', '-p', '80'] }

test.each(Object.entries(methods))(
  'DFS-25 TCPX-70 traceroute with %s names the engine',
  async (_, how) => {
    let far: FarHost | undefined
    await using site = await Site.start({
      topology: 'two-arm',
      servers: 2,
      startServers: async (lab) => {
        far = await placeBehind({
          router: lab.namespace('srv1'),
          host: lab.namespace('srv2'),
          number: 2,
        })
        return [await NginxServer.start(lab, far)]
      },
      more: `routes: [
      { to: '10.2.0.0/24', via: '10.1.0.11' },
      { to: '2001:db8:20::/64', via: '2001:db8:2::11' },
    ]`,
    })
    for (const family of site.lab.families) {
      const to = far?.address(family) ?? ''
      const args = [`-${family}`, '-n', '-q', '2', '-w', '5', '-m', '6', ...how, to]
      const { stdout } = await site.client.exec('traceroute', args, { timeoutMs: 60_000 })
      const hops = stdout.split('\n').filter((line) => /^ *\d+ /.test(line))
      expect(hops.map((line) => line.trim().split(/\s+/)[1])).toEqual([
        family === 4 ? '192.0.2.1' : '2001:db8:1::1',
        site.lab.serverAddresses(family)[0],
        to,
      ])
      expect(stdout).not.toContain('*')
    }
    const { drops, counters } = await site.end()
    expect(drops.ttlExpired).toBe(counters.icmpErrors)
  },
)
