/** A port that is in a VLAN of its link, with a kernel's client there and servers without tags. */

import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Laboratory, until } from '../../src/laboratory/index.js'
import { decodeFrame } from '../helpers/frame.js'
import { RawPeer } from '../helpers/raw-peer.js'
import { root } from '../helpers/repository.js'
import { startServers } from '../helpers/servers.js'
import { type Ports, Site } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { ACK, tcpFrame } from '../helpers/tcp-frame.js'
import { expectWholeTransfer } from '../helpers/whole-transfer.js'

requireHost('netns', 'afPacket', 'tun')
requireTools('ip', 'nsenter', 'nginx', 'curl', 'python3')

const SIZE = 3_000_000

/** The client's kernel leaves eth0 and goes into the VLAN. */
async function moveClient(lab: Laboratory, vlans: number[]): Promise<void> {
  const { namespace } = lab.client
  const mtu = 1500 + 4 * (vlans.length - 1)
  await lab.namespace('ctl').ip([`link set ext0 mtu ${mtu}`])
  await namespace.ip([
    'link set eth0 down',
    'address flush dev eth0',
    `link set eth0 up mtu ${mtu}`,
  ])
  const script = join(root, 'test/helpers/vlan_host.py')
  const helper = await namespace.spawn('python3', [
    '-B',
    script,
    'eth0',
    'vlan0',
    ...vlans.map(String),
  ])
  await helper.waitForOutput(/^ready$/m)
  await namespace.ip([
    'address add 192.0.2.10/24 dev vlan0',
    'address add 2001:db8:1::10/64 dev vlan0 nodad',
    'link set vlan0 up',
    'route add default via 192.0.2.1',
    'route add ::/0 via 2001:db8:1::1',
  ])
}

test.each([
  [[100], 1],
  [[200, 100], 1],
  [[200, 100], 2],
])('TCPX-75 a client in VLAN %j, with %d workers', async (vlans, workers) => {
  await using site = await Site.start({
    topology: 'two-arm',
    servers: 1,
    record: workers === 1,
    more: `workers: ${workers},`,
    startServers: async (lab) => {
      await moveClient(lab, vlans)
      return startServers(lab)
    },
    ports: ({ outside, ...rest }) => ({
      ...rest,
      outside: { ...(outside as Ports[string]), vlan: vlans.length === 1 ? vlans[0] : vlans },
    }),
  })
  await expectWholeTransfer(site, SIZE)
  // Without a tag, as somebody on the link sends who is not in the VLAN.
  const stranger = await RawPeer.start(site.client, 'eth0')
  const { stdout } = await site.lab.namespace('ctl').exec('ip', ['-j', 'link', 'show', 'ext0'])
  const from = { mac: stranger.mac, address: '192.0.2.10', port: 7 }
  const to = { mac: JSON.parse(stdout)[0].address, address: '192.0.2.100', port: 80 }
  stranger.send(tcpFrame({ from, to, flags: ACK, seq: 1 }))
  await until('it is dropped', async () => ((await site.status()).drops.vlanOther ?? 0) > 0)
  await site.end()
  if (workers > 1) return // each has a recording of its own
  const tags = new Set(
    site.passed('outside').map(({ bytes }) => JSON.stringify(decodeFrame(bytes).vlans)),
  )
  expect(tags).toEqual(new Set([JSON.stringify(vlans), '[]']))
  const untagged = site.passed('inside').every(({ bytes }) => decodeFrame(bytes).vlans.length === 0)
  expect(untagged).toBe(true)
})
