/** Calls that are given up while they wait: the state is the old one or the new one, and nothing leaks. */
import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Socket, SocketPair } from '../../src/index.js'
import type { Host, Namespace } from '../../src/laboratory/index.js'
import { AcceptedSockets, EngineSite } from '../helpers/engine-site.js'
import { startEcho } from '../helpers/servers.js'
import { associated, SERVER } from '../helpers/services.js'
import { requireHost, requireTools } from '../helpers/skip.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nft')

const ECHO = 7
/** Turns of the event loop after which a call is given up, one after the other. */
const PATIENCE = [0, 1, 2, 3, 5, 8, 13, 21, 34, 55]
const ABORTED = { name: 'AbortError' }

async function startSite() {
  const accepted = new AcceptedSockets()
  const site = await EngineSite.start({
    services: { [ECHO]: accepted.service },
    startServers: (lab) => startEcho(lab, lab.servers, ECHO),
  })
  return { site, accepted }
}

/** No SYN is answered any more. */
async function silence(at: Namespace): Promise<void> {
  const chain =
    'chain in { type filter hook input priority 0; tcp flags & (syn|ack) == syn drop; };'
  await at.exec('nft', [`table inet silence { ${chain} }`])
}

/** Gives a call up after some turns: what it came to, or undefined where it was given up. */
async function giveUp<T>(turns: number, call: (signal: AbortSignal) => Promise<T>) {
  const controller = new AbortController()
  const called = call(controller.signal)
  const settled = called.then(
    (value) => ({ value }),
    (error: Error) => ({ error }),
  )
  for (let count = 0; count < turns; count++) await turn()
  controller.abort()
  const outcome = await settled
  if ('value' in outcome) return outcome.value
  expect(outcome.error).toMatchObject(ABORTED)
  return undefined
}

test('SOCK-36 a connect that is given up leaves no socket, and the inbound one free', async () => {
  const { site, accepted } = await startSite()
  await using _ = site
  for (const family of site.lab.families) {
    const client = await site.connect(family, ECHO)
    const inbound = await accepted.next()
    const to = { address: SERVER[family], port: ECHO }
    for (const turns of PATIENCE) {
      for (const more of [{}, { associateWith: inbound }]) {
        const socket = await giveUp<Socket>(turns, (signal) =>
          site.stack.connect({ ...to, ...more, signal }),
        )
        if (!socket) expect([inbound.use, inbound.pair]).toEqual(['free', undefined])
        const gone = socket && new Promise((resolve) => socket.once('close', resolve))
        await socket?.pair?.disassociate()
        socket?.resetAndDestroy()
        await gone
      }
    }
    await expect(site.stack.connect({ ...to, signal: AbortSignal.abort() })).rejects.toMatchObject(
      ABORTED,
    )
    // After all that it works as before.
    const outbound = await associated(site.stack, inbound, SERVER, ECHO)
    outbound.pair?.process({})
    client.write('line\n')
    await client.untilReceived(/ 1 line\n$/)
    await client.end()
    await site.untilIdle()
  }
  await site.end()
})

test('SOCK-36 a connect to nobody ends with its signal, or in time', async () => {
  const { site, accepted } = await startSite()
  await using _ = site
  await silence((site.lab.servers[0] as Host).namespace)
  for (const family of site.lab.families) {
    const client = await site.connect(family, ECHO)
    const inbound = await accepted.next()
    const to = { address: SERVER[family], port: ECHO, associateWith: inbound }
    const controller = new AbortController()
    const given = site.stack.connect({ ...to, signal: controller.signal })
    controller.abort()
    await expect(given).rejects.toMatchObject(ABORTED)
    expect([inbound.use, inbound.pair]).toEqual(['free', undefined])
    const late = site.stack.connect({ ...to, timeout: 100 })
    await expect(late).rejects.toMatchObject({ code: 'ERR_SLUICE_TIMEOUT' })
    expect([inbound.use, inbound.pair]).toEqual(['free', undefined])
    inbound.resume()
    await client.end()
  }
  await site.end()
})

test('SOCK-36 unproxy, proxy, get and associate leave the old state or the new one', async () => {
  const { site, accepted } = await startSite()
  await using _ = site
  const { stack } = site
  for (const family of site.lab.families) {
    const client = await site.connect(family, ECHO)
    const inbound = await accepted.next()
    const outbound = await associated(stack, inbound, SERVER, ECHO)
    const pair = outbound.pair as SocketPair
    pair.process({})
    for (const [index, turns] of PATIENCE.entries()) {
      await giveUp(turns, (signal) => pair.unproxy({ depth: 'relay', signal }))
      expect(['proxied', 'relay']).toContain(pair.mode)
      await giveUp(turns, (signal) => stack.get({ pairId: pair.id }, { signal }))
      expect(['proxied', 'relay']).toContain(pair.mode)
      await giveUp(turns, (signal) => pair.proxy({ signal }))
      await pair.proxy()
      expect(pair.mode).toBe('proxied')
      client.write('line\n')
      await client.untilReceived(new RegExp(` ${index + 1} line\n$`))
    }
    await pair.disassociate()
    const given = stack.associate(inbound, outbound, { signal: AbortSignal.abort() })
    await expect(given).rejects.toMatchObject(ABORTED)
    expect([inbound.use, outbound.use]).toEqual(['free', 'free'])
    outbound.destroy()
    inbound.destroy()
  }
  await site.end()
})

test('SOCK-36 a park that is given up leaves a socket that goes on, or a parked one', async () => {
  const { site } = await startSite()
  await using _ = site
  for (const family of site.lab.families) {
    const to = { address: SERVER[family], port: ECHO }
    let socket = await site.stack.connect(to)
    for (const turns of PATIENCE) {
      const handle = await giveUp(turns, (signal) => socket.park({ signal }))
      expect([socket.use, site.stack.parking.size]).toEqual(handle ? ['parked', 1] : ['free', 0])
      if (handle) socket = site.stack.parking.redeem(handle)
      socket.write('line\n')
      await once(socket, 'data')
    }
    socket.destroy()
  }
  await site.end()
})
