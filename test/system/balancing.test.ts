/** Who serves whom: a thousand real connections, spread as the configuration says. */
import { describe, expect, test } from 'vitest'
import type { Family, Laboratory, TopologyName } from '../../src/laboratory/index.js'
import { startEcho } from '../helpers/servers.js'
import { endpoint, listen, nodes, Site } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { type ClientSocket, SocketClients } from '../helpers/socket-clients.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx')

describe.each<TopologyName>(['tap', 'two-arm'])('1 000 connections over %s', (topology) => {
  if (topology === 'tap') requireHost('tun')

  test('LB-01 VS-02 CS-02 CS-04 CS-12 DFS-21 round robin, and what everybody counts agrees', async () => {
    await using site = await Site.start({ topology })
    const clients = await SocketClients.start(site.client)
    const locals: string[] = []
    for (const family of site.lab.families) {
      const open = () => clients.connect({ host: site.lab.virtualAddress(family), port: 80 })
      // One after the other they are answered in the order of the list ...
      for (let turn = 0; turn < 60; turn += 1) {
        const socket = await open()
        expect(await socket.request()).toBe(`srv${(turn % 3) + 1}\n`)
        locals.push(socket.local)
        await socket.end()
      }
      // ... and all at once they get equal shares.
      const held = await Promise.all(Array.from({ length: 440 }, open))
      await Promise.all(held.map((socket) => socket.request()))
      const names = held.map(({ local }) => local)
      locals.push(...names)
      expect(new Set((await site.flows()).map(({ client }) => client))).toEqual(new Set(names))
      await Promise.all(held.map((socket) => socket.end()))
    }
    // 500 of each family: the first two servers get one more.
    const shares = [334, 334, 332]
    const logs = await Promise.all(site.servers.map((one, at) => one.untilLogged(shares[at] ?? 0)))
    expect(logs.map((log) => log.length)).toEqual(shares)
    expect(new Set(logs.flat().map(({ client }) => client))).toEqual(new Set(locals))

    const { decisions, pools, virtualServers, counters } = await site.end()
    expect(decisions).toMatchObject({ assigned: 1000, rejected: 0, pending: 0 })
    expect(counters.queries).toBe(1000)
    for (const pool of pools) {
      expect(pool).toMatchObject({ totalConnections: 500, connections: 0 })
      expect(pool.nodes.map((node) => node.totalConnections)).toEqual([167, 167, 166])
    }
    for (const server of virtualServers) expect(server.totalConnections).toBe(500)
  })
})

test('LB-02 least connections: the emptiest server first, counted over all virtual servers', async () => {
  const direct = (family: Family, lab: Laboratory, server: number) => {
    const node = endpoint(lab.serverAddresses(family)[server - 1] as string, 80)
    const from = listen(lab, family, 8000 + server)
    return `listen: '${from}', policy: () => ({ node: '${node}' })`
  }
  await using site = await Site.start({
    topology: 'two-arm',
    balance: `'least-connections'`,
    virtualServers: (family, lab) => ({
      all: `listen: '${listen(lab, family, 80)}', pool: 'web${family}'`,
      first: direct(family, lab, 1),
      second: direct(family, lab, 2),
    }),
  })
  const clients = await SocketClients.start(site.client)
  for (const family of site.lab.families) {
    const open = async (port: number, count: number) => {
      const answers: string[] = []
      for (let turn = 0; turn < count; turn += 1) {
        const socket = await clients.connect({ host: site.lab.virtualAddress(family), port })
        answers.push((await socket.request()).trim())
      }
      return answers
    }
    expect(new Set(await open(8001, 10))).toEqual(new Set(['srv1']))
    expect(new Set(await open(8002, 5))).toEqual(new Set(['srv2']))
    expect(await open(80, 6)).toEqual(['srv3', 'srv3', 'srv3', 'srv3', 'srv3', 'srv2'])
  }
  await site.end()
})

/** Addresses of a network behind the client, which the engine reaches through it. */
const many = {
  4: { network: '198.51.100.0/24', address: (n: number) => `198.51.100.${n}` },
  6: { network: '2001:db8:a::/64', address: (n: number) => `2001:db8:a::${n}` },
} as const

test('LB-03 source hash: 200 client addresses, each with one server for ten connections', async () => {
  await using site = await Site.start({
    topology: 'two-arm',
    balance: `{ hash: 'source' }`,
    more: `routes: [
      { to: '${many[4].network}', via: '192.0.2.10' },
      { to: '${many[6].network}', via: '2001:db8:1::10' },
    ]`,
  })
  const { lab, client } = site
  const clients = await SocketClients.start(client)
  for (const family of lab.families) {
    const addresses = Array.from({ length: 200 }, (_, index) => many[family].address(index + 1))
    const lines = addresses.map((address) => `address add ${address} dev eth0`)
    await client.ip(family === 4 ? lines : lines.map((line) => `${line} nodad`))
    const host = lab.virtualAddress(family)
    const answer = async (localAddress: string) => {
      const socket = await clients.connect({ host, port: 80, localAddress })
      const body = await socket.request()
      await socket.end()
      return body
    }
    const first = await Promise.all(addresses.map(answer))
    for (let repeat = 1; repeat < 10; repeat += 1) {
      expect(await Promise.all(addresses.map(answer))).toEqual(first)
    }
    for (const name of ['srv1', 'srv2', 'srv3']) {
      const share = first.filter((body) => body === `${name}\n`).length
      expect(share).toBeGreaterThan(30)
    }
  }
  await site.end()
})

describe.each([[1], [3], [64]])('LB-07 a farm of %i', (servers) => {
  requireHost('tun')

  test('LB-07 LB-12 a policy decides by the port of the client', async () => {
    await using site = await Site.start({
      topology: 'tap',
      servers,
      startServers: async (lab) => {
        await startEcho(lab, lab.servers)
        return []
      },
      pools: (family, lab) => ({ echo: `nodes: ${nodes(lab, family, 7)}` }),
      virtualServers: (family, lab) => ({
        echo: `listen: '${listen(lab, family, 7)}', policy: ({ client, pools }) => {
          const { nodes } = pools.echo${family}
          return { node: nodes[client.port % nodes.length].name }
        }`,
      }),
    })
    const clients = await SocketClients.start(site.client)
    for (const family of site.lab.families) {
      const addresses = site.lab.serverAddresses(family)
      const host = site.lab.virtualAddress(family)
      const open = () => clients.connect({ host, port: 7 })
      const sockets = await Promise.all(Array.from({ length: 500 }, open))
      for (const socket of sockets) {
        socket.write('hello\n')
        const expected = `${addresses[portOf(socket) % servers]} ${socket.local} 1 hello\n`
        await socket.untilReceived(/\n/)
        expect(socket.received.join('')).toBe(expected)
      }
    }
    const { decisions } = await site.end()
    expect(decisions).toMatchObject({ assigned: 1000, policyErrors: 0 })
  })
})

function portOf({ local }: ClientSocket): number {
  return Number(local.slice(local.lastIndexOf(':') + 1))
}
