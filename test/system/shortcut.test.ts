/** Pairs whose bytes JavaScript merely passes on: the engine moves them, until somebody is in the way. */
import { expect, test } from 'vitest'
import type { ServiceFunction, SocketPair } from '../../src/index.js'
import type { Host } from '../../src/laboratory/index.js'
import { AcceptedSockets, EngineSite } from '../helpers/engine-site.js'
import { NginxServer, startEcho } from '../helpers/servers.js'
import { associated, pipeTo, processTo, SERVER } from '../helpers/services.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { transferSize } from '../helpers/transfer-size.js'
import { startUploads } from '../helpers/uploads.js'
import { BothWays } from '../helpers/whole-transfer.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'curl', 'python3', 'bash', 'sha256sum')

const ECHO = 7
/** nginx behind a pipe and behind process(), and what takes uploads likewise. */
const [PIPED, PROCESSED, PIPED_UP, PROCESSED_UP] = [80, 81, 82, 83]
/** More than four buffers of a connection, and a gigabyte where somebody asks for it. */
const SIZE = transferSize(64_000_000)

async function startSite() {
  const accepted = new AcceptedSockets()
  const services: Record<number, ServiceFunction> = {
    [ECHO]: accepted.service,
    [PIPED]: pipeTo(SERVER, 80),
    [PROCESSED]: processTo(SERVER, 80),
    [PIPED_UP]: pipeTo(SERVER, 90),
    [PROCESSED_UP]: processTo(SERVER, 90),
  }
  const site = await EngineSite.start({
    services,
    startServers: async (lab) => {
      const [host] = lab.servers as [Host]
      await startEcho(lab, [host], ECHO)
      await startUploads(host, 90)
      return NginxServer.start(lab, host)
    },
  })
  return { site, accepted, nginx: site.started }
}

/** Bytes of sockets that crossed into JavaScript, and out of it. */
function crossings({ engine }: EngineSite): [into: number, outOf: number] {
  const { streamBytesRead, streamBytesWritten } = engine.status().counters
  return [Number(streamBytesRead), Number(streamBytesWritten)]
}

test('SOCK-06 BUF-01 BUF-02 piped or processed, not a byte crosses into JavaScript', async () => {
  const { site, nginx } = await startSite()
  await using _ = site
  const contents = await BothWays.prepare(site, nginx, SIZE)
  for (const family of site.lab.families) {
    for (const port of [PIPED, PROCESSED]) await contents.download(family, port)
    for (const port of [PIPED_UP, PROCESSED_UP]) await contents.upload(family, port)
  }
  await site.untilIdle()
  expect(crossings(site)).toEqual([0, 0])
  await site.end()
})

test('SOCK-20 in and out of it in turns on one connection, at exact bytes', async () => {
  const { site, accepted } = await startSite()
  await using _ = site
  for (const family of site.lab.families) {
    const client = await site.connect(family, ECHO)
    const inbound = await accepted.next()
    const outbound = await associated(site.stack, inbound, SERVER, ECHO)
    const pair = outbound.pair as SocketPair
    pair.process()
    for (let line = 1; line <= 30; line++) {
      client.write(`line ${line}\n`)
      await client.untilReceived(new RegExp(` line ${line}\n$`))
      // A service that takes part for once has the bytes for that long.
      if (line % 3 === 0) {
        outbound.write(`own ${line}\n`)
        await client.untilReceived(new RegExp(` own ${line}\n$`))
        await pair.unproxy({ depth: 'relay' })
        await pair.proxy()
      }
    }
    const numbers = [...client.received.join('').matchAll(/ (\d+) (?:line|own) /g)]
    expect(numbers.map(([, number]) => Number(number))).toEqual(
      Array.from({ length: 40 }, (_, index) => index + 1),
    )
    const { bytes, jsBytes } = pair.stats()
    expect(bytes.s2c).toBe(BigInt(client.received.join('').length))
    expect(jsBytes.s2c).toBeLessThan(bytes.s2c)
    expect([inbound.bytesRead, outbound.bytesRead]).toEqual([Number(bytes.c2s), Number(bytes.s2c)])
    await client.end()
  }
  await site.end()
})
