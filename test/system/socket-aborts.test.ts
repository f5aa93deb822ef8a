/** Calls that are given up while they wait: the state is the old one or the new one, and nothing leaks. */
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Socket, SocketPair, Stack } from '../../src/index.js'
import { type Family, type Host, type Namespace, until } from '../../src/laboratory/index.js'
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

async function startSite(limits?: object) {
  const accepted = new AcceptedSockets()
  const site = await EngineSite.start({
    services: { [ECHO]: accepted.service },
    startServers: (lab) => startEcho(lab, lab.servers, ECHO),
    more: () => ({ ...(limits && { limits }) }),
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

test('SOCK-36 unproxy, proxy, get and associate leave the old state or the new one, or the way to it', async () => {
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
      expect(['proxied', 'reproxying', 'relay']).toContain(pair.mode)
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

/** As few as there may be. */
const BLOCKS = 16

async function useUpBlocks(site: EngineSite, accepted: AcceptedSockets, family: Family) {
  const sockets: Socket[] = []
  while (sockets.length < BLOCKS) {
    await site.connect(family, ECHO)
    sockets.push(await accepted.next())
  }
  return sockets
}

/** Calls that wait for a pair's way back. */
const waysBack: ((pair: SocketPair, stack: Stack, signal: AbortSignal) => Promise<unknown>)[] = [
  (pair, _, signal) => pair.proxy({ signal }),
  (pair, stack, signal) => stack.get({ pairId: pair.id }, { signal }),
  (pair, _, signal) => pair.unproxyUntil({ bytes: 1, signal }),
  (pair, _, signal) => pair.disassociate({ signal }),
  (pair, _, signal) => pair.closeSide('inbound', { signal }),
]

test('SOCK-18 SOCK-36 who waits for a way back while all blocks are in use is let go by his signal', async () => {
  const { site, accepted } = await startSite({ connections: BLOCKS })
  await using _ = site
  const { stack } = site
  const used = () => site.engine.status().counters.connections
  for (const family of site.lab.families) {
    const client = await site.connect(family, ECHO)
    const outbound = await associated(stack, await accepted.next(), SERVER, ECHO)
    const pair = outbound.pair as SocketPair
    pair.process({ c2s: new PassThrough(), s2c: new PassThrough() })
    for (const [round, isCounted] of [false, true].entries()) {
      const ending = new AbortController()
      const { signal } = ending
      const counted = isCounted && pair.unproxyUntil({ bytes: 1_000_000, signal })
      if (!counted) await pair.unproxy({ depth: 'splice' })
      await until('its blocks are free', () => pair.mode === 'splice' && used() === 0)
      const others = await useUpBlocks(site, accepted, family)
      const given = Promise.allSettled([
        counted || pair.proxy({ signal }),
        ...waysBack.map((wait) => wait(pair, stack, signal)),
      ])
      if (!counted) await until('it waits', () => pair.mode === 'reproxying')
      ending.abort()
      for (const outcome of await given) {
        expect(outcome).toEqual({ status: 'rejected', reason: signal.reason })
      }
      expect(pair.mode).toBe('reproxying')
      // The hosts at its ends go on meanwhile.
      client.write('line\n')
      await client.untilReceived(new RegExp(` ${2 * round + 1} line\n$`))
      for (const other of others) other.resetAndDestroy()
      await pair.proxy()
      expect(pair.mode).toBe('proxied')
      client.write('line\n')
      await client.untilReceived(new RegExp(` ${2 * round + 2} line\n$`))
    }
    await pair.disassociate({ close: 'both' })
    await client.end()
    await site.untilIdle()
  }
  expect(site.engine.status().counters.returnsPostponed).toBeGreaterThan(0)
  await site.end()
})
