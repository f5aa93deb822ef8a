/** Hosts of a bridge that join their networks behind it. */
import { test } from 'vitest'
import { type Namespace, until } from '../../src/laboratory/index.js'
import { ping, startBridge } from '../helpers/bridge.js'
import { RawPeer } from '../helpers/raw-peer.js'
import { requireHost, requireTools } from '../helpers/skip.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'ping')

const STATION = '020000000901'

test('ARCH-09 a loop does no more than flood for a while: all is well when it is cut', async () => {
  await using site = await startBridge()
  const [first, second] = site.lab.servers.map(({ namespace }) => namespace) as [
    Namespace,
    Namespace,
  ]
  const bridgeOf = ['link add br0 type bridge stp_state 0 forward_delay 0', 'link set br0 up']
  const { lab } = site
  await first.ip([`link add loop0 type veth peer name loop0 netns ${second.name}`])
  for (const at of [first, second]) {
    await at.ip([
      ...bridgeOf,
      'link set eth0 master br0',
      'link set loop0 master br0',
      'link set loop0 up',
    ])
  }
  const peer = await RawPeer.start(site.client, 'eth0')
  peer.send(Buffer.from(`ffffffffffff${STATION}88b5${'42'.repeat(46)}`, 'hex'))
  await until('the frame goes round and round', async () => {
    const { counters } = await site.status()
    return counters.flooded > 5000 && counters.stationMoves > 0
  })
  await first.ip(['link del loop0'])
  await peer.stop()
  for (const at of [first, second]) await at.ip(['link set eth0 nomaster', 'link del br0'])
  for (const family of lab.families) {
    for (const host of lab.servers) {
      await until(
        'hosts reach each other again',
        async () => {
          return (await ping(site.client, host.address(family), '-W', '1')).code === 0
        },
        30_000,
      )
    }
  }
  await site.end()
})
