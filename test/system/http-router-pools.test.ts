/** Requests that go to the nodes of pools: of one that fails, by what they carry, and tunnels that count. */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { BalanceChoice } from '../../src/balance/algorithms.js'
import { httpRouter } from '../../src/index.js'
import { type Family, type Host, until } from '../../src/laboratory/index.js'
import { EngineSite } from '../helpers/engine-site.js'
import { curl, url } from '../helpers/http-clients.js'
import { root } from '../helpers/repository.js'
import { get, HTTP, ORIGIN } from '../helpers/router-site.js'
import { endpoint, listen } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import type { ClientSocket } from '../helpers/socket-clients.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'curl', 'nft')

/** Nobody listens there. */
const REFUSING = 9
/** Nobody answers there. */
const SILENT = 10
/** Of a virtual server that reads a connection's first request, and goes by that. */
const INSPECTED = 81
const FAMILIES: Family[] = [4, 6]

interface PoolSpec {
  /** By the numbers of servers, from 0, and L4 ports. */
  nodes: [server: number, port: number][]
  balance?: BalanceChoice
  passive?: object
  /** Its name without the family. */
  fallback?: string
}

/** Three servers with pools, and a router whose requests name theirs by the host: `name.test`. */
async function startPoolSite(specs: Record<string, PoolSpec>) {
  const site = await EngineSite.start({
    servers: 3,
    services: {
      [HTTP]: httpRouter(
        ({ host = '', inbound }) => `${host.split('.', 1)[0]}${inbound.identity.family}`,
        { connectTimeoutMs: 1000 },
      ),
    },
    virtualServers: (family, lab) =>
      specs.inspected
        ? {
            [`inspected${family}`]: {
              listen: listen(lab, family, INSPECTED),
              ...{ inspect: 'http', pool: `inspected${family}` },
            },
          }
        : {},
    more: (lab) => {
      const pools = lab.families.flatMap((family) =>
        Object.entries(specs).map(([name, { nodes, fallback, ...pool }]) => {
          const addresses = lab.serverAddresses(family)
          const all = nodes.map(([server, port]) => endpoint(addresses[server] ?? '', port))
          const other = fallback && { fallback: `${fallback}${family}` }
          return [`${name}${family}`, { nodes: all, ...pool, ...other }]
        }),
      )
      return { pools: Object.fromEntries(pools) }
    },
    startServers: (lab) => Promise.all(lab.servers.map(startOrigin)),
  })
  const ask = async (family: Family, pool: string, path = '/name', args: string[] = []) => {
    const target = url(site.lab.virtualAddress(family), path)
    return curl(site.client, target, { args: ['-H', `Host: ${pool}.test`, ...args] })
  }
  const nodes = (name: string) =>
    site.engine.status().pools.find((pool) => pool.name === name)?.nodes
  const counts = (name: string) => nodes(name)?.map(({ connections }) => connections)
  /** No connection is left, of clients or to servers. */
  const untilOver = async () => {
    await until('nothing but parked connections is left', () => {
      const { sockets, parked } = site.stack.stats()
      return sockets === parked
    })
    await site.stack.parking.drain()
    await site.untilIdle()
    for (const { connections } of site.engine.status().pools) expect(connections).toBe(0)
  }
  const end = async (troubles = 0) => {
    await untilOver()
    await site.end({ troubles })
  }
  return { site, ask, nodes, counts, untilOver, end }
}

async function startOrigin({ name, namespace }: Host): Promise<void> {
  const script = join(root, 'test/helpers/http_origin.mjs')
  const origin = await namespace.spawn(process.execPath, [script, name, `${ORIGIN}`])
  await origin.waitForOutput(/^ready$/m)
  const rules = `add table inet t; add chain inet t in { type filter hook input priority 0; };
    add rule inet t in tcp dport ${SILENT} drop`
  await namespace.exec('nft', [rules])
}

/** What a kept connection's next request is answered. */
async function answer(client: ClientSocket, request: string): Promise<string> {
  client.received.length = 0
  client.write(request)
  await client.untilReceived(/\r\n\r\n\w+\n$/)
  return /\w+(?=\n$)/.exec(client.received.join(''))?.[0] ?? ''
}

const inOrder: BalanceChoice = (_flow, [first]) => first as NonNullable<typeof first>
const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\n'

test('HS-20 a node that takes no connection: another one has the request, whatever its method', async () => {
  const half: PoolSpec = {
    nodes: [
      [0, REFUSING],
      [1, SILENT],
      [2, ORIGIN],
    ],
    balance: 'round-robin',
  }
  const { site, ask, nodes, end } = await startPoolSite({
    half,
    watched: { ...half, passive: { fall: 3, forMs: 3_600_000 } },
  })
  await using _ = site
  for (const family of FAMILIES) {
    for (const [pool, turns] of [
      ['half', 6],
      ['watched', 9],
    ] as const) {
      for (let turn = 0; turn < turns; turn++) {
        const fetched = await ask(family, pool, '/length', ['-d', `said ${turn}`])
        expect(fetched).toMatchObject({ status: 200, body: `said ${turn}` })
      }
    }
    // Nothing is learned where nobody wants to; what never was there counts nowhere.
    expect(nodes(`half${family}`)?.map(({ state }) => state)).toEqual(['up', 'up', 'up'])
    expect(nodes(`half${family}`)?.map((node) => node.totalConnections)).toEqual([0, 0, 6])
    expect(nodes(`watched${family}`)?.map(({ state }) => state)).toEqual(['down', 'down', 'up'])
    expect(nodes(`watched${family}`)?.[0]?.reason).toBe('it refused 3 connections in a row')
  }
  await end(2 * FAMILIES.length)
})

test('LB-10 passive: refusals that connections came between are not in a row', async () => {
  const { site, ask, nodes, untilOver, end } = await startPoolSite({
    flaky: { nodes: [[0, SILENT]], passive: { fall: 3, forMs: 3_600_000 } },
  })
  await using _ = site
  const [server] = site.lab.servers as [Host]
  const status = async () => (await ask(4, 'flaky')).status
  const redirect = `add table inet r; add chain inet r pre { type nat hook prerouting priority -100; };
    add rule inet r pre tcp dport ${SILENT} redirect to :${ORIGIN}`
  for (let turn = 0; turn < 2; turn++) {
    expect([await status(), await status()]).toEqual([504, 504])
    await server.namespace.exec('nft', [redirect])
    expect(await status()).toBe(200)
    // Without the rules nothing of it would come to its end.
    await untilOver()
    await server.namespace.exec('nft', ['delete table inet r'])
  }
  expect(nodes('flaky4')).toMatchObject([{ state: 'up' }])
  await end()
})

test('HS-20 three nodes at most, those that stand in included: then it is 502, or 504', async () => {
  const { site, ask, nodes, end } = await startPoolSite({
    four: {
      nodes: [
        [0, REFUSING],
        [1, REFUSING],
        [2, REFUSING],
        [2, ORIGIN],
      ],
      balance: inOrder,
    },
    late: {
      nodes: [
        [0, REFUSING],
        [1, SILENT],
      ],
      balance: inOrder,
    },
    backed: { nodes: [[0, REFUSING]], fallback: 'good' },
    good: { nodes: [[1, ORIGIN]] },
  })
  await using _ = site
  for (const family of FAMILIES) {
    expect((await ask(family, 'four')).status).toBe(502)
    expect((await ask(family, 'late')).status).toBe(504)
    expect(await ask(family, 'backed')).toMatchObject({ status: 200, body: 'srv2\n' })
    const given = ['four', 'late', 'backed'].flatMap((name) => nodes(`${name}${family}`) ?? [])
    expect(given.map(({ totalConnections }) => totalConnections)).toEqual(given.map(() => 0))
  }
  await end()
})

test('LB-08 a tunnel is a connection of its node until it is over', async () => {
  const { site, ask, counts, end } = await startPoolSite({
    ws: {
      nodes: [
        [0, ORIGIN],
        [1, ORIGIN],
      ],
      balance: 'least-connections',
    },
  })
  await using _ = site
  for (const family of FAMILIES) {
    const client = await site.connect(family, HTTP)
    client.write(`GET /socket HTTP/1.1\r\nHost: ws.test\r\n${upgrade}\r\nearly\n`)
    await client.untilReceived(/\r\n\r\nearly\n$/)
    expect(counts(`ws${family}`)).toEqual([1, 0])
    for (let turn = 0; turn < 4; turn++) {
      expect(await ask(family, 'ws')).toMatchObject({ body: 'srv2\n' })
    }
    client.write('late\n')
    await client.untilReceived(/early\nlate\n$/)
    expect(counts(`ws${family}`)).toEqual([1, 0])
    await client.end()
    await until('the tunnel counts no more', () => counts(`ws${family}`)?.[0] === 0)
  }
  await end()
})

test.each<[string, BalanceChoice, (key: string) => [path: string, fields: string]]>([
  [
    'LB-04 LB-17 a cookie',
    { hash: 'cookie', name: 'sid' },
    (key) => ['/name', `Cookie: other=${key.length}\r\nCookie: sid=${key}\r\n`],
  ],
  [
    'LB-05 a header',
    { hash: 'header', name: 'X-User' },
    (key) => ['/name', `x-user: ${key}\r\nX-USER: and more\r\n`],
  ],
  ['LB-06 LB-18 the URL', { hash: 'url' }, (key) => [`/name?${key}`, '']],
  [
    "LB-18 a function's choice",
    ({ http }, nodes) => nodes[Number(http.cookies.sid?.slice(4)) % nodes.length] as never,
    (key) => ['/name', `Cookie: sid=${key}\r\n`],
  ],
])('%s of each request: the node that an inspected connection would get', async (...row) => {
  const [, balance, requestOf] = row
  const { site, end } = await startPoolSite({
    inspected: { nodes: [0, 1, 2].map((server) => [server, ORIGIN]), balance },
  })
  await using _ = site
  for (const family of FAMILIES) {
    const kept = await site.connect(family, HTTP)
    const used = new Set<string>()
    for (let i = 0; i < 20; i++) {
      const [path, fields] = requestOf(`key-${i}`)
      const request = get(path, fields).replace('Host: test', 'Host: inspected.test')
      const inspected = await site.connect(family, INSPECTED)
      const name = await answer(inspected, request)
      await inspected.end()
      expect(await answer(kept, request)).toBe(name)
      used.add(name)
    }
    expect([...used].sort()).toEqual(['srv1', 'srv2', 'srv3'])
    await kept.end()
  }
  await end()
})

test('LB-04 LB-05 a request without what is hashed goes by its client', async () => {
  const { site, end } = await startPoolSite({
    inspected: {
      nodes: [0, 1, 2].map((server) => [server, ORIGIN]),
      balance: { hash: 'cookie', name: 'sid' },
    },
    header: {
      nodes: [0, 1, 2].map((server) => [server, ORIGIN]),
      balance: { hash: 'header', name: 'X-User' },
    },
  })
  await using _ = site
  for (const family of FAMILIES) {
    const inspected = await site.connect(family, INSPECTED)
    const name = await answer(inspected, get('/name'))
    await inspected.end()
    const kept = await site.connect(family, HTTP)
    for (const pool of ['inspected', 'header']) {
      const request = get('/name', 'Cookie: sid=\r\n').replace('Host: test', `Host: ${pool}.test`)
      for (let turn = 0; turn < 4; turn++) expect(await answer(kept, request)).toBe(name)
    }
    await kept.end()
  }
  await end()
})
