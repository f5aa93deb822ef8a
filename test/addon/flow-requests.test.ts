/** What a control segment asks of its own accord, over the addon, with several workers. */
import { expect, onTestFinished, test } from 'vitest'
import { counterNames, gaugeNames } from '../../src/generated/counters.js'
import {
  DeleteView,
  EndReason,
  ReapView,
  SsmbError,
  StateReqView,
  StateView,
  StatsView,
  ssmbMessages,
  TimeoutView,
} from '../../src/generated/messages.js'
import { createNativeSegment } from '../../src/native.js'
import { askingMessage, newFlowMessage, resetMessage } from '../helpers/messages.js'
import { segmentOptions } from '../helpers/segment-options.js'

const sizes = new Map<number, number>(ssmbMessages.map(({ code, size }) => [code, size]))
/** More than one worker has some of them, whatever its seed makes of clients' addresses. */
const count = 64

/** Made by a control segment (SSMB-16): the top bit is clear. */
const flows = Array.from({ length: count }, (_, n) => ({
  serial: 0x01000000 + n,
  source: `192.0.2.10:${40_000 + n}`,
  destination: '192.0.2.100:80',
  server: '10.1.0.11:8080',
}))
const serials = flows.map(({ serial }) => serial)

/** A running segment, and what it tells. */
function startSegment() {
  const segment = createNativeSegment()
  const told: Uint8Array[] = []
  let wake = () => {}
  const read = () => {
    const buffer = new Uint8Array(65_536)
    for (let length = segment.drain(buffer); length > 0; length = segment.drain(buffer)) {
      for (let at = 0; at < length; ) {
        const size = sizes.get(buffer[at]) as number
        told.push(buffer.slice(at, at + size))
        at += size
      }
    }
    wake()
  }
  const limits = { ...segmentOptions.limits, flows: 1024 }
  segment.start({ ...segmentOptions, workers: 2, limits }, read)
  onTestFinished(() => segment.stop())
  const submit = (...messages: Uint8Array[]) => {
    for (const message of messages) {
      expect(segment.submit(message, message.length)).toBe(message.length)
    }
  }
  /** The next messages of a kind, so many, as what `as` makes of them. */
  const next = async <View>(view: { new (view: DataView): View; code: number }, number: number) => {
    const found = () => told.filter(([code]) => code === view.code)
    await new Promise<void>((resolve) => {
      wake = () => found().length >= number && resolve()
      wake()
    })
    const messages = found().map(({ buffer }) => new view(new DataView(buffer as ArrayBuffer)))
    told.length = 0
    return messages
  }
  /** Every flow of every worker's table. */
  const dump = async () => {
    const records: StateView[] = []
    const request = new StateReqView(new DataView(new ArrayBuffer(StateReqView.size))).clear()
    for (;;) {
      submit(new Uint8Array(request.view.buffer))
      const [record] = await next(StateView, 1)
      records.push(record)
      if (record.nextCursor === 0n) break
      request.cursor = record.nextCursor
      request.maxRecords = 1
    }
    return records.filter(({ serial }) => serial !== 0)
  }
  const counter = (name: (typeof counterNames)[number] | (typeof gaugeNames)[number]) => {
    const figures = new BigUint64Array(1024)
    segment.readCounters(figures)
    return Number(figures[[...counterNames, ...gaugeNames].indexOf(name as never)])
  }
  return { submit, next, dump, counter }
}

const sorted = (views: { serial: number }[]) =>
  views.map(({ serial }) => serial).sort((a, b) => a - b)

test('DFSMSG-03 SSMB-12 SSMB-15 SSMB-16 flows that are told go to their workers, with their serials', async () => {
  const { submit, next, dump, counter } = startSegment()
  submit(...flows.map(newFlowMessage))
  submit(...flows.map((flow) => askingMessage(ReapView, { ...flow, idleSecs: 60 })))
  const alive = await next(StatsView, count)
  expect(sorted(alive)).toEqual(serials)
  expect(new Set(alive.map(({ errorCode }) => errorCode))).toEqual(new Set([SsmbError.connalive]))
  expect(counter('flowsTold')).toBe(count)
  const records = await dump()
  expect(sorted(records)).toEqual(serials)
})

test('DFSMSG-01 DFSMSG-02 FLOWLIFE-09 each worker ends what it has, and says what it has not', async () => {
  const { submit, next, dump } = startSegment()
  submit(...flows.map(newFlowMessage))
  const half = flows.slice(0, count / 2)
  submit(...half.map((flow) => askingMessage(TimeoutView, { ...flow, idleSecs: 0 })))
  submit(...flows.map((flow) => askingMessage(ReapView, { ...flow, idleSecs: 0 })))
  const ends = await next(DeleteView, count)
  expect(sorted(ends)).toEqual(serials)
  for (const { serial, errorCode, reason } of ends) {
    const isGone = serial < serials[count / 2]
    expect({ errorCode, reason }).toEqual({
      errorCode: isGone ? SsmbError.noflow : SsmbError.none,
      reason: EndReason.reaped,
    })
  }
  expect(await dump()).toEqual([])
})

test('DFSMSG-05 CS-09 a RESET ends the flows of every worker, and new ones come', async () => {
  const { submit, next, dump } = startSegment()
  submit(...flows.map(newFlowMessage))
  submit(resetMessage(0))
  const ends = await next(DeleteView, count)
  expect(sorted(ends)).toEqual(serials)
  expect(new Set(ends.map(({ reason }) => reason))).toEqual(new Set([EndReason.reset]))
  submit(newFlowMessage({ ...flows[0], serial: 7 }))
  expect(sorted(await dump())).toEqual([7])
})
