/** A capture between the data flow segment and whoever looks on. */
import { describe, expect, test } from 'vitest'
import { Captures, captureOrder, longestFrame } from '../../src/capture.js'
import { CaptureTally } from '../../src/cli/capture-tally.js'
import { resolveConfig } from '../../src/config/resolve.js'
import { FakeSegment } from '../helpers/fake-segment.js'

const { ports, virtualServers } = resolveConfig({
  ports: {
    outside: { kind: 'packet', address: '192.0.2.1/24' },
    inside: { kind: 'packet', address: '10.1.0.1/24' },
  },
  pools: { web: { nodes: ['10.1.0.11:80'] } },
  virtualServers: { dns: { listen: 'udp://192.0.2.100:53', pool: 'web' } },
})

/** A block of a pcapng file that has nothing but its type and length. */
function block(type: number, size = 16): Buffer {
  const bytes = Buffer.alloc(size)
  bytes.writeUInt32LE(type, 0)
  bytes.writeUInt32LE(size, 4)
  bytes.writeUInt32LE(size, size - 4)
  return bytes
}

const frame = block(6, 32)

/** Has frames to show: so many with each look. */
class ShowingSegment extends FakeSegment {
  stopped = 0
  /** While a worker is at the last one. */
  busyFor = 0

  constructor(private readonly looks: number[]) {
    super()
  }

  override startCapture(): Uint8Array | null {
    return this.busyFor-- > 0 ? null : block(0x0a0d0d0a, 28)
  }
  override drainCapture(into: Uint8Array): number {
    const frames = Buffer.concat(Array(this.looks.shift() ?? 0).fill(frame))
    into.set(frames)
    return frames.length
  }
  override stopCapture(): Uint8Array {
    this.stopped++
    return block(5, 20)
  }
}

async function read(stream: ReadableStream<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

const order = captureOrder({}, ports, undefined)

describe('what is asked for', () => {
  test('everything', () => {
    expect(order).toEqual({
      ...{ ports: 0xffff_ffff, mostBytes: longestFrame, host: '' },
      ...{ address: '', l4Port: 0, protocol: 0 },
    })
  })

  test('a port, a client, a virtual server', () => {
    const options = { port: 'inside', client: '192.0.2.10', snapLength: 96 }
    expect(captureOrder(options, ports, virtualServers[0])).toEqual({
      ...{ ports: 2, mostBytes: 96, host: '192.0.2.10' },
      ...{ address: '192.0.2.100', l4Port: 53, protocol: 17 },
    })
  })

  test.each([
    [{ port: 'upside' }, 'outside, inside'],
    [{ client: '192.0.2.10:80' }, 'without a port'],
  ])('%j is refused with a remedy', (options, remedy) => {
    expect(() => captureOrder(options, ports, undefined)).toThrow(
      expect.objectContaining({
        code: 'ERR_SLUICE_CAPTURE',
        remedy: expect.stringContaining(remedy),
      }),
    )
  })
})

describe('the stream', () => {
  test('has a beginning, as many frames as wanted, and an end', async () => {
    const segment = new ShowingSegment([2, 0, 3])
    const file = await read(await new Captures(segment).open(order, 4))
    const expected = [block(0x0a0d0d0a, 28), frame, frame, frame, frame, block(5, 20)]
    expect(file).toEqual(Buffer.concat(expected))
  })

  test('ends in good order when it is told to, with what was there until then', async () => {
    const captures = new Captures(new ShowingSegment([1, 1]))
    const stream = await captures.open(order)
    expect(captures.stop()).toBe(true)
    expect(await read(stream)).toEqual(
      Buffer.concat([block(0x0a0d0d0a, 28), frame, frame, block(5, 20)]),
    )
    expect(captures.stop()).toBe(false)
  })

  test('there is one at a time; a reader that goes makes room for the next', async () => {
    const segment = new ShowingSegment([])
    const captures = new Captures(segment)
    const stream = await captures.open(order)
    await expect(captures.open(order)).rejects.toMatchObject({ code: 'ERR_SLUICE_BUSY' })
    await stream.cancel()
    expect(segment.stopped).toBeGreaterThan(0)
    expect(captures.stop()).toBe(false)
    segment.busyFor = 3
    await (await captures.open(order)).cancel()
  })
})

test('the command counts frames and losses, however the file comes in pieces', () => {
  const statistics = block(5, 52)
  statistics.writeUInt16LE(4, 20)
  statistics.writeUInt16LE(8, 22)
  statistics.writeBigUInt64LE(12n, 24)
  statistics.writeUInt16LE(5, 32)
  statistics.writeUInt16LE(8, 34)
  statistics.writeBigUInt64LE(3n, 36)
  const file = Buffer.concat([block(0x0a0d0d0a, 28), frame, frame, statistics, statistics])
  for (const size of [1, 7, 33, file.length]) {
    const tally = new CaptureTally()
    for (let at = 0; at < file.length; at += size) tally.add(file.subarray(at, at + size))
    expect({ packets: tally.packets, lost: tally.lost }).toEqual({ packets: 2, lost: 6 })
  }
})
