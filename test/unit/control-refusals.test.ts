/** What refused clients meet, and what becomes of flows whose node or virtual server goes. */
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { VirtualServerConfig } from '../../src/config/config.js'
import {
  AddVsView,
  CsmbError,
  DeleteVsView,
  EndReason,
  SsmbError,
  TcpState,
  VsClass,
  VsFlags,
  XlatMask,
} from '../../src/generated/messages.js'
import { families, farmConfig, startFarm } from '../helpers/farm.js'
import { deleteMessage, stateMessage } from '../helpers/messages.js'
import { startControl, web } from '../helpers/virtual-control.js'

const { translateAddr, translatePort, routeByDstIp } = VsFlags
const plain = translateAddr | translatePort | routeByDstIp

describe.each(families)('IPv%i', (family) => {
  const start = (server: Partial<VirtualServerConfig>) =>
    startFarm(family, ({ vip }) => ({
      virtualServers: { site: { listen: `tcp://${vip}`, pool: 'web', ...server } as const },
    }))

  test.each([
    ['reset', XlatMask.reset, 0],
    ['unreachable', XlatMask.unreachable, VsFlags.refuseUnreachable],
    ['drop', XlatMask.drop, VsFlags.refuseSilently],
  ] as const)('SSMB-37 %s', async (refuse, mask, flag) => {
    const { segment, fromClient } = await start({ refuse, connectionLimit: 1 })
    const announced = new AddVsView(new DataView((segment.taken[0] as Uint8Array).buffer))
    expect(announced.flags).toBe(plain | flag)
    const serials = [0, 1].map((n) => segment.query(fromClient(n)))
    expect((await segment.repliesTo(...serials))[1]).toMatchObject({
      error: SsmbError.connlimit,
      mask,
    })
    // Asked again before the answer came: as before.
    const again = segment.query({ ...fromClient(1), serial: serials[1] })
    await segment.quiet()
    expect(segment.replies.filter(({ serial }) => serial === again)).toMatchObject([
      { mask },
      { mask },
    ])
  })

  test('SSMB-37 a policy refuses as it likes', async () => {
    const { segment, fromClient } = await startFarm(family, ({ vip }) => ({
      virtualServers: {
        site: {
          listen: `tcp://${vip}`,
          refuse: 'drop',
          policy: ({ client }) => ({ reject: client.port % 2 ? 'unreachable' : 'reset' }),
        },
      },
    }))
    const serials = [0, 1].map((n) => segment.query(fromClient(n)))
    expect((await segment.repliesTo(...serials)).map(({ mask }) => mask)).toEqual([
      XlatMask.reset,
      XlatMask.unreachable,
    ])
  })

  test('VS-03 VS-04 a plain virtual server is DFS_ASSIST without special flags: QUERY and REPLY', async () => {
    const { segment, farm, fromClient } = await start({})
    const announced = new AddVsView(new DataView((segment.taken[0] as Uint8Array).buffer))
    expect(announced).toMatchObject({ vsClass: VsClass.dfsAssist, flags: plain, appLen: 0 })
    const serial = segment.query(fromClient())
    expect(await segment.repliesTo(serial)).toMatchObject([{ newDestination: farm.node(1) }])
  })

  test.each([
    ['keep', 0, 2],
    ['reset', 1, 1],
  ] as const)('LB-10 onDown %s: flows of a node that goes down', async (onDown, ended, left) => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    onTestFinished(() => void vi.useRealTimers())
    const pool = { onDown, passive: { fall: 1, forMs: 60_000 } }
    const { control, segment, farm, ask } = await startControl(family, web(pool, [{}, {}]))
    const flows = Array.from({ length: 6 }, () => ask())
    const replies = await segment.repliesTo(...flows.map(({ serial }) => serial))
    const [evicted, live, refused] = flows.filter(
      (_, i) => replies[i]?.newDestination === farm.node(1),
    )
    if (!evicted || !live || !refused) throw new Error('three flows of the first node')
    segment.send(stateMessage({ ...evicted, error: SsmbError.evicted }))
    const rst = { reason: EndReason.rst, tcpState: TcpState.ended, packetsIn: 1 }
    segment.send(deleteMessage({ ...refused, ...rst, packetsOut: 1, bytesOut: 40 }))
    await segment.quiet()
    const node = () => control.pools.report()[0]?.nodes[0]
    expect(node()?.state).toBe('down')
    vi.advanceTimersByTime(400)
    await segment.quiet()
    const asked = { kind: 'REAP', serial: live.serial, idleSecs: 0 }
    expect(segment.requests).toMatchObject(Array.from({ length: ended }, () => asked))
    expect(node()?.connections).toBe(left)
    segment.end({ ...live, reason: EndReason.reaped })
    await segment.quiet()
    expect(node()?.connections).toBe(left - 1)
    expect(control.reaper).toMatchObject({ asked: 0, gone: 0 })
  })

  test('VS-24 onRemove reset: its flows end at once', async () => {
    const { engine, segment, fromClient } = await start({ onRemove: 'reset' })
    await segment.repliesTo(segment.query(fromClient()))
    const { virtualServers, ...rest } = farmConfig(family)
    await engine.reload(rest)
    const last = segment.taken.at(-1) as Uint8Array
    const removal = new DeleteVsView(new DataView(last.buffer))
    expect(removal).toMatchObject({ vsId: 1, drainSecs: 0 })
    expect(Object.keys(virtualServers ?? {})).toEqual(['site'])
  })

  test('VS-18 VS-23 what the data flow segment cannot do is told by its name', async () => {
    const { engine, segment, farm } = await start({})
    segment.refusals.push(CsmbError.noCapability)
    const { virtualServers, ...rest } = farmConfig(family)
    const more = { listen: `tcp://${farm.otherVip}`, pool: 'web' }
    await expect(
      engine.reload({ ...rest, virtualServers: { ...virtualServers, more } }),
    ).rejects.toMatchObject({
      code: 'ERR_SLUICE_VIRTUAL_SERVER',
      message: expect.stringMatching(/more .*noCapability/),
    })
  })
})
