/** Links of different kinds on both sides of the engine: frames of 1500 and of 9000 bytes, fast and slow. */
import { expect, test } from 'vitest'
import type { Host, Laboratory } from '../../src/laboratory/index.js'
import { decodeFrame } from '../helpers/frame.js'
import { startServers } from '../helpers/servers.js'
import { type Ports, Site } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { tcpViolations } from '../helpers/tcp-invariants.js'
import { expectWholeTransfer } from '../helpers/whole-transfer.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'curl', 'ethtool', 'nft')

const SIZE = 10_000_000

interface Mtus {
  outside: number
  inside: number
}

/** Both ends of each link have that MTU before the engine comes. */
function startSite({ outside, inside }: Mtus): Promise<Site> {
  return Site.start({
    topology: 'two-arm',
    servers: 1,
    record: true,
    startServers: async (lab: Laboratory) => {
      const [host] = lab.servers as [Host]
      const ctl = lab.namespace('ctl')
      await ctl.ip([`link set ext0 mtu ${outside}`, `link set int0 mtu ${inside}`])
      await lab.client.namespace.ip([`link set eth0 mtu ${outside}`])
      await host.namespace.ip([`link set eth0 mtu ${inside}`])
      return startServers(lab)
    },
    ports: (ports) => ({
      outside: { ...(ports.outside as Ports[string]), mtu: outside },
      inside: { ...(ports.inside as Ports[string]), mtu: inside },
    }),
  })
}

/** Lengths of the TCP segments with data that passed a port. */
function segmentsAt(site: Site, port: string): number[] {
  return site.passed(port).flatMap(({ bytes }) => {
    const { tcp } = decodeFrame(bytes)
    return tcp && tcp.payload.length > 0 ? [bytes.length] : []
  })
}

test('ARCH-14 TCPX-77 frames of 9000 bytes pass whole, and none is longer', async () => {
  await using site = await startSite({ outside: 9000, inside: 9000 })
  await site.withoutOffloads()
  await expectWholeTransfer(site, SIZE)
  const { drops } = await site.end()
  expect(drops).not.toHaveProperty('mtuExceeded')
  for (const port of ['outside', 'inside']) {
    const lengths = segmentsAt(site, port)
    expect(Math.max(...lengths)).toBe(9014)
    expect(lengths.filter((length) => length === 9014).length).toBeGreaterThan(1000)
    expect(tcpViolations(site.passed(port))).toEqual([])
  }
})

test.each<Mtus>([
  { outside: 1500, inside: 9000 },
  { outside: 9000, inside: 1500 },
])('ARCH-14 TCPX-20 MTU $outside and $inside: segments that both links carry', async (mtus) => {
  await using site = await startSite(mtus)
  await site.withoutOffloads()
  await expectWholeTransfer(site, SIZE)
  const { drops } = await site.end()
  expect(drops).not.toHaveProperty('mtuExceeded')
  for (const port of ['outside', 'inside']) {
    expect(Math.max(...segmentsAt(site, port))).toBe(1514)
  }
})

test('ARCH-14 a client behind 100 Mbit/s, servers with frames of 9000 bytes and no limit', async () => {
  await using site = await startSite({ outside: 1500, inside: 9000 })
  // Policed where it arrives, and so lost, as at a switch that changes from a fast link to a slow one.
  const chain = 'add chain inet slow in { type filter hook input priority 0; }'
  const rule = 'add rule inet slow in limit rate over 12500 kbytes/second burst 256 kbytes drop'
  await site.client.exec('nft', [`add table inet slow; ${chain}; ${rule}`])
  await expectWholeTransfer(site, SIZE)
  const { stdout } = await site.client.exec('nft', ['list', 'table', 'inet', 'slow'])
  expect(stdout).toContain('limit rate over')
  const { counters } = await site.end()
  expect(counters).toMatchObject({ queries: 2, flowsClosedRst: 0 })
  expect(tcpViolations(site.passed('outside'))).toEqual([])
})
