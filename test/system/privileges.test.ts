/** What rights the engine needs, and that it gives up those that it does not need any more. */
import { chownSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { effectiveCapabilities } from '../../src/capabilities.js'
import type { EngineStatus } from '../../src/index.js'
import { Laboratory, missingTools, type Namespace } from '../../src/laboratory/index.js'
import { run } from '../../src/laboratory/lab-process.js'
import { deviceSettings } from '../helpers/device-settings.js'
import { curl, url } from '../helpers/http-clients.js'
import { readText } from '../helpers/repository.js'
import { startServers } from '../helpers/servers.js'
import { listen, nodes, Site } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { SluiceProcess } from '../helpers/sluice-process.js'

requireHost('root', 'netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'curl', 'setpriv')

/** As of a systemd unit's DynamicUser. */
const user = 61_184
const unit = readText('packaging/sluice.service')
const granted = (/^AmbientCapabilities=(.*)$/m.exec(unit)?.[1] ?? '').split(' ')

/** What each thread of a process may still do. */
function threads(pid: number) {
  const folder = `/proc/${pid}/task`
  return readdirSync(folder).map((thread) => {
    const status = readFileSync(join(folder, thread, 'status'), 'utf8')
    const set = (name: string) => BigInt(`0x${RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1]}`)
    return {
      effective: effectiveCapabilities(status),
      permitted: set('CapPrm'),
      inheritable: set('CapInh'),
      ambient: set('CapAmb'),
      noNewPrivileges: /^NoNewPrivs:\s*1$/m.test(status),
    }
  })
}

const without = {
  effective: [],
  permitted: 0n,
  inheritable: 0n,
  ambient: 0n,
  noNewPrivileges: true,
}

/** Whether the kernel is kept silent by programs, which need no undoing. */
const byPrograms = ({ ports }: EngineStatus) => ports.every(({ mode }) => mode.includes('tcx'))

test('every thread gives up its capabilities when the ports are open; flows, reloads and the end need none', async () => {
  await using site = await Site.start({ topology: 'two-arm', servers: 1, more: 'workers: 2,' })
  const { engine } = site
  const status = await site.status()
  const left = byPrograms(status) ? [] : ['CAP_NET_ADMIN']
  expect(status.capabilities).toEqual(left)
  const found = threads(engine.process.pid)
  // Node's main thread, V8's, libuv's, those of the process folder, and two workers.
  expect(found.length).toBeGreaterThan(8)
  for (const thread of found) {
    expect(thread.effective).toEqual(left)
    expect(thread.noNewPrivileges).toBe(true)
  }
  if (left.length === 0) expect(new Set(found.map(text))).toEqual(new Set([text(without)]))
  const before = readFileSync(engine.configFile, 'utf8')
  engine.rewrite(before.replace('plain4:', 'other4:'))
  expect(await engine.ask('reload')).toMatchObject({ changed: true })
  expect((await site.fetch(4)).status).toBe(200)
  expect((await site.fetch(6)).status).toBe(200)
  await site.end()
})

const text = (value: object) =>
  JSON.stringify(value, (_, one) => (typeof one === 'bigint' ? `${one}` : one))

test.for([
  ['whole devices', {}],
  ['VLANs', { vlan: 100 }],
] as const)(
  'settings that keep the kernel silent on %s are undone in the end: CAP_NET_ADMIN alone stays for it',
  async ([_, vlan], { skip }) => {
    await using lab = await Laboratory.create({ topology: 'two-arm', servers: 1 })
    const ctl = lab.namespace('ctl')
    // Another device works through this one, so the engine leaves the kernel its frames.
    const over = await ctl.tryExec('ip', 'link add link ext0 name over0 type macvlan'.split(' '))
    if (over.code !== 0) skip('this kernel has no macvlan devices')
    const before = await deviceSettings(lab)
    const ports = Object.entries(lab.ports()).map(([name, port]) => [name, { ...port, ...vlan }])
    const engine = await SluiceProcess.start(lab, { ports: Object.fromEntries(ports) })
    const { capabilities } = await engine.ask<EngineStatus>('status')
    expect(capabilities).toEqual(['CAP_NET_ADMIN'])
    for (const { effective } of threads(engine.process.pid)) expect(effective).toEqual(capabilities)
    expect(await deviceSettings(lab)).not.toBe(before)
    await engine.stop()
    expect(await deviceSettings(lab)).toBe(before)
  },
)

describe('the rights of the systemd unit', () => {
  /** Runs a command as the unit's user, with its capabilities, in the network namespace of the devices. */
  function confined(at: Namespace, log?: string): Pick<Namespace, 'spawn'> {
    const names = granted.map((name) => `+${name.replace('CAP_', '').toLowerCase()}`).join(',')
    const identity = [`--reuid=${user}`, `--regid=${user}`, '--clear-groups', '--no-new-privs']
    const sets = ['inh-caps', 'ambient-caps', 'bounding-set'].map((set) => `--${set}=-all,${names}`)
    const traced = log ? ['strace', '-f', '-qq', '-o', log, '-e', 'signal=none'] : []
    const [first, ...rest] = [...traced, 'setpriv', ...identity, ...sets] as [string, ...string[]]
    return { spawn: (command, args = []) => at.spawn(first, [...rest, command, ...args]) }
  }

  async function startConfined(lab: Laboratory, log?: string): Promise<SluiceProcess> {
    await startServers(lab)
    chownSync(lab.folder, user, user)
    const ports = Object.entries(lab.ports()).map(([name, { netns: _, ...port }]) => [name, port])
    const source = `export default {
      ports: ${JSON.stringify(Object.fromEntries(ports))},
      pools: { web: { nodes: ${nodes(lab, 4, 80)} }, web6: { nodes: ${nodes(lab, 6, 80)} } },
      virtualServers: {
        four: { listen: '${listen(lab, 4, 80)}', pool: 'web' },
        six: { listen: '${listen(lab, 6, 80)}', policy: () => 'web6' },
      },
      workers: 2,
    }`
    return SluiceProcess.start(lab, source, [], confined(lab.namespace('ctl'), log))
  }

  test('are enough: traffic, a reload and a clean end', async () => {
    await using lab = await Laboratory.create({ topology: 'two-arm', servers: 2 })
    const before = await deviceSettings(lab)
    const engine = await startConfined(lab)
    const client = lab.client.namespace
    for (const family of lab.families) {
      expect((await curl(client, url(lab.virtualAddress(family), '/'))).status).toBe(200)
    }
    const status = await engine.ask<EngineStatus>('status')
    expect(status.capabilities).toEqual(byPrograms(status) ? [] : ['CAP_NET_ADMIN'])
    engine.rewrite(
      readFileSync(engine.configFile, 'utf8').replace("policy: () => 'web6'", "pool: 'web6'"),
    )
    expect(await engine.ask('reload')).toMatchObject({ changed: true })
    expect((await curl(client, url(lab.virtualAddress(6), '/'))).status).toBe(200)
    await engine.stop()
    expect(await deviceSettings(lab)).toBe(before)
  })

  test('allow every system call that the engine makes', async ({ skip }) => {
    const missing = missingTools('systemd-analyze', 'strace')
    if (missing.length > 0) skip(`not installed: ${missing.join(', ')}. Run scripts/setup.`)
    await using lab = await Laboratory.create({ topology: 'two-arm', servers: 1 })
    const log = join(lab.folder, 'calls')
    const engine = await startConfined(lab, log)
    await engine.ask<EngineStatus>('status')
    expect((await curl(lab.client.namespace, url(lab.virtualAddress(4), '/'))).status).toBe(200)
    await engine.ask('reload')
    process.kill(childOf(engine.process.pid), 'SIGTERM')
    expect((await engine.process.exited).code).toBe(0)
    const made = new Set(readFileSync(log, 'utf8').match(/(?<=^\d+ +)[a-z_0-9]+(?=\()/gm))
    expect(made).toContain('capset')
    const allowed = await allowedCalls(
      (/^SystemCallFilter=(.*)$/m.exec(unit)?.[1] ?? '').split(' '),
    )
    // What setpriv does before the engine is there is the service manager's part.
    const before = new Set(['setresuid', 'setresgid', 'setgroups'])
    expect([...made].filter((name) => !allowed.has(name) && !before.has(name))).toEqual([])
  })

  const childOf = (pid: number) =>
    Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0])

  /** The system calls of some sets, and of those within them. */
  async function allowedCalls(sets: readonly string[]): Promise<Set<string>> {
    const calls = new Set<string>()
    const open = [...sets]
    for (let set = open.pop(); set !== undefined; set = open.pop()) {
      if (!set.startsWith('@')) {
        calls.add(set)
        continue
      }
      const { stdout } = await run(['systemd-analyze', '--no-pager', 'syscall-filter', set])
      open.push(...(stdout.match(/(?<=^ {4})[@a-z]\S*/gm) ?? []))
    }
    return calls
  }
})
