/** Bytes that are counted while the engine moves them: the service has the stream again at that one. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { Boundary, Direction, ServiceFunction, Socket, SocketPair } from '../../src/index.js'
import type { Host } from '../../src/laboratory/index.js'
import { EngineSite } from '../helpers/engine-site.js'
import { curlSha256, url } from '../helpers/http-clients.js'
import { loseSegments } from '../helpers/impairment.js'
import { NginxServer } from '../helpers/servers.js'
import { associated, SERVER } from '../helpers/services.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { transferSize } from '../helpers/transfer-size.js'
import { startUploads } from '../helpers/uploads.js'
import { BothWays } from '../helpers/whole-transfer.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'curl', 'python3', 'bash', 'sha256sum', 'nft')

const [HTTP, UPLOADS] = [80, 81]
const MSS = 1448
/** Five gigabytes where somebody asks for it: more than 32 bits count. */
const SIZE = transferSize(48_000_000)
const COUNTS = [1, MSS - 1, MSS, MSS + 1, 1_000_000, ...(SIZE > 2 ** 32 ? [2n ** 32n + 77n] : [])]

/** A few of the next bytes of a socket that nobody else reads. */
async function take(socket: Socket): Promise<Buffer> {
  for (;;) {
    const chunk: Buffer | null = socket.read(Math.min(socket.readableLength, 4000) || undefined)
    if (chunk) return chunk
    await new Promise((resolve) => socket.once('readable', resolve))
  }
}

/** Passes a head on; what came behind it is not read. Resolves with its length. */
async function passHead(source: Socket, target: Socket): Promise<bigint> {
  let read = Buffer.alloc(0)
  for (;;) {
    read = Buffer.concat([read, await take(source)])
    const end = read.indexOf('\r\n\r\n')
    if (end < 0) continue
    source.unshift(read.subarray(end + 4))
    target.write(read.subarray(0, end + 4))
    return BigInt(end + 4)
  }
}

interface Passed {
  count: bigint
  from: bigint
  to: bigint
  /** What the service had next, and what it ought to be. */
  next: [had: Buffer, wanted: Buffer]
}

/** Counts a body by turns with a chunk that the service has. */
async function passBody(
  pair: SocketPair,
  direction: Exclude<Direction, 'both'>,
  head: bigint,
  { counts, depth }: SiteOptions,
  contents: Buffer,
): Promise<Passed[]> {
  const [source, target] =
    direction === 'c2s' ? [pair.inbound, pair.outbound] : [pair.outbound, pair.inbound]
  const passed: Passed[] = []
  let at = head
  for (const bytes of counts()) {
    const boundary: Boundary = await pair.unproxyUntil({ bytes, direction, depth })
    expect(pair.mode).toBe('proxied')
    const to = boundary[direction]
    const had = await take(source)
    const start = Number(to - head)
    const wanted = contents.subarray(start, start + had.length)
    passed.push({ count: BigInt(bytes), from: at, to, next: [had, wanted] })
    target.write(had)
    at = to + BigInt(had.length)
  }
  return passed
}

interface SiteOptions {
  counts: () => Iterable<number | bigint>
  size: number
  depth: 'relay' | 'splice'
}

async function startSite(options: SiteOptions) {
  const { size } = options
  const passed: Passed[] = []
  const contents: Buffer[] = []
  const counting =
    (port: number, direction: 'c2s' | 's2c'): ServiceFunction =>
    async (inbound, { stack }) => {
      const outbound = await associated(stack, inbound, SERVER, port)
      const pair = outbound.pair as SocketPair
      let head = await passHead(inbound, outbound)
      if (direction === 's2c') head = await passHead(outbound, inbound)
      const [body = Buffer.alloc(0)] = contents
      passed.push(...(await passBody(pair, direction, head, options, body)))
      await pair.unproxy({ depth: 'relay' })
    }
  const site = await EngineSite.start({
    services: { [HTTP]: counting(HTTP, 's2c'), [UPLOADS]: counting(UPLOADS, 'c2s') },
    startServers: async (lab) => {
      const [host] = lab.servers as [Host]
      await startUploads(host, UPLOADS)
      return NginxServer.start(lab, host)
    },
  })
  const files = await BothWays.prepare(site, site.started, size)
  // Of more than two gigabytes there is no Buffer; what is there then is compared by the client alone.
  if (size < 2 ** 31) contents.push(readFileSync(files.path))
  return { site, passed, files }
}

function expectExact(passed: Passed[], hasContents = true): void {
  for (const { count, from, to, next } of passed) {
    expect(to - from).toBe(count)
    if (hasContents) expect(next[0].equals(next[1])).toBe(true)
  }
}

const DEPTHS = ['relay', 'splice'] as const

test.each(DEPTHS)(
  'SOCK-13 SOCK-15 so many bytes pass each way by a %s, and the service has the next one',
  async (depth) => {
    // More than what may be promised before it can be spliced.
    const counts = [...COUNTS, 32_000_000]
    const { site, passed, files } = await startSite({ counts: () => counts, size: SIZE, depth })
    await using _ = site
    await files.transfer(UPLOADS)
    expect(passed).toHaveLength(4 * counts.length)
    expectExact(passed, SIZE < 2 ** 31)
    const { counters } = site.engine.status()
    // By each family and in each direction there was time for it, once at least.
    if (depth === 'splice') expect(counters.splicesReturned).toBeGreaterThanOrEqual(4)
    else expect(counters.splices).toBe(0)
    await site.end()
  },
)

test.each(DEPTHS)(
  'SOCK-16 SOCK-17 five hundred random counts by a %s for each family, with loss: not a byte off',
  async (depth) => {
    let seed = 1
    const random = function* () {
      for (let turn = 0; turn < 500; turn++) {
        seed = (seed * 48_271) % 2_147_483_647
        yield 1 + (seed % 9000)
      }
    }
    const { site, passed, files } = await startSite({ counts: random, size: 16_000_000, depth })
    await using _ = site
    await loseSegments(site.server.namespace, 'eth0', 1)
    for (const family of site.lab.families) await files.download(family)
    expect(passed).toHaveLength(1000)
    expectExact(passed)
    await site.end()
  },
)

test('SOCK-18 SOCK-19 SOCK-20 get() by either side, a hundred times in a download', async () => {
  const found: SocketPair[] = []
  let wanted = 0
  await using site = await EngineSite.start({
    services: {
      [HTTP]: async (inbound, { stack }) => {
        const outbound = await associated(stack, inbound, SERVER, HTTP)
        const pair = outbound.pair as SocketPair
        const { family } = inbound.identity
        const remote = { address: outbound.remoteAddress, port: outbound.remotePort, family }
        const local = { address: outbound.localAddress, port: outbound.localPort, family }
        const queries = [
          { client: inbound.identity },
          { protocol: 'tcp', src: local, dst: remote },
          { socketId: outbound.id },
          { pairId: pair.id },
        ] as const
        const takeTurn = async () => {
          const turn = found.length
          await pair.unproxyUntil({ bytes: 1 + (turn % 100) * 50, direction: 's2c' })
          await pair.unproxy({ depth: 'relay' })
          const again = await stack.get(queries[turn % 4] as (typeof queries)[0])
          expect([again, pair.mode]).toEqual([pair, 'proxied'])
          found.push(pair)
        }
        try {
          while (found.length < wanted) await takeTurn()
          await pair.unproxy({ depth: 'relay' })
        } catch (error) {
          if (pair.mode !== 'closed') throw error
        }
      },
    },
    startServers: (lab) => NginxServer.start(lab, lab.servers[0] as Host),
  })
  const size = 64_000_000
  const body = await site.started.addFile(size)
  for (const family of site.lab.families) {
    const target = url(site.lab.virtualAddress(family), `/bytes/${size}`)
    wanted += 100
    // Slow enough that a turn takes little of it; where turns are slower there are more downloads.
    while (found.length < wanted) {
      const down = await curlSha256(site.client, target, ['--limit-rate', '20M'])
      expect(down).toMatchObject({ status: 200, body })
    }
  }
  expect(found).toHaveLength(200)
  const query = { pairId: 999_999 }
  expect(await site.stack.get(query)).toBeNull()
  const missing = { code: 'ERR_SLUICE_NO_SUCH_FLOW' }
  await expect(site.stack.get(query, { required: true })).rejects.toMatchObject(missing)
  await site.end()
})
