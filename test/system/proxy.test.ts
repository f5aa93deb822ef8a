/** A service between a client and its server: the client notices nothing, and nothing is left behind. */
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Host, type Laboratory, type Namespace, until } from '../../src/laboratory/index.js'
import { Capture } from '../helpers/capture.js'
import { writeContents } from '../helpers/contents.js'
import { AcceptedSockets, EngineSite } from '../helpers/engine-site.js'
import { decodeFrame } from '../helpers/frame.js'
import { sendFile } from '../helpers/hash-server.js'
import { url } from '../helpers/http-clients.js'
import { endWithoutComplaints } from '../helpers/kernel-counters.js'
import { startEcho, startServers } from '../helpers/servers.js'
import { startServiceSite } from '../helpers/service-site.js'
import { associated, SERVER } from '../helpers/services.js'
import type { Site } from '../helpers/site.js'
import { requireCaptures, requireHost, requireTools } from '../helpers/skip.js'
import { SocketClients } from '../helpers/socket-clients.js'
import { tcpViolations } from '../helpers/tcp-invariants.js'
import { conversations, tcpStreams } from '../helpers/tcp-streams.js'
import { startUploads, upload } from '../helpers/uploads.js'
import { expectWholeTransfer } from '../helpers/whole-transfer.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'curl', 'nft', 'ss', 'python3', 'bash', 'sha256sum')

const [UPLOADS, ECHO] = [81, 7]
const WAYS = [['pipeTo'], ['transformTo'], ['relayTo']] as const

/** nginx and an upload server behind services that pass everything on. */
function startPassing(way: string, more = {}): Promise<Site> {
  const service = (port: number) => `services.${way}(services.SERVER, ${port})`
  return startServiceSite(
    { 80: service(80), [UPLOADS]: service(UPLOADS) },
    { startServers: startBoth, ...more },
  )
}

async function startBoth(lab: Site['lab']) {
  await startUploads(lab.servers[0] as Host, UPLOADS)
  return startServers(lab)
}

/** Answers with so many bytes when its client has ended, and ends then. */
const LATE_ANSWER = `
import socket, sys
server = socket.create_server(('::', 80), family=socket.AF_INET6, dualstack_ipv6=True)
print('ready', flush=True)
while True:
    client, _ = server.accept()
    while client.recv(65536):
        pass
    client.sendall(b'x' * int(sys.argv[1]))
    client.close()
`

describe.each(WAYS)('through %s', (way) => {
  test('PROXY-06 an answer of 100 MB comes whole', async () => {
    await using site = await startPassing(way)
    await expectWholeTransfer(site, 100_000_000)
    await endWithoutComplaints(site)
  })

  test('PROXY-05 a request of 60 KB arrives whole, and so does one that comes byte by byte', async () => {
    await using site = await startPassing(way)
    const path = join(site.lab.folder, 'upload')
    const sha256 = await writeContents(path, 60_000)
    const clients = await SocketClients.start(site.client)
    for (const family of site.lab.families) {
      const host = site.lab.virtualAddress(family)
      expect(await upload(site.client, url(host, '/', UPLOADS), path)).toBe(sha256)
      const socket = await clients.connect({ host, port: 80 })
      for (const byte of 'GET / HTTP/1.1\r\nHost: t\r\n\r\n') socket.write(byte)
      await socket.untilReceived(/\r\n\r\nsrv1\n$/)
      await socket.end()
    }
    await endWithoutComplaints(site)
  })

  test('TCPX-43 an answer of any length comes after the client has ended', async () => {
    const SIZE = 20_000_000
    await using site = await startPassing(way, {
      startServers: async (lab: Laboratory) => {
        const late = ['-c', LATE_ANSWER, String(SIZE)]
        const server = await (lab.servers[0] as Host).namespace.spawn('python3', late)
        await server.waitForOutput(/^ready$/m)
        return []
      },
    })
    const path = join(site.lab.folder, 'question')
    await writeContents(path, 100_000)
    for (const family of site.lab.families) {
      const to = { host: site.lab.virtualAddress(family), port: 80 }
      expect((await sendFile(site.client, to, path)).length).toBe(SIZE)
    }
    await endWithoutComplaints(site)
  })
})

describe.each(WAYS)('on the wire, through %s', (way) => {
  requireCaptures()

  test('PROXY-04 the client sees the virtual address alone, and what the server sent', async () => {
    await using site = await startPassing(way, { record: true })
    const SIZE = 2_000_000
    await site.servers[0]?.addFile(SIZE)
    const server = site.lab.servers[0] as Host
    for (const family of site.lab.families) {
      const outside = await site.capture('tcp')
      const inside = await Capture.start(site.lab, server.namespace, 'eth0', { filter: 'tcp' })
      const fetched = await site.fetch(family, `/bytes/${SIZE}`, 80, { output: '/dev/null' })
      expect(fetched).toMatchObject({ status: 200, bytes: SIZE })
      const frames = await outside.stop()
      const known = [site.lab.client.address(family), site.lab.virtualAddress(family)]
      for (const { bytes } of frames) {
        const { ip } = decodeFrame(bytes)
        expect(known).toContain(ip?.source)
        expect(known).toContain(ip?.destination)
      }
      const [near, far] = [conversations(frames, 80), conversations(await inside.stop(), 80)]
      expect(near).toHaveLength(1)
      expect(near[0]?.request.sha256).toBe(far[0]?.request.sha256)
      expect(near[0]?.reply?.sha256).toBe(far[0]?.reply?.sha256)
      expect(near[0]?.reply?.bytes.length).toBeGreaterThan(SIZE)
    }
    await site.end()
    for (const port of ['outside', 'inside']) expect(tcpViolations(site.passed(port))).toEqual([])
  })
})

/** SYNs to a server get no answer until `end`. */
async function silence(at: Namespace): Promise<{ end: () => Promise<unknown> }> {
  const chain =
    'chain in { type filter hook input priority 0; tcp flags & (syn|ack) == syn drop; };'
  await at.exec('nft', [`table inet silence { ${chain} }`])
  return { end: () => at.exec('nft', ['delete table inet silence']) }
}

describe('a client that goes before its server is there', () => {
  requireCaptures()

  test.each(['reset', 'end'] as const)('PROXY-18 by %s: no connection is left', async (how) => {
    const accepted = new AcceptedSockets()
    await using site = await EngineSite.start({
      services: { [ECHO]: accepted.service },
      startServers: (lab) => startEcho(lab, lab.servers, ECHO),
    })
    for (const family of site.lab.families) {
      const server = site.server.namespace
      const quiet = await silence(server)
      const inside = await site.captureInside()
      const client = await site.connect(family, ECHO)
      const inbound = await accepted.next()
      client.write('request\n')
      await once(inbound, 'readable')
      const controller = new AbortController()
      const opening = associated(site.stack, inbound, SERVER, ECHO, controller.signal)
      const failed = expect(opening).rejects.toThrow()
      await until('the SYN is on its way', async () => (await inside.read()).length > 0)
      inbound.once('close', () => controller.abort())
      inbound.resume()
      const left = client[how]()
      if (how === 'end') inbound.destroy()
      await left
      await failed
      await site.untilIdle()
      await quiet.end()
      const { stdout } = await server.exec('ss', ['-Htan', `sport = :${ECHO}`])
      expect(stdout.split('\n').filter((line) => line && !line.startsWith('LISTEN'))).toEqual([])
      for (const { bytes } of tcpStreams(await inside.stop())) expect(bytes).toHaveLength(0)
    }
    await site.end()
  })
})
