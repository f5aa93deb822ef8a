/** Servers that fail and come back, and what their clients see of it. */
import { expect, test } from 'vitest'
import type { NodeStatus } from '../../src/index.js'
import { type Family, until } from '../../src/laboratory/index.js'
import { NginxServer, startServers } from '../helpers/servers.js'
import { Site } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { SocketClients } from '../helpers/socket-clients.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'curl')

/** A file that each server has while it is well. */
const HEALTH = 64

function startChecked(): Promise<Site> {
  return Site.start({
    topology: 'two-arm',
    amongServers: true,
    pool: `check: { kind: 'http', path: '/bytes/${HEALTH}', intervalMs: 200, fall: 2 }`,
    startServers: async (lab) => {
      const servers = await startServers(lab)
      await Promise.all(servers.map((server) => server.addFile(HEALTH)))
      return servers
    },
  })
}

/** The server with a number from 1 as the pools of both families have it, once they agree on a state. */
async function untilState(site: Site, place: number, state: string): Promise<NodeStatus[]> {
  let nodes: NodeStatus[] = []
  return until(
    () => `srv${place} ${state}: ${JSON.stringify(nodes)}`,
    async () => {
      nodes = (await site.status()).pools.map((pool) => pool.nodes[place - 1] as NodeStatus)
      return nodes.every((node) => node.state === state) && nodes
    },
  ) as Promise<NodeStatus[]>
}

/** Who answers so many requests in turn, each over a connection of its own. */
async function answers(site: Site, family: Family, count: number): Promise<string[]> {
  const bodies: string[] = []
  for (let turn = 0; turn < count; turn += 1) {
    const { body, exitCode } = await site.fetch(family)
    bodies.push(exitCode === 0 ? body.trim() : `curl ${exitCode}`)
  }
  return bodies
}

test('LB-10 a server that is stopped, unwell or cut off gets no connections until it is back', async () => {
  await using site = await startChecked()
  const { lab, servers } = site
  const everybody = async (...names: string[]) => {
    for (const family of lab.families) {
      expect(new Set(await answers(site, family, 12))).toEqual(new Set(names))
    }
  }
  await everybody('srv1', 'srv2', 'srv3')

  await servers[1]?.stop()
  const [stopped] = await untilState(site, 2, 'down')
  expect(stopped?.reason).toMatch(/ECONNREFUSED/)
  await everybody('srv1', 'srv3')

  servers[2]?.removeFile(HEALTH)
  const [unwell] = await untilState(site, 3, 'down')
  expect(unwell?.reason).toBe('it answers 404')
  await everybody('srv1')

  await lab.namespace('lan').ip(['link set p1 down'])
  const [cutOff] = await untilState(site, 1, 'down')
  expect(cutOff?.reason).toBe('no answer within 1000 ms')
  // Nobody is left: the client learns it at once.
  await everybody('curl 7')

  await lab.namespace('lan').ip(['link set p1 up'])
  await servers[2]?.addFile(HEALTH)
  await NginxServer.start(lab, lab.servers[1] as (typeof lab.servers)[number])
  for (const place of [1, 2, 3]) await untilState(site, place, 'up')
  await everybody('srv1', 'srv2', 'srv3')

  const { decisions, pools } = await site.end()
  expect(decisions).toMatchObject({ unavailable: 24, rejected: 0 })
  expect(pools.map(({ refused }) => refused)).toEqual([12, 12])
})

test('LB-10 clients see nothing of nodes that checks take out and let in; live flows stay', async () => {
  await using site = await startChecked()
  const clients = await SocketClients.start(site.client)
  const held = await Promise.all(
    site.lab.families.flatMap((family) =>
      [1, 2, 3].map(() => clients.connect({ host: site.lab.virtualAddress(family), port: 80 })),
    ),
  )
  const names = await Promise.all(held.map((socket) => socket.request()))
  let over = false
  const seen = new Set<string>()
  const keepAsking = async (family: Family) => {
    while (!over) {
      const socket = await clients.connect({ host: site.lab.virtualAddress(family), port: 80 })
      seen.add(await socket.request())
      await socket.end()
    }
  }
  const load = Promise.all([...site.lab.families, ...site.lab.families].map(keepAsking))
  try {
    for (const place of [2, 3, 1]) {
      site.servers[place - 1]?.removeFile(HEALTH)
      await untilState(site, place, 'down')
      expect(await Promise.all(held.map((socket) => socket.request()))).toEqual(names)
      await site.servers[place - 1]?.addFile(HEALTH)
      await untilState(site, place, 'up')
    }
  } finally {
    over = true
    await load
  }
  expect(seen).toEqual(new Set(['srv1\n', 'srv2\n', 'srv3\n']))
  const { decisions } = await site.end()
  expect(decisions).toMatchObject({ unavailable: 0, rejected: 0, policyErrors: 0 })
})

test('LB-10 passive: a server that refuses connections in a row is left alone for a while', async () => {
  await using site = await Site.start({
    topology: 'two-arm',
    pool: 'passive: { fall: 3, forMs: 3_600_000 }',
  })
  await site.servers[1]?.stop()
  for (const family of site.lab.families) {
    const refused = async () => (await answers(site, family, 3)).filter((body) => body === 'curl 7')
    // Two may be under way when the third is told.
    let count = 0
    await until('srv2 down', async () => {
      count += (await refused()).length
      const pools = (await site.status()).pools
      return pools.find(({ name }) => name === `web${family}`)?.nodes[1]?.state === 'down'
    })
    expect(count).toBeGreaterThanOrEqual(3)
    expect(new Set(await answers(site, family, 12))).toEqual(new Set(['srv1', 'srv3']))
  }
  const { pools } = await site.end()
  for (const { nodes } of pools) {
    expect(nodes.map(({ state }) => state)).toEqual(['up', 'down', 'up'])
    expect(nodes[1]?.reason).toBe('it refused 3 connections in a row')
  }
})
