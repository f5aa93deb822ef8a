/** What TCP looks like on both sides of the engine. */
import { describe, expect, test } from 'vitest'
import type { Host, TopologyName } from '../../src/laboratory/index.js'
import { decodeFrame } from '../helpers/frame.js'
import type { CapturedFrame } from '../helpers/pcap.js'
import { Site } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { tcpViolations } from '../helpers/tcp-invariants.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'curl', 'ethtool')

const SIZE = 10_000_000

/** Sequence number and length of each segment with data from `source`, in the order of the wire. */
function dataFrom(frames: CapturedFrame[], source: string): string[] {
  return frames.flatMap(({ bytes }) => {
    const { ip, tcp } = decodeFrame(bytes)
    if (ip?.source !== source || !tcp || tcp.payload.length === 0) return []
    return [`${tcp.sequence} + ${tcp.payload.length}`]
  })
}

describe.each<[TopologyName, string]>([
  ['tap', 'on'],
  ['tap', 'off'],
  ['two-arm', 'on'],
  ['two-arm', 'off'],
])('over %s, offloads of the hosts %s', (topology, offloads) => {
  if (topology === 'tap') requireHost('tun')

  test('TCPX-79 TCPX-32 order is kept, no checksum is bad, no window edge moves left', async () => {
    await using site = await Site.start({ topology, servers: 1, record: true })
    const { lab, servers } = site
    await servers[0]?.addFile(SIZE)
    if (offloads === 'off') await site.withoutOffloads()
    for (const family of lab.families) {
      const fetched = await site.fetch(family, `/bytes/${SIZE}`, 80, { output: '/dev/null' })
      expect(fetched).toMatchObject({ status: 200, bytes: SIZE })
    }
    const { drops } = await site.end()
    const [outside, inside] = [site.passed('outside'), site.passed('inside')]
    expect(tcpViolations(outside)).toEqual([])
    expect(tcpViolations(inside)).toEqual([])
    expect(drops.transmitFailed).toBeUndefined()
    const [host] = lab.servers as [Host]
    for (const family of lab.families) {
      const received = dataFrom(inside, host.address(family))
      expect(received.length).toBeGreaterThan(100)
      expect(dataFrom(outside, lab.virtualAddress(family))).toEqual(received)
    }
  })
})
