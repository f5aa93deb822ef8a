import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { Laboratory, type TopologyName, until } from '../../src/laboratory/index.js'
import { curl, url } from '../helpers/http-clients.js'
import { NginxServer, startServers } from '../helpers/servers.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { nodeCommand } from '../helpers/typescript-process.js'

requireHost('netns')
requireTools('ip', 'nsenter', 'nginx', 'curl')

const namespaces = () => (existsSync('/run/netns') ? readdirSync('/run/netns') : [])
const madeBy = (prefix: string) => namespaces().filter((name) => name.startsWith(prefix))

describe.each<TopologyName>(['two-arm', 'one-arm'])('%s with the kernel as router', (topology) => {
  test('LAB-A LAB-B clients reach every server, IPv4 and IPv6, with their own address', async () => {
    await using lab = await Laboratory.create({ topology })
    await lab.kernelRouter()
    const servers = await startServers(lab)
    for (const server of servers) {
      const clients: string[] = []
      for (const family of lab.families) {
        const fetched = await curl(lab.client.namespace, url(server.host.address(family)))
        expect(fetched).toMatchObject({ status: 200, body: `${server.host.name}\n`, exitCode: 0 })
        expect(fetched.client).toContain(lab.client.address(family))
        clients.push(fetched.client)
      }
      const log = await server.untilLogged(clients.length)
      expect(log.map(({ client }) => client)).toEqual(clients)
    }
  })

  test('nftables translates the virtual address to a server, IPv4 and IPv6', async () => {
    await using lab = await Laboratory.create({ topology, servers: 2 })
    await lab.kernelNat(2)
    await startServers(lab)
    for (const family of lab.families) {
      const fetched = await curl(lab.client.namespace, url(lab.virtualAddress(family)))
      expect(fetched).toMatchObject({ status: 200, body: 'srv2\n' })
    }
  })
})

test('ctl is silent: nothing answers for the engine before it runs', async () => {
  await using lab = await Laboratory.create({ topology: 'two-arm', servers: 1 })
  const { stdout } = await lab.namespace('ctl').exec('ip', ['-j', 'address', 'show'])
  const devices = JSON.parse(stdout) as { ifname: string; addr_info: unknown[] }[]
  expect(devices.filter(({ ifname }) => ifname !== 'lo').map((one) => one.addr_info)).toEqual([
    [],
    [],
  ])
})

describe('LAB-E tap', () => {
  requireHost('tun')

  test('routes follow once the engine has made its devices; servers start before', async () => {
    await using lab = await Laboratory.create({ topology: 'tap', servers: 2 })
    const servers = await startServers(lab)
    expect(servers).toHaveLength(2)
    const complete = lab.afterStart()
    // What the engine does at its start, done by hand.
    for (const port of Object.values(lab.ports())) {
      if (port.kind !== 'tap') throw new Error('not a TAP port')
      const role = port.device === 'ext0' ? 'cli' : 'lan'
      await lab
        .namespace(role)
        .ip([
          `tuntap add dev ${port.device} mode tap`,
          ...port.hostAddress.map((address) => `address add ${address} dev ${port.device}`),
          `link set ${port.device} up`,
        ])
    }
    await complete
    const { stdout } = await lab.client.namespace.exec('ip', ['-j', 'route', 'show', 'default'])
    expect(JSON.parse(stdout)).toMatchObject([{ gateway: '192.0.2.1', dev: 'ext0' }])
    const inside = await lab.namespace('lan').exec('ip', ['-6', '-j', 'route', 'show', 'default'])
    expect(JSON.parse(inside.stdout)).toMatchObject([{ gateway: '2001:db8:2::1', dev: 'int0' }])
  })
})

test('two laboratories at once do not meet', async () => {
  await using one = await Laboratory.create({ topology: 'two-arm', servers: 1 })
  await using other = await Laboratory.create({ topology: 'two-arm', servers: 1 })
  await Promise.all([one.kernelRouter(), other.kernelRouter()])
  const [server] = one.servers
  if (!server) throw new Error('no server')
  await NginxServer.start(one, server)
  expect((await curl(one.client.namespace, url(server.address()))).status).toBe(200)
  expect((await curl(other.client.namespace, url(server.address()))).status).toBe(0)
  await one.close()
  expect(madeBy(one.prefix)).toEqual([])
  expect(madeBy(other.prefix)).not.toEqual([])
})

test('closing removes namespaces, processes and the folder', async () => {
  const lab = await Laboratory.create({ topology: 'one-arm' })
  const sleeper = await lab.client.namespace.spawn('sleep', ['600'])
  await lab.close()
  expect(madeBy(lab.prefix)).toEqual([])
  expect(existsSync(lab.folder)).toBe(false)
  expect(sleeper.running).toBe(false)
  await lab.close()
})

test('pinned sysctls hold, and a laboratory can set its own', async () => {
  await using lab = await Laboratory.create({
    topology: 'tap',
    sysctls: { 'ipv4/tcp_timestamps': 0 },
  })
  const read = async (key: string) =>
    (await lab.client.namespace.exec('cat', [`/proc/sys/net/${key}`])).stdout.trim()
  expect(await read('ipv4/tcp_congestion_control')).toBe(lab.congestionControl)
  expect(await read('ipv4/tcp_ecn')).toBe('0')
  expect(await read('ipv4/tcp_timestamps')).toBe('0')
})

const LAY_AND_STAY = `
  import { Laboratory } from './src/laboratory/index.js'
  const lab = await Laboratory.create({ topology: 'two-arm', servers: 1 })
  const inside = await lab.client.namespace.spawn('sleep', ['600'])
  const outside = await lab.spawn('sleep', ['600'])
  const pids = [inside.pid, outside.pid]
  console.log(JSON.stringify({ prefix: lab.prefix, folder: lab.folder, pids }))
  setInterval(() => {}, 1000)
`

interface Made {
  prefix: string
  folder: string
  pids: number[]
}

async function layInAnotherProcess() {
  const [node, ...args] = await nodeCommand(LAY_AND_STAY)
  const child = spawn(node, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const made = JSON.parse(line.toString()) as Made
  expect(madeBy(made.prefix)).not.toEqual([])
  return { child, made }
}

/** Whether a process of that id runs; one that has ended and only waits for its parent does not. */
const isGone = (pid: number) => !existsSync(`/proc/${pid}/exe`)

async function expectGone({ prefix, folder, pids }: Made): Promise<void> {
  expect(madeBy(prefix)).toEqual([])
  expect(existsSync(folder)).toBe(false)
  await until('its processes are gone', () => pids.every(isGone))
}

test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('%s removes the laboratory', async (signal) => {
  const { child, made } = await layInAnotherProcess()
  child.kill(signal)
  const [, ended] = await once(child, 'exit')
  expect(ended).toBe(signal)
  await expectGone(made)
})

test('what a killed owner left goes with the next laboratory of anybody', async () => {
  const { child, made } = await layInAnotherProcess()
  child.kill('SIGKILL')
  await once(child, 'exit')
  expect(madeBy(made.prefix)).not.toEqual([])
  await using lab = await Laboratory.create({ topology: 'tap' })
  await expectGone(made)
  expect(madeBy(lab.prefix)).not.toEqual([])
})
