import { createRequire } from 'node:module'
import { afterEach, describe, expect, test } from 'vitest'
import { counterNames, gaugeNames, portCounterNames } from '../../src/generated/counters.js'
import { dropReasonNames } from '../../src/generated/drop-reasons.js'
import { AckView, CsmbError, DeleteVsView } from '../../src/generated/messages.js'
import {
  createNativeSegment,
  type NativeSegment,
  type NativeSegmentOptions,
} from '../../src/native.js'
import { root } from '../helpers/repository.js'
import { memoryPort, segmentOptions } from '../helpers/segment-options.js'

const segments: NativeSegment[] = []

function startSegment(changes: Partial<NativeSegmentOptions> = {}): NativeSegment {
  const segment = createNativeSegment()
  segments.push(segment)
  segment.start({ ...segmentOptions, ...changes }, () => {})
  return segment
}

afterEach(() => {
  for (const segment of segments.splice(0)) segment.stop()
})

describe('addon', () => {
  test('ARCH-01 is the one that this project was told to load', () => {
    const { path } = createRequire(import.meta.url)('node-gyp-build')
    expect(path(root)).toBe(`${process.env.SLUICE_PREBUILD}/build/Release/sluice.node`)
  })

  test('a message goes down, its answer wakes us and comes up', async () => {
    const segment = createNativeSegment()
    segments.push(segment)
    const answer = new Uint8Array(4096)
    // Sockets are told of their room by the same wakes.
    const answered = new Promise<number>((resolve) => {
      segment.start(segmentOptions, () => {
        const bytes = segment.drain(answer)
        if (bytes > 0) resolve(bytes)
      })
    })
    const order = new DeleteVsView(new DataView(new ArrayBuffer(DeleteVsView.size))).clear()
    order.serialGlobal = 1
    order.serialBytype = 7
    order.vsId = 42
    expect(segment.submit(new Uint8Array(order.view.buffer), DeleteVsView.size)).toBe(
      DeleteVsView.size,
    )
    expect(await answered).toBe(AckView.size)
    const ack = new AckView(new DataView(answer.buffer))
    expect(ack).toMatchObject({
      msgType: AckView.code,
      msgLength: AckView.size,
      errorCode: CsmbError.noSuchVs,
      refType: DeleteVsView.code,
      refSerial: 7,
      vsId: 42,
    })
  })

  test('counters are as many as the tables name, and those of each port', () => {
    const perSegment = counterNames.length + gaugeNames.length + dropReasonNames.length
    const ports = [memoryPort, { ...memoryPort, name: 'outside', addresses: ['192.0.2.1/24'] }]
    const segment = startSegment({ ports })
    const figures = new BigUint64Array(1024)
    expect(segment.readCounters(figures)).toBe(perSegment + ports.length * portCounterNames.length)
  })

  test('each port says how it works', () => {
    const segment = startSegment({
      ports: [memoryPort, { ...memoryPort, name: 'outside', addresses: [] }],
    })
    expect(segment.describePorts()).toEqual(['memory', 'memory'])
    segment.stop()
    expect(segment.describePorts()).toEqual([])
  })

  test('what the host refuses is an error that names operation and errno', () => {
    const segment = createNativeSegment()
    const ports = [{ ...memoryPort, kind: 'packet' as const, device: 'no-such-device' }]
    expect(() => segment.start({ ...segmentOptions, ports }, () => {})).toThrow(
      expect.objectContaining({
        operation: expect.stringMatching(/./),
        errno: expect.any(Number),
        remedy: expect.any(String),
      }),
    )
    segment.stop()
  })

  test('stop is idempotent, and a stopped segment takes and gives nothing', () => {
    const segment = startSegment()
    segment.stop()
    segment.stop()
    expect(segment.submit(new Uint8Array(20), 20)).toBe(0)
    expect(segment.drain(new Uint8Array(4096))).toBe(0)
    expect(segment.readCounters(new BigUint64Array(1024))).toBe(0)
  })

  test('a length beyond the end of the messages is refused', () => {
    const segment = startSegment()
    expect(() => segment.submit(new Uint8Array(20), 21)).toThrow(RangeError)
  })

  test('several segments run in one process', () => {
    for (let node = 1; node <= 3; ++node) startSegment({ node })
    expect(segments).toHaveLength(3)
  })

  test('a segment starts once', () => {
    const segment = startSegment()
    expect(() => segment.start(segmentOptions, () => {})).toThrow()
  })
})
