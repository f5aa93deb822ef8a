/** How a session is found by what its server sends, whatever its client addressed. */
import { describe, expect, test } from 'vitest'
import { formatEndpoint } from '../../src/bus/address.js'
import { QueryReason, SsmbError, SsmbFlags, XlatMask } from '../../src/generated/messages.js'
import { type FarmEndpoints, families, farmConfig, startFarm } from '../helpers/farm.js'
import { stateMessage } from '../helpers/messages.js'

const midSession = QueryReason.midSession

describe.each(families)('IPv%i', (family) => {
  const any = family === 4 ? '0.0.0.0' : '[::]'
  const wildcards = [
    ['any address', `${any}:80`, { wildcardAddress: true }],
    ['any port', undefined, { wildcardPort: true }],
    ['any address and port', `${any}:0`, { wildcardAddress: true, wildcardPort: true }],
  ] as const

  test.each(wildcards)('VS-13 VS-14 FLOWLIFE-16 %s', async (_name, listen, flags) => {
    const { engine, segment, farm } = await startFarm(family, ({ vip }) => ({
      virtualServers: { site: { listen: `tcp://${listen ?? vip}`, pool: 'web', ...flags } },
    }))
    const asked = { source: farm.client(), destination: farm.stranger, vsId: 1 }
    const serial = segment.query(asked)
    expect(await segment.repliesTo(serial)).toMatchObject([{ newDestination: farm.node(1) }])
    segment.send(stateMessage({ ...asked, serial, error: SsmbError.evicted }))

    const answer = { source: farm.node(1), destination: farm.client(), outbound: true }
    const back = segment.query({ ...answer, reason: midSession })
    expect(await segment.repliesTo(back)).toMatchObject([{ newSource: farm.stranger, nodeId: 1 }])
    expect(engine.status().decisions).toMatchObject({ assigned: 1, resumed: 1, routed: 0 })
    segment.table.push({ ...answer, serial: back })
    expect(await engine.flows()).toMatchObject([
      { client: farm.client(), listen: farm.stranger, server: farm.node(1) },
    ])
  })

  test('VS-10 VS-11 FLOWLIFE-16 a server that answers from the virtual address', async () => {
    const { segment, farm, fromClient } = await startFarm(family, ({ vip }) => ({
      virtualServers: {
        site: { listen: `tcp://${vip}`, pool: 'web', translateAddress: false },
      },
    }))
    const serial = segment.query(fromClient())
    await segment.repliesTo(serial)
    segment.send(stateMessage({ ...fromClient(), serial, error: SsmbError.evicted }))
    const source = farm.vip.replace(/\d+$/, '8080')
    const answer = { source, destination: farm.client(), outbound: true }
    const back = segment.query({ ...answer, reason: midSession })
    expect(await segment.repliesTo(back)).toMatchObject([{ newSource: farm.vip, nodeId: 1 }])
  })

  test('VS-11 FLOWLIFE-16 what a virtual server translates later is none of its sessions', async () => {
    const change = (translatePort: boolean) => (farm: FarmEndpoints) => ({
      virtualServers: { site: { listen: `tcp://${farm.vip}`, pool: 'web', translatePort } },
    })
    const { engine, segment, farm, fromClient } = await startFarm(family, change(false))
    const serial = segment.query(fromClient())
    await segment.repliesTo(serial)
    await engine.reload(farmConfig(family, change(true)))
    segment.send(stateMessage({ ...fromClient(), serial, error: SsmbError.evicted }))
    const source = farm.node(1).replace(/\d+$/, '80')
    const answer = { source, destination: farm.client(), outbound: true }
    const back = segment.query({ ...answer, reason: midSession })
    expect(await segment.repliesTo(back)).toMatchObject([{ newSource: farm.vip, nodeId: 1 }])
    const again = segment.query({ ...fromClient(), reason: midSession })
    expect(await segment.repliesTo(again)).toMatchObject([
      { mask: XlatMask.dstAddr | XlatMask.decTtl, nodeId: 1 },
    ])
  })

  test('VS-12 ARCH-11 a node may have a next hop, which routes do not decide then', async () => {
    const [router, node] =
      family === 4 ? ['10.1.0.7', '10.9.9.9:8080'] : ['2001:db8:1::7', '[2001:db8:9::9]:8080']
    const { segment, fromClient } = await startFarm(family, (farm) => ({
      pools: { web: { nodes: [{ address: node, nextHop: router }, farm.node(1)] } },
    }))
    const serials = [segment.query(fromClient(0)), segment.query(fromClient(1))]
    expect(await segment.repliesTo(...serials)).toMatchObject([
      {
        newDestination: node,
        nextHop: formatEndpoint({ address: router, port: 0, family }),
        flags: 0,
      },
      { flags: SsmbFlags.routeByDst },
    ])
  })
})
