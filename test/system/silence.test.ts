/** The host's kernel must not answer for the engine, nor the engine hear itself. */
import { describe, expect, test } from 'vitest'
import { type Namespace, type TopologyName, until } from '../../src/laboratory/index.js'
import { Capture } from '../helpers/capture.js'
import { deviceSettings } from '../helpers/device-settings.js'
import { type DecodedFrame, decodeFrame } from '../helpers/frame.js'
import { kernelCounters } from '../helpers/kernel-counters.js'
import { startServers } from '../helpers/servers.js'
import { Site } from '../helpers/site.js'
import { requireCaptures, requireTools } from '../helpers/skip.js'
import { SocketClients } from '../helpers/socket-clients.js'

requireCaptures()
requireTools('ip', 'nsenter', 'nginx', 'curl', 'ping')

/** Traffic of every kind that tempts a kernel to say something. */
async function tempt(site: Site): Promise<void> {
  const clients = await SocketClients.start(site.client)
  for (const family of site.lab.families) {
    const host = site.lab.virtualAddress(family)
    expect(await site.fetch(family)).toMatchObject({ status: 200 })
    expect((await site.client.tryExec('ping', ['-c', '1', '-W', '10', host])).code).toBe(0)
    // Nobody listens there: the engine says so of the datagram, and the kernel nothing.
    const silent = clients.open({ host, port: 81 })
    const datagram = await clients.connect({ protocol: 'udp', host, port: 81 })
    datagram.write('hello')
    // Once this has been answered, the others have been looked at.
    expect(await site.fetch(family)).toMatchObject({ status: 200 })
    expect(silent.state).toBe('opening')
    await until('the answer to the datagram', () => datagram.error !== undefined)
    expect(datagram.error).toMatchObject({ code: 'ECONNREFUSED' })
  }
}

describe.each<TopologyName>(['two-arm', 'one-arm'])('%s', (topology) => {
  test('DFS-22 DFS-23 the kernel beside the engine sends nothing, and nothing comes back', async () => {
    await using site = await Site.start({ topology })
    const ctl = site.lab.namespace('ctl')
    const before = await kernelCounters(ctl)
    const capture = await Capture.start(site.lab, ctl, 'ext0')
    const startedAt = (await site.status()).ports[0]?.counters.rxFrames ?? 0
    await tempt(site)
    const after = await kernelCounters(ctl)
    for (const name of ['IpOutRequests', 'IcmpOutMsgs', 'TcpOutSegs', 'TcpOutRsts']) {
      expect([name, after[name]]).toEqual([name, before[name]])
    }
    const endedAt = (await site.status()).ports[0]?.counters.rxFrames ?? 0
    const frames = (await capture.stop()).map(({ bytes }) => decodeFrame(bytes))
    const { drops } = await site.end()
    const own = await macOf(ctl, 'ext0')
    const sent = frames.filter(({ source }) => source === own)
    expect(sent.filter(({ tcp }) => tcp?.flags.has('RST'))).toEqual([])
    // One for each datagram, and the kernel has counted none of them as its own.
    expect(sent.filter(isError).length).toBe(site.lab.families.length)
    expectOneAnswerEach(frames, own)
    // The capture began before the first count and ended after the last: what the port saw in between
    // is at most what others sent. Had it heard itself, it would be more by what it sent, which is much
    // more than what comes between a count and an end of the capture.
    const seen = endedAt - startedAt
    const foreign = frames.length - sent.length
    expect(sent.length).toBeGreaterThan(10)
    expect(seen).toBeGreaterThan(10)
    expect(seen).toBeLessThanOrEqual(foreign)
    expect(drops.ethernetOtherHost).toBeUndefined()
  })
})

test('DFS-22 a kernel with an address of its own on the device answers for that one only', async () => {
  const own = '192.0.2.2'
  await using site = await Site.start({
    topology: 'two-arm',
    startServers: async (lab) => {
      await lab.namespace('ctl').ip([`address add ${own}/24 dev ext0`])
      return startServers(lab)
    },
  })
  const ctl = site.lab.namespace('ctl')
  const capture = await Capture.start(site.lab, ctl, 'ext0')
  await tempt(site)
  expect((await site.client.tryExec('ping', ['-c', '1', '-W', '10', own])).code).toBe(0)
  expect(await kernelCounters(ctl)).toMatchObject({
    TcpOutSegs: 0,
    TcpOutRsts: 0,
    IcmpOutEchoReps: 1,
    IcmpOutDestUnreachs: 0,
    IcmpOutRedirects: 0,
  })
  await site.end()
  const frames = (await capture.stop()).map(({ bytes }) => decodeFrame(bytes))
  expectOneAnswerEach(frames, await macOf(ctl, 'ext0'))
})

test('DFS-22 an engine that was killed leaves nothing where programs silenced the kernel', async ({
  skip,
}) => {
  let before = ''
  await using site = await Site.start({
    topology: 'two-arm',
    startServers: async (lab) => {
      before = await deviceSettings(lab)
      return startServers(lab)
    },
  })
  const ctl = site.lab.namespace('ctl')
  const { stdout } = await ctl.exec('cat', ['/proc/sys/net/ipv4/conf/ext0/arp_ignore'])
  if (stdout.trim() !== '0') skip('the kernel takes no tcx programs here (Linux 6.6, CAP_BPF)')
  expect(await site.fetch(4)).toMatchObject({ status: 200 })
  const { IpInReceives: untouched } = await kernelCounters(ctl)
  await site.engine.process.stop('SIGKILL')
  expect(await deviceSettings(site.lab)).toBe(before)
  // The client still has the engine's address in its ARP cache, so what it sends reaches the kernel.
  await site.client.tryExec('ping', ['-c', '1', '-W', '1', site.lab.virtualAddress(4)])
  expect(untouched).toBe(0)
  expect((await kernelCounters(ctl)).IpInReceives).toBeGreaterThan(0)
})

async function macOf(at: Namespace, device: string): Promise<string> {
  const { stdout } = await at.exec('ip', ['-j', 'link', 'show', 'dev', device])
  return JSON.parse(stdout)[0].address
}

/** ICMP errors: types 3 to 5, 11 and 12 (RFC 792); below 128 in ICMPv6 (RFC 4443 2.1). */
function isError({ ip, icmp }: DecodedFrame): boolean {
  if (!icmp) return false
  return ip?.version === 6 ? icmp.type < 128 : [3, 4, 5, 11, 12].includes(icmp.type)
}

/** Each ARP request for the engine has one reply, and each neighbour solicitation. */
function expectOneAnswerEach(frames: DecodedFrame[], own: string): void {
  const asked = (frame: DecodedFrame) => frame.source !== own && frame.arp?.operation === 'request'
  const answered = (frame: DecodedFrame) => frame.source === own && frame.arp?.operation === 'reply'
  const ours = frames.filter(answered).map(({ arp }) => arp?.senderAddress)
  const theirs = frames.filter(asked).map(({ arp }) => arp?.targetAddress)
  expect(ours.length).toBeGreaterThan(0)
  expect(ours).toEqual(theirs.filter((address) => ours.includes(address)))
}
