import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { Laboratory } from '../../src/laboratory/index.js'
import { Capture } from '../helpers/capture.js'
import { onesComplementSum } from '../helpers/frame.js'
import { curl, url } from '../helpers/http-clients.js'
import { iperf } from '../helpers/iperf.js'
import { RawPeer } from '../helpers/raw-peer.js'
import { NginxServer, startIperf } from '../helpers/servers.js'
import { requireCaptures, requireHost, requireTools } from '../helpers/skip.js'
import { conversations } from '../helpers/tcp-streams.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'curl', 'iperf3', 'python3', 'ping')

const SIZE = 20_000_000

describe('a capture', () => {
  requireCaptures()

  test('holds every byte of a transfer, IPv4 and IPv6', async () => {
    await using lab = await Laboratory.create({ topology: 'two-arm', servers: 1 })
    await lab.kernelRouter()
    const [host] = lab.servers
    if (!host) throw new Error('no server')
    const server = await NginxServer.start(lab, host)
    const sha256 = await server.addFile(SIZE)
    for (const family of lab.families) {
      const capture = await Capture.start(lab, lab.client.namespace, 'eth0', {
        filter: 'tcp port 80',
      })
      const target = url(host.address(family), `/bytes/${SIZE}`)
      const fetched = await curl(lab.client.namespace, target, { output: '/dev/null' })
      expect(fetched).toMatchObject({ status: 200, bytes: SIZE })
      const [conversation, ...others] = conversations(await capture.stop(), 80)
      expect(others).toEqual([])
      expect(conversation?.request.from).toBe(fetched.client)
      const reply = conversation?.reply?.bytes ?? Buffer.alloc(0)
      const body = reply.subarray(reply.indexOf('\r\n\r\n') + 4)
      expect(body.length).toBe(SIZE)
      expect(createHash('sha256').update(body).digest('hex')).toBe(sha256)
      expect(conversation?.reply?.contradictions).toEqual([])
      const checksums = new Set(conversation?.reply?.segments.map(({ tcp }) => tcp.checksum))
      expect(checksums).not.toContain('bad')
    }
  })
})

test('iperf3 reports throughput and its course', async () => {
  await using lab = await Laboratory.create({ topology: 'two-arm', servers: 1 })
  await lab.kernelRouter()
  const [host] = lab.servers
  if (!host) throw new Error('no server')
  await startIperf(host)
  const result = await iperf(lab.client.namespace, host.address(), { bytes: 200_000_000 })
  // The receiver's count ends with the control connection's word, some segments early.
  expect(result.bytes).toBeGreaterThan(100_000_000)
  expect(result.bitsPerSecond).toBeGreaterThan(0)
  expect(result.intervals.length).toBeGreaterThan(0)
})

describe('a raw peer', () => {
  test('sees what a kernel sends, and what it sends is believed', async () => {
    await using lab = await Laboratory.create({ topology: 'two-arm', servers: 1, families: [4] })
    const peer = await RawPeer.start(lab.namespace('ctl'), 'ext0')
    const ping = lab.client.namespace.tryExec('ping', ['-c', '1', '-W', '10', '192.0.2.1'])

    const request = await peer.next('an ARP request', ({ arp }) => arp?.operation === 'request')
    expect(request.decoded.arp).toMatchObject({
      senderAddress: '192.0.2.10',
      targetAddress: '192.0.2.1',
    })
    peer.send(arpReply(request.bytes, Buffer.from(peer.mac.replaceAll(':', ''), 'hex')))

    const echo = await peer.next('an echo request', ({ icmp }) => icmp?.type === 8)
    expect(echo.decoded.icmp?.checksum).toBe('good')
    peer.send(echoReply(echo.bytes))
    expect(await ping).toMatchObject({ code: 0 })
  })
})

function arpReply(request: Buffer, mac: Buffer): Buffer {
  const reply = Buffer.from(request.subarray(0, 42))
  request.copy(reply, 0, 6, 12)
  mac.copy(reply, 6)
  reply.writeUInt16BE(2, 20)
  mac.copy(reply, 22)
  request.copy(reply, 28, 38, 42)
  request.copy(reply, 32, 22, 32)
  return reply
}

function echoReply(request: Buffer): Buffer {
  const reply = Buffer.from(request)
  request.copy(reply, 0, 6, 12)
  request.copy(reply, 6, 0, 6)
  request.copy(reply, 26, 30, 34)
  request.copy(reply, 30, 26, 30)
  reply.writeUInt16BE(0, 34)
  reply.writeUInt16BE(0, 36)
  reply.writeUInt16BE(~onesComplementSum(reply.subarray(34)) & 0xffff, 36)
  return reply
}
