/** The administration of a running engine: over curl, and by the commands for operators. */
import { spawn, spawnSync } from 'node:child_process'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { EngineRates } from '../../src/cli/rates.js'
import type { EngineStatus, FlowRecord, PoolStatus } from '../../src/index.js'
import { missingTools, until } from '../../src/laboratory/index.js'
import { tryRun } from '../../src/laboratory/lab-process.js'
import { Site } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { sluice } from '../helpers/sluice-command.js'
import { SocketClients } from '../helpers/socket-clients.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'curl')

let site: Site
let clients: SocketClients

beforeAll(async () => {
  site = await Site.start({ topology: 'two-arm' })
  clients = await SocketClients.start(site.client)
})
afterAll(() => site?.[Symbol.asyncDispose]())

/** What curl prints: the body, and the status behind it. */
async function curl(path: string, ...args: string[]) {
  const line = ['--unix-socket', site.engine.socket, '-w', '\n%{http_code}', ...args]
  const { stdout } = await tryRun(['curl', '-sS', ...line, `http://sluice${path}`])
  const [, body = '', status] = /^(.*)\n(\d+)$/s.exec(stdout) ?? []
  return { body, status: Number(status) }
}

const post = (path: string, body: object) => curl(path, '-d', JSON.stringify(body))
const connect = () => clients.connect({ host: site.lab.virtualAddress(4), port: 80 })

describe('curl --unix-socket', () => {
  test('/healthz, /readyz', async () => {
    expect(await curl('/healthz')).toEqual({ body: 'ok\n', status: 200 })
    expect(await curl('/readyz')).toEqual({ body: 'ready\n', status: 200 })
  })

  test('STAT-01 /metrics: promtool accepts what a working engine tells', async ({ skip }) => {
    await site.fetch(4)
    const { body, status } = await curl('/metrics')
    expect(status).toBe(200)
    expect(body).toMatch(/^sluice_virtual_server_assigned_total\{.*"plain4".*\} [1-9]/m)
    if (missingTools('promtool').length > 0) skip('not installed: promtool. Run scripts/setup.')
    const check = spawnSync('promtool', ['check', 'metrics'], { input: body, encoding: 'utf8' })
    expect({ code: check.status, said: check.stdout + check.stderr }).toEqual({ code: 0, said: '' })
  })

  test('/api/v1: status, flows, pools, virtual servers, drops', async () => {
    const live = await connect()
    await live.request()
    const get = async <T>(path: string) => JSON.parse((await curl(`/api/v1/${path}`)).body) as T
    expect(await get<EngineStatus>('status?fresh')).toMatchObject({ ready: true, state: 'ready' })
    expect(await get<FlowRecord[]>('flows')).toContainEqual(
      expect.objectContaining({ client: live.local, virtualServer: 'plain4' }),
    )
    expect((await get<PoolStatus[]>('pools')).map(({ name }) => name)).toEqual(['web4', 'web6'])
    expect(await get('virtual-servers')).toHaveLength(2)
    expect(await get('drops')).toBeTypeOf('object')
    await live.end()
  })

  test('errors have a code and a remedy', async () => {
    const { body, status } = await curl('/api/v1/nothing')
    expect(status).toBe(404)
    expect(JSON.parse(body)).toMatchObject({
      error: { code: 'ERR_SLUICE_ADMIN_NOT_FOUND', remedy: expect.any(String) },
    })
    expect((await post('/api/v1/drain', { node: '10.9.9.9:1' })).status).toBe(404)
    expect((await post('/api/v1/drain', { virtualServer: 'nobody' })).status).toBe(404)
    expect((await curl('/api/v1/drain', '-d', '{')).status).toBe(400)
  })

  test('/events: a node that drains, a reload, and one that is refused', async () => {
    const line = ['-sSN', '--unix-socket', site.engine.socket, 'http://sluice/events']
    const following = spawn('curl', line, { stdio: ['ignore', 'pipe', 'inherit'] })
    const told: string[] = []
    createInterface({ input: following.stdout }).on('line', (text) => void told.push(text))
    const seen = (text: string) => until(text, () => told.some((one) => one.includes(text)))
    await seen(': sluice')
    const [node = ''] = site.lab.serverAddresses(4).map((address) => `${address}:80`)
    await post('/api/v1/drain', { node })
    await seen('"state":"draining"')
    await post('/api/v1/drain', { node, state: 'active' })
    await seen('"state":"up"')
    site.engine.rewrite('export default {')
    expect((await post('/api/v1/reload', {})).status).toBe(422)
    await seen('event: reloadRefused')
    following.kill()
  })
})

describe('commands', () => {
  test('sluice drain, sluice pools: a node gets no new flows, its live ones go on', async () => {
    const live = await connect()
    const body = await live.request()
    const server = Number(/\d/.exec(body)?.[0]) - 1
    const node = `${site.lab.serverAddresses(4)[server]}:80`
    expect(await site.engine.ask('drain', `web4/${node}`)).toEqual({
      node,
      pool: 'web4',
      state: 'draining',
      connections: 1,
    })
    const states = async () => {
      const [pool] = await site.engine.ask<PoolStatus[]>('pools')
      return pool?.nodes.map(({ state }) => state)
    }
    expect((await states())?.[server]).toBe('draining')
    const others = await Promise.all([1, 2, 3, 4].map(() => site.fetch(4)))
    expect(others.map((fetched) => fetched.status)).toEqual([200, 200, 200, 200])
    expect(others.map((fetched) => fetched.body)).not.toContain(body)
    expect(await live.request()).toBe(body)
    await site.engine.ask('drain', node, '--undo')
    expect(await states()).toEqual(['up', 'up', 'up'])
    await live.end()
  })

  test('sluice drain of a virtual server: new flows are reset, live ones go on', async () => {
    const live = await connect()
    const body = await live.request()
    await site.engine.ask('drain', 'plain4')
    await expect(connect()).rejects.toThrow('ECONNREFUSED')
    expect(await live.request()).toBe(body)
    expect((await site.fetch(6)).status).toBe(200)
    await site.engine.ask('drain', 'plain4', '--undo')
    await until('it takes flows again', async () => (await site.fetch(4)).status === 200)
    await live.end()
  })

  test('sluice top --once --json', async () => {
    const args = ['--once', '--json', '--interval', '0.1', '--socket', site.engine.socket]
    const { code, stdout } = await sluice('top', ...args)
    expect(code).toBe(0)
    const { virtualServers } = JSON.parse(stdout) as EngineRates
    expect(virtualServers.map(({ name }) => name)).toEqual(['plain4', 'plain6'])
  })
})

test('sluice drain --process: not ready, no new flows, and an end with the last one', async () => {
  const live = await connect()
  await live.request()
  expect(await site.engine.ask('drain', '--process')).toMatchObject({ process: true })
  expect(await curl('/readyz')).toEqual({ body: 'not ready: draining\n', status: 503 })
  await expect(connect()).rejects.toThrow('ECONNREFUSED')
  await live.request()
  await live.end()
  await site.engine.process.waitForOutput(/"signal":"drained"/)
  expect(await site.engine.process.exited).toMatchObject({ code: 0 })
})
