/** `sluice run` from its configuration to SIGTERM, over AF_PACKET and over TAP. */
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import type { EngineStatus } from '../../src/index.js'
import { Laboratory, type TopologyName } from '../../src/laboratory/index.js'
import { curl, url } from '../helpers/http-clients.js'
import { startServers } from '../helpers/servers.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { sluice } from '../helpers/sluice-command.js'
import { SluiceProcess } from '../helpers/sluice-process.js'

requireHost('netns')
requireTools('ip', 'nsenter', 'nginx', 'curl')

const families = [4, 6] as const
const host = (address: string) => (address.includes(':') ? `[${address}]` : address)

/** A configuration with a plain and a policy virtual server for each family. */
function site(lab: Laboratory): string {
  const pools = Object.fromEntries(
    families.map((family) => [
      `web${family}`,
      { nodes: lab.serverAddresses(family).map((address) => `${host(address)}:80`) },
    ]),
  )
  const servers = families.flatMap((family) => {
    const listen = (port: number) => `tcp://${host(lab.virtualAddress(family))}:${port}`
    const last = lab.serverAddresses(family).at(-1) as string
    return [
      `plain${family}: { listen: '${listen(80)}', pool: 'web${family}' }`,
      `chosen${family}: { listen: '${listen(8080)}',
        policy: async () => ({ node: '${host(last)}:80' }) }`,
    ]
  })
  return `import { defineConfig } from 'sluice'
    export default defineConfig({
      ports: ${JSON.stringify(lab.ports())},
      pools: ${JSON.stringify(pools)},
      virtualServers: { ${servers.join(',\n')} },
    })`
}

describe.each<TopologyName>(['two-arm', 'tap'])('sluice run on a %s laboratory', (topology) => {
  if (topology === 'tap') requireHost('tun')

  test('ARCH-03 one command: clients are served, flows and status tell, SIGTERM leaves nothing', async () => {
    await using lab = await Laboratory.create({ topology })
    const servers = await startServers(lab)
    const before = namespaceNames(lab)
    const engine = await SluiceProcess.start(lab, site(lab))
    const ready = engine.events().find(({ event }) => event === 'ready')
    expect(ready).toMatchObject({ socket: engine.socket, pid: engine.process.pid })
    expect(statSync(engine.socket).mode & 0o777).toBe(0o660)

    for (const family of families) {
      const answers: string[] = []
      for (let turn = 0; turn < 6; turn += 1) {
        const fetched = await curl(lab.client.namespace, url(lab.virtualAddress(family)))
        expect(fetched).toMatchObject({ status: 200, exitCode: 0 })
        answers.push(fetched.body.trim())
      }
      expect(answers).toEqual([...answers.slice(0, 3), ...answers.slice(0, 3)])
      expect(new Set(answers)).toEqual(new Set(['srv1', 'srv2', 'srv3']))
      const chosen = await curl(lab.client.namespace, url(lab.virtualAddress(family), '/', 8080))
      expect(chosen).toMatchObject({ status: 200, body: 'srv3\n' })
      const log = await servers[2]?.untilLogged(1)
      expect(log?.some(({ client }) => client === chosen.client)).toBe(true)
    }

    const status = await engine.ask<EngineStatus>('status')
    expect(status).toMatchObject({ ready: true, policyRevision: ready?.policyRevision })
    expect(status.decisions.assigned).toBe(14)
    expect(await engine.ask('flows')).toBeInstanceOf(Array)

    await engine.stop()
    expect(existsSync(engine.socket)).toBe(false)
    expect(namespaceNames(lab)).toEqual(before)
    expect(await deviceNames(lab)).toEqual(topology === 'tap' ? ['lo'] : ['eth0', 'lo'])
    expect((await sluice('status', '--socket', engine.socket)).code).toBe(3)
  })
})

test('--watch: another policy for new connections, and a wrong one changes nothing', async () => {
  await using lab = await Laboratory.create({ topology: 'two-arm' })
  await startServers(lab)
  const source = site(lab)
  const engine = await SluiceProcess.start(lab, source, ['--watch'])
  const answer = async () => {
    const fetched = await curl(lab.client.namespace, url(lab.virtualAddress(4), '/', 8080))
    return fetched.body.trim()
  }
  expect(await answer()).toBe('srv3')
  engine.rewrite(source.replaceAll("10.1.0.13:80' })", "10.1.0.12:80' })"))
  await engine.process.waitForOutput(/"event":"reloaded"/)
  expect(await answer()).toBe('srv2')
  engine.rewrite('export default {')
  await engine.process.waitForOutput(/"event":"reloadRefused"/)
  expect(await answer()).toBe('srv2')
  await engine.stop()
})

describe('the administration socket', () => {
  let lab: Laboratory
  beforeEach(async () => {
    lab = await Laboratory.create({ topology: 'two-arm', servers: 1 })
    return () => lab.close()
  })

  test('that of a killed engine is replaced, that of a live one is an error', async () => {
    const killed = await SluiceProcess.start(lab, site(lab))
    await killed.process.stop('SIGKILL')
    expect(existsSync(killed.socket)).toBe(true)

    const live = await SluiceProcess.start(lab, site(lab), ['--socket', killed.socket])
    const second = ['run', live.configFile, '--json', '--socket', killed.socket]
    const { code, stderr } = await sluice(...second)
    expect(code).toBe(1)
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'ERR_SLUICE_SOCKET' } })
    expect((await sluice('status', '--socket', killed.socket)).code).toBe(0)
    expect(await live.process.stop('SIGINT')).toMatchObject({ code: 0 })
  })

  test('--no-admin runs without one', async () => {
    const engine = await SluiceProcess.start(lab, site(lab), ['--no-admin'])
    expect(engine.events()).toContainEqual(
      expect.objectContaining({ event: 'ready', socket: null }),
    )
    expect(existsSync(engine.socket)).toBe(false)
    await engine.stop()
  })
})

test('a device that is not there: exit 5, with the remedy', async () => {
  await using lab = await Laboratory.create({ topology: 'two-arm', servers: 1 })
  const ports = lab.ports()
  const port = { ...ports.outside, device: 'absent0' }
  const file = join(lab.folder, 'absent.mjs')
  writeFileSync(file, `export default { ports: { outside: ${JSON.stringify(port)} } }`)
  const { code, stderr, stdout } = await sluice('run', file, '--no-admin')
  expect({ code, stdout }).toEqual({ code: 5, stdout: '' })
  expect(stderr).toContain('absent0')
})

test('a device that another engine has: exit 5, unless the two have addresses of their own', async () => {
  await using lab = await Laboratory.create({ topology: 'two-arm', servers: 1 })
  const ports = lab.ports()
  const first = await SluiceProcess.start(lab, { ports })
  const file = join(lab.folder, 'second.mjs')
  writeFileSync(file, `export default { ports: ${JSON.stringify(ports)} }`)
  const { code, stderr, stdout } = await sluice('run', file, '--no-admin', '--json')
  expect({ code, stdout }).toEqual({ code: 5, stdout: '' })
  expect(JSON.parse(stderr).error).toMatchObject({
    code: 'ERR_SLUICE_DEVICE',
    message: expect.stringContaining('ext0'),
    remedy: expect.stringContaining('Another engine'),
  })
  const { outside } = ports
  const own = { ...outside, mac: '02:00:00:00:00:77', address: '192.0.2.2/24' }
  const second = await SluiceProcess.start(lab, { ports: { outside: own } })
  await second.stop()
  await first.stop()
  const again = await SluiceProcess.start(lab, { ports })
  await again.stop()
})

function namespaceNames({ prefix }: Laboratory): string[] {
  return readdirSync('/run/netns').filter((name) => name.startsWith(prefix))
}

/** Devices of the clients' namespace. */
async function deviceNames(lab: Laboratory): Promise<string[]> {
  const { stdout } = await lab.client.namespace.exec('ip', ['-j', 'link', 'show'])
  return (JSON.parse(stdout) as { ifname: string }[]).map(({ ifname }) => ifname).sort()
}
