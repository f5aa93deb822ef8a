/** A configuration that changes under a running engine: `sluice reload`, SIGHUP, and what is refused. */
import { beforeEach, describe, expect, test } from 'vitest'
import type { EngineStatus, ReloadResult } from '../../src/index.js'
import { Laboratory, until } from '../../src/laboratory/index.js'
import { startServers } from '../helpers/servers.js'
import { endpoint, listen, nodes } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { sluice } from '../helpers/sluice-command.js'
import { SluiceProcess } from '../helpers/sluice-process.js'
import { SocketClients } from '../helpers/socket-clients.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx')

const families = [4, 6] as const

/** Source of a configuration with a virtual server of each family at each of these ports. */
function site(lab: Laboratory, ports: readonly number[], more = ''): string {
  const pools = families.map((family) => `web${family}: { nodes: ${nodes(lab, family, 80)} }`)
  const servers = families.flatMap((family) =>
    ports.map(
      (port) => `at${port}${family}: {
      listen: '${listen(lab, family, port)}', pool: 'web${family}' }`,
    ),
  )
  return `export default {
    ports: ${JSON.stringify(lab.ports())},
    pools: { ${pools.join(', ')} },
    virtualServers: { ${servers.join(', ')} }, ${more}
  }`
}

let lab: Laboratory
let engine: SluiceProcess
let clients: SocketClients

beforeEach(async () => {
  lab = await Laboratory.create({ topology: 'two-arm' })
  await startServers(lab)
  engine = await SluiceProcess.start(lab, site(lab, [80, 81]))
  clients = await SocketClients.start(lab.client.namespace)
  return () => lab.close()
})

/** The server that answers a new connection. */
async function answerAt(family: 4 | 6, port: number): Promise<string> {
  const client = await clients.connect({ host: lab.virtualAddress(family), port })
  const body = await client.request()
  await client.end()
  return body.trim()
}

/** That nobody listens there shows in the counter of its drop reason. */
async function expectNobodyAt(family: 4 | 6, port: number): Promise<void> {
  const drops = async () => (await status()).drops.ownAddress ?? 0
  const before = await drops()
  const client = clients.open({ host: lab.virtualAddress(family), port })
  await until('the SYN is dropped', async () => (await drops()) > before)
  expect(client.state).toBe('opening')
}

const reload = () => engine.ask<ReloadResult>('reload')
const status = () => engine.ask<EngineStatus>('status')

describe.each(families)('virtual servers of IPv%i', (family) => {
  test('VS-24 come and go between two packets, and live flows go on', async () => {
    const host = lab.virtualAddress(family)
    const [kept, leaving] = [
      await clients.connect({ host, port: 80 }),
      await clients.connect({ host, port: 81 }),
    ]
    const served = [await kept.request(), await leaving.request()]
    expect(await reload()).toMatchObject({ changed: false })

    engine.rewrite(site(lab, [80, 82]))
    const { changed, policyRevision } = await reload()
    expect({ changed, policyRevision }).toMatchObject({ changed: true })
    expect((await status()).policyRevision).toBe(policyRevision)
    expect(await answerAt(family, 80)).toMatch(/^srv\d$/)
    expect(await answerAt(family, 82)).toMatch(/^srv\d$/)
    await expectNobodyAt(family, 81)
    expect([await kept.request(), await leaving.request()]).toEqual(served)
    const removed = (await status()).virtualServers.filter(({ state }) => state === 'removed')
    expect(removed).toContainEqual(
      expect.objectContaining({ listen: `tcp://${endpoint(host, 81)}`, connections: 1 }),
    )
    await leaving.end()
    await engine.stop()
  })

  test('VS-24 the flows of one that is gone end after drainMs', async () => {
    const host = lab.virtualAddress(family)
    const leaving = await clients.connect({ host, port: 81 })
    await leaving.request()
    engine.rewrite(site(lab, [80], 'timeouts: { drainMs: 0 },'))
    expect(await reload()).toMatchObject({ changed: true })
    const { counters, virtualServers } = await until('the flow is removed', async () => {
      const found = await status()
      return found.counters.flowsRemoved === 1 && found
    })
    expect(counters.flows).toBe(0)
    expect(virtualServers.find(({ state }) => state === 'removed')?.connections ?? 0).toBe(0)
    await engine.stop()
  })
})

test('whatever is wrong leaves everything as it was, and the answer says why', async () => {
  const before = await status()
  const live = await clients.connect({ host: lab.virtualAddress(4), port: 80 })
  const served = await live.request()
  const wrong = {
    'does not compile': ['export default {', 'ERR_SLUICE_CONFIG', 'correct it there'],
    'is not valid': [
      site(lab, [80]).replace("pool: 'web4'", "pool: 'wob4'"),
      'ERR_SLUICE_CONFIG',
      'wob4',
    ],
    throws: ['throw new Error("not today")', 'ERR_SLUICE_CONFIG', 'not today'],
    'needs a new engine': [
      site(lab, [80], 'limits: { flows: 1000 }, workers: 2,'),
      'ERR_SLUICE_RESTART',
      'workers, limits.flows',
    ],
  } as const
  for (const [source, code, word] of Object.values(wrong)) {
    engine.rewrite(source)
    const answer = await sluice('reload', '--json', '--socket', engine.socket)
    expect(answer).toMatchObject({ code: 4, stdout: '' })
    expect(JSON.parse(answer.stderr).error.code).toBe(code)
    expect(answer.stderr).toContain(word)
    expect(await live.request()).toBe(served)
    expect(await answerAt(6, 81)).toMatch(/^srv\d$/)
  }
  expect(await status()).toMatchObject({
    policyRevision: before.policyRevision,
    virtualServers: before.virtualServers.map(({ name }) => ({ name, state: 'up' })),
  })
  await engine.stop()
})

test('SIGHUP reloads, too', async () => {
  engine.rewrite(site(lab, [83]))
  engine.process.signal('SIGHUP')
  await engine.process.waitForOutput(/"event":"reloaded"/)
  expect(await answerAt(4, 83)).toMatch(/^srv\d$/)
  await expectNobodyAt(4, 80)
  await engine.stop()
})
