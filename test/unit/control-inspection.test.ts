/** Flows that are asked for with data (APP_QUERY), and what is noted of any flow. */
import { describe, expect, test } from 'vitest'
import type { SluiceConfig } from '../../src/config/config.js'
import {
  AddVsView,
  EndReason,
  QueryReason,
  SsmbError,
  VsFlags,
} from '../../src/generated/messages.js'
import type { NewFlow } from '../../src/index.js'
import { type FarmEndpoints, families, startFarm } from '../helpers/farm.js'
import { appQueryMessage, stateMessage } from '../helpers/messages.js'

const { midSession } = QueryReason

const inspected =
  (policy: (flow: NewFlow) => unknown) =>
  ({ vip }: FarmEndpoints): Partial<SluiceConfig> =>
    ({ virtualServers: { site: { listen: `udp://${vip}`, inspect: 'raw', policy } } }) as never

const bytes = (text: string) => new TextEncoder().encode(text)

describe.each(families)('IPv%i', (family) => {
  test('CS-11 VS-18 the policy sees the data and decides by it; the data flow segment is told to send it', async () => {
    const seen: object[] = []
    const { segment, farm, fromClient } = await startFarm(
      family,
      inspected(({ data, dataTruncated }) => {
        const text = new TextDecoder().decode(data)
        seen.push({ text, dataTruncated })
        return text === 'three' ? { node: farm.node(3) } : { reject: 'drop' }
      }),
    )
    const told = segment.taken.find((message) => message[1] === AddVsView.code) as Uint8Array
    expect(new AddVsView(new DataView(told.buffer)).flags & VsFlags.rawProxy).not.toBe(0)
    const ask = (n: number, text: string, truncated = false) => {
      const serial = segment.nextSerial()
      segment.send(appQueryMessage({ ...fromClient(n), serial, data: bytes(text), truncated }))
      return serial
    }
    const serials = [ask(0, 'three'), ask(1, 'two', true), ask(2, ''), ask(3, 'three')]
    const replies = await segment.repliesTo(...serials)
    expect(replies.map(({ newDestination }) => newDestination)).toEqual([
      farm.node(3),
      null,
      null,
      farm.node(3),
    ])
    expect(seen).toEqual([
      { text: 'three', dataTruncated: false },
      { text: 'two', dataTruncated: true },
      { text: '', dataTruncated: false },
      { text: 'three', dataTruncated: false },
    ])
  })

  test('CS-11 data is the policy’s to keep, and that of one flow is never shown with another', async () => {
    const kept: NewFlow[] = []
    const { segment, fromClient } = await startFarm(
      family,
      inspected(async (flow) => {
        kept.push(flow.copy())
        await new Promise((resolve) => setImmediate(resolve))
        kept.push(flow)
        return 'web'
      }),
    )
    const serials = ['one', 'other'].map((text, n) => {
      const serial = segment.nextSerial()
      segment.send(appQueryMessage({ ...fromClient(n), serial, data: bytes(text) }))
      return serial
    })
    // A flow without data, such as one whose first datagram was passed over.
    serials.push(segment.query({ ...fromClient(2), protocol: 17, reason: QueryReason.udp }))
    await segment.repliesTo(...serials)
    const texts = kept.map(({ data }) => new TextDecoder().decode(data))
    expect(texts.sort()).toEqual(['', '', 'one', 'one', 'other', 'other'])
  })

  test('CS-14 SSMB-24 an APP_QUERY whose length is not that of its data is invalid', async () => {
    const { engine, segment, fromClient } = await startFarm(
      family,
      inspected(() => 'web'),
    )
    const whole = appQueryMessage({
      ...fromClient(),
      serial: segment.nextSerial(),
      data: bytes('data'),
    })
    segment.send(whole.subarray(0, whole.length - 4))
    await segment.quiet()
    expect(engine.status().bus.invalid).toBe(1)
    const serial = segment.query({ ...fromClient(), protocol: 17, reason: QueryReason.udp })
    await segment.repliesTo(serial)
  })

  test('CS-08 packets and events of a flow are noted by category, for each and over all', async () => {
    const { engine, segment, fromClient } = await startFarm(family)
    const first = segment.query(fromClient())
    await segment.repliesTo(first)
    segment.query({ ...fromClient(), serial: first })
    segment.send(stateMessage({ ...fromClient(), serial: first, error: SsmbError.evicted }))
    const again = segment.query({ ...fromClient(), reason: midSession })
    await segment.repliesTo(again)
    segment.table.push({ ...fromClient(), serial: again })
    expect(await engine.flows()).toMatchObject([
      { seen: ['syn', 'segment', 'repeated', 'resumed', 'evicted'] },
    ])
    segment.end({ ...fromClient(), serial: again, reason: EndReason.fin })
    // One that nobody opened, another that ends by a reset.
    segment.query({ ...fromClient(1), reason: midSession })
    const second = segment.query(fromClient(2))
    await segment.repliesTo(second)
    segment.end({ ...fromClient(2), serial: second, reason: EndReason.rst })
    await segment.quiet()
    expect(engine.status().events).toMatchObject({
      syn: 2,
      segment: 2,
      datagram: 0,
      data: 0,
      repeated: 1,
      resumed: 1,
      evicted: 1,
      fin: 1,
      rst: 1,
      idle: 0,
    })
  })

  test('CS-08 CS-11 data is a category of its own, and a record that is used again begins anew', async () => {
    const { engine, segment, fromClient } = await startFarm(
      family,
      inspected(() => 'web'),
    )
    const told = (n: number, data: Uint8Array) => {
      const serial = segment.nextSerial()
      segment.send(appQueryMessage({ ...fromClient(n), serial, data }))
      return { ...fromClient(n), serial, protocol: 17 }
    }
    const first = told(0, bytes('data'))
    await segment.repliesTo(first.serial)
    segment.end({ ...first, reason: EndReason.idle })
    const second = told(1, bytes(''))
    await segment.repliesTo(second.serial)
    segment.table.push(second)
    expect(await engine.flows()).toMatchObject([{ seen: ['datagram'] }])
    expect(engine.status().events).toMatchObject({ datagram: 2, data: 1, idle: 1 })
  })
})
