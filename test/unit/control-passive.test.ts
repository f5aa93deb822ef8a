/** What the ends of flows say of their nodes. */
import { describe, expect, test } from 'vitest'
import { NodeCondition } from '../../src/control/node-condition.js'
import { EndReason, TcpState } from '../../src/generated/messages.js'
import type { CountFields } from '../helpers/messages.js'
import { VirtualClock } from '../helpers/virtual-clock.js'
import { startControl, web } from '../helpers/virtual-control.js'

describe('passive checks', () => {
  /** A flow to each of so many, which ends like that. */
  async function flowsThatEnd(
    { ask, segment }: Awaited<ReturnType<typeof startControl>>,
    count: number,
    end: CountFields & { reason: number; tcpState?: number },
  ) {
    const flows = Array.from({ length: count }, () => ask())
    await segment.repliesTo(...flows.map(({ serial }) => serial))
    for (const flow of flows) segment.end({ ...flow, tcpState: TcpState.ended, ...end })
    await segment.quiet()
  }
  const refusal = { reason: EndReason.rst, packetsIn: 1, bytesIn: 60, packetsOut: 1, bytesOut: 40 }
  const passive = { fall: 3, forMs: 5000 }

  test('LB-10 a node that refuses in a row gets no flows for a while', async () => {
    const control = await startControl(4, web({ passive }, [{}]))
    const { clock, states } = control
    await flowsThatEnd(control, 2, refusal)
    await flowsThatEnd(control, 1, { reason: EndReason.fin, packetsOut: 4, bytesOut: 400 })
    await flowsThatEnd(control, 2, refusal)
    expect(states()).toEqual(['up'])
    await flowsThatEnd(control, 1, refusal)
    expect(states()).toEqual(['down'])
    expect(await control.next(1)).toEqual(['reset'])
    await clock.advance(4999)
    expect(states()).toEqual(['down'])
    await clock.advance(1)
    expect(states()).toEqual(['up'])
  })

  test('LB-10 down by checks as well, it says what these have found, and stays down', async () => {
    const clock = new VirtualClock()
    const settings = { weight: 1, slowStartMs: 0, check: undefined, passive }
    const condition = new NodeCondition(settings, clock, () => {})
    for (let turn = 0; turn < passive.fall; turn++) condition.takeFlow(true)
    expect([condition.state, condition.reason]).toEqual(['down', expect.stringMatching(/in a row/)])
    condition.takeCheck(false, { rise: 1, fall: 1 }, 'nobody listens')
    await clock.advance(passive.forMs)
    expect([condition.state, condition.reason]).toEqual(['down', 'nobody listens'])
  })

  test.each([
    [
      'a SYN flood that the node answers',
      { ...refusal, reason: EndReason.idle, bytesOut: 44, tcpState: TcpState.opening },
    ],
    [
      'a SYN flood that it does not',
      {
        ...refusal,
        reason: EndReason.idle,
        packetsOut: 0,
        bytesOut: 0,
        tcpState: TcpState.opening,
      },
    ],
    ['a client that resets after the SYN-ACK', { ...refusal, packetsIn: 2, bytesOut: 44 }],
    ['a client that resets before it', { ...refusal, packetsIn: 2, packetsOut: 0, bytesOut: 0 }],
    [
      'half-open flows that give way',
      { ...refusal, reason: EndReason.overflow, tcpState: TcpState.opening },
    ],
    ['short datagrams', { ...refusal, reason: EndReason.idle, tcpState: TcpState.none }],
  ])('LB-10 %s takes no node down', async (_, end) => {
    const control = await startControl(4, web({ passive }, [{}]))
    await flowsThatEnd(control, 100, end)
    expect(control.states()).toEqual(['up'])
  })

  test('LB-10 without it nothing that flows say counts', async () => {
    const control = await startControl(4, web({}, [{}]))
    await flowsThatEnd(control, 100, refusal)
    expect(control.states()).toEqual(['up'])
  })
})
