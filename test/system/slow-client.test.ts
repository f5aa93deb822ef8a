/**
 * A client that reads slowly, or a server that does: the bytes wait where there is room for them, and
 * then at their sender, whose window is closed. Nothing grows, and nothing is lost.
 */
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { ServiceFunction, Socket } from '../../src/index.js'
import {
  type Family,
  type Host,
  type Laboratory,
  type LabProcess,
  type Namespace,
  until,
} from '../../src/laboratory/index.js'
import { Capture } from '../helpers/capture.js'
import { writeContents } from '../helpers/contents.js'
import { EngineSite } from '../helpers/engine-site.js'
import { decodeFrame } from '../helpers/frame.js'
import { sendFile, startHashServer } from '../helpers/hash-server.js'
import { url } from '../helpers/http-clients.js'
import { repeatedSyns, tcpComplaints } from '../helpers/kernel-counters.js'
import type { CapturedFrame } from '../helpers/pcap.js'
import { NginxServer } from '../helpers/servers.js'
import { associated, identity, SERVER } from '../helpers/services.js'
import { requireCaptures, requireHost, requireTools } from '../helpers/skip.js'
import { SlowDownload } from '../helpers/slow-download.js'
import { tcpViolations } from '../helpers/tcp-invariants.js'

requireHost('netns', 'afPacket')
requireCaptures()
requireTools('ip', 'nsenter', 'nginx', 'curl', 'bash', 'head', 'sha256sum', 'ss')

const HTTP = 80
/** Many times what the engine may hold, of which the share of a connection is a part. */
const SIZE = 16_000_000
const BUFFERS = 8 * 1024 * 1024
/**
 * The kernels of both ends hold little themselves, so that it is the engine that is seen. A closed window
 * is probed by empty segments before it, the first two within half a second where it stays closed so
 * long; a kernel would leave the second one unanswered, and count it as if it had come from nobody.
 */
const sysctls = {
  'ipv4/tcp_rmem': '4096 65536 65536',
  'ipv4/tcp_wmem': '4096 65536 65536',
  'ipv4/tcp_invalid_ratelimit': 0,
}

type Joining = (inbound: Socket, outbound: Socket) => Promise<unknown>
const WAYS: [string, Joining][] = [
  ['in JavaScript', async (_, outbound) => outbound.pair?.process(identity())],
  ['in the engine', async (_, outbound) => outbound.pair?.unproxy({ depth: 'relay' })],
]

/** A pair joined that way, in front of nginx unless something else is started. */
async function startSite(joining: Joining, start?: (lab: Laboratory) => Promise<void>) {
  const sockets: { inbound: Socket; outbound: Socket }[] = []
  const service: ServiceFunction = async (inbound, { stack }) => {
    const outbound = await associated(stack, inbound, SERVER, HTTP)
    sockets.push({ inbound, outbound })
    await joining(inbound, outbound)
  }
  let nginx: NginxServer | undefined
  const site = await EngineSite.start({
    services: { [HTTP]: service },
    sysctls,
    startServers: async (lab) => {
      if (start) return start(lab)
      nginx = await NginxServer.start(lab, lab.servers[0] as Host)
    },
    more: () => ({ limits: { bufferMemory: BUFFERS } }),
  })
  return { site, sockets, nginx: nginx as NginxServer }
}

const captureAt = (site: EngineSite, at: Namespace) =>
  Capture.start(site.lab, at, 'eth0', { filter: `tcp port ${HTTP}` })

/** Whether somebody from `address` offered no window at all. */
const closedWindow = (frames: CapturedFrame[], address: string) =>
  frames.some(({ bytes }) => {
    const { ip, tcp } = decodeFrame(bytes)
    return ip?.source === address && tcp?.window === 0 && !tcp.flags.has('RST')
  })

/** Bytes that a server's kernel has not got rid of. */
async function unsent(at: Namespace): Promise<number> {
  const { stdout } = await at.exec('ss', ['-Htn', 'state', 'connected', `sport = :${HTTP}`])
  return Number(stdout.trim().split(/\s+/)[2] ?? 0)
}

/** What the engine holds of a pair, each way, in its own buffers and in JavaScript. */
async function held(site: EngineSite, sockets: { inbound: Socket; outbound: Socket }) {
  const [near, far] = await Promise.all([sockets.inbound.info(), sockets.outbound.info()])
  const { bytesHeld } = site.stack.stats()
  return { toClient: near.sndBuf, fromServer: far.rcvBuf, window: far.rcvWnd, bytesHeld }
}

describe.each(WAYS)('bytes that move %s', (_way, joining) => {
  test('trap 9 BUF-06 BUF-07 BUF-08 BUF-11 PROXY-12 a client that stops reading closes the window at the server', async () => {
    const { site, sockets, nginx } = await startSite(joining)
    await using _ = site
    const sha256 = await nginx.addFile(SIZE)
    const ends = [site.lab.client, site.server].map((host) => ({ host, repeated: 0 }))
    for (const [turn, family] of site.lab.families.entries()) {
      const inside = await captureAt(site, site.server.namespace)
      const outside = await captureAt(site, site.client)
      const target = url(site.lab.virtualAddress(family), `/bytes/${SIZE}`)
      const download = await SlowDownload.start(site.client, target)
      await download.take(1)
      const client = site.lab.client.address(family)
      await until('the window at the server is closed', async () => {
        return (
          closedWindow(await inside.read(), client) && (await unsent(site.server.namespace)) > 0
        )
      })
      const stopped = await until('bytes wait for the client', async () => {
        const now = await held(site, sockets[turn] as (typeof sockets)[0])
        return now.toClient.used > 0 && now
      })
      const all = stopped.toClient.used + stopped.fromServer.used + stopped.bytesHeld
      expect(all).toBeLessThan(BUFFERS)
      expect(await download.finish()).toEqual({ sha256, code: 0 })
      await site.untilIdle()
      for (const [place, capture] of [outside, inside].entries()) {
        const frames = await capture.stop()
        expect(tcpViolations(frames)).toEqual([])
        const end = ends[place] as (typeof ends)[0]
        end.repeated += repeatedSyns(frames, end.host.address(family))
      }
    }
    for (const { host, repeated } of ends) {
      expect(await tcpComplaints(host.namespace, repeated)).toEqual({})
    }
    await site.end()
  })

  test('BUF-17 a server that does not read closes the window at the client', async () => {
    let slow: LabProcess | undefined
    const { site } = await startSite(joining, async (lab) => {
      slow = await startHashServer(lab.servers[0] as Host, HTTP, { paused: true })
    })
    await using _ = site
    const path = join(site.lab.folder, 'upload')
    const sha256 = await writeContents(path, SIZE)
    for (const family of site.lab.families) {
      const outside = await captureAt(site, site.client)
      const virtual = site.lab.virtualAddress(family)
      const sent = sendFile(site.client, { host: virtual, port: HTTP }, path)
      await until('the window at the client is closed', async () => {
        return closedWindow(await outside.read(), virtual)
      })
      slow?.write('read\n')
      expect(await sent).toBe(`${sha256} ${SIZE}\n`)
      expect(tcpViolations(await outside.stop())).toEqual([])
    }
    await site.end()
  })
})

/** The server is not needed any more when it has answered. */
const oneAnswer: Joining = async (inbound, outbound) => {
  inbound.pipe(outbound, { end: false })
  outbound.pipe(inbound)
  outbound.once('end', () => outbound.end())
}

test('BUF-18 BUF-20 PROXY-13 PROXY-14 the server is done while the client has most of it before it', async () => {
  const { site, nginx } = await startSite(oneAnswer)
  await using _ = site
  const size = 1_000_000
  const sha256 = await nginx.addFile(size)
  const server = site.server.namespace
  for (const family of site.lab.families) {
    const outside = await captureAt(site, site.client)
    const target = url(site.lab.virtualAddress(family), `/bytes/${size}`)
    const download = await SlowDownload.start(site.client, target, ['-0'])
    await download.take(1)
    await until('the server has nothing but a TIME-WAIT', async () => {
      const { stdout } = await server.exec('ss', ['-Htan', `sport = :${HTTP}`])
      return !/^(?!LISTEN|TIME-WAIT)\S/m.test(stdout)
    })
    const before = bytesTo(await outside.read(), site, family)
    expect(before.bytes).toBeLessThan(size / 2)
    expect(before.finished).toBe(false)
    expect(await download.finish()).toEqual({ sha256, code: 0 })
    const after = bytesTo(await outside.stop(), site, family)
    expect(after).toMatchObject({ finished: true, reset: false })
    expect(after.bytes).toBeGreaterThan(size)
  }
  await site.end()
})

/** What went to the client: bytes by its numbers, and how it ended. */
function bytesTo(frames: CapturedFrame[], site: EngineSite, family: Family) {
  const source = site.lab.virtualAddress(family)
  const decoded = frames.map(({ bytes }) => decodeFrame(bytes))
  const segments = decoded.flatMap(({ ip, tcp }) => (ip?.source === source && tcp ? [tcp] : []))
  const first = segments[0]?.sequence ?? 0
  const numbers = segments.map(
    ({ sequence, payload }) => ((sequence - first) >>> 0) + payload.length,
  )
  return {
    bytes: Math.max(0, ...numbers),
    finished: segments.some(({ flags }) => flags.has('FIN')),
    reset: segments.some(({ flags }) => flags.has('RST')),
  }
}
