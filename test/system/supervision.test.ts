/** How the process ends and what a service manager is told: the parts of a systemd unit that show. */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Laboratory, missingTools, until } from '../../src/laboratory/index.js'
import { curl } from '../helpers/http-clients.js'
import { readText, root } from '../helpers/repository.js'
import { listen, nodes, Site } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { SluiceProcess } from '../helpers/sluice-process.js'
import { SocketClients } from '../helpers/socket-clients.js'

describe('the unit', () => {
  const unit = join(root, 'packaging/sluice.service')
  const text = readFileSync(unit, 'utf8')

  test.for([
    ['as it is', text],
    ['with the examples in it', text.replaceAll(/^#(?=[A-Z]\w+=)/gm, '')],
  ])('systemd-analyze verify has nothing to say: %s', ([, text], { skip }) => {
    if (missingTools('systemd-analyze').length > 0) skip('not installed: systemd-analyze')
    // It looks whether the program is there, so it gets one.
    const folder = mkdtempSync(join(tmpdir(), 'sluice-unit-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const program = join(folder, 'sluice')
    writeFileSync(program, '#!/bin/sh\n')
    chmodSync(program, 0o755)
    const copy = join(folder, 'sluice.service')
    writeFileSync(copy, text.replaceAll('/usr/bin/sluice', program))
    const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', copy], {
      encoding: 'utf8',
    })
    expect({ status, said: stdout + stderr }).toEqual({ status: 0, said: '' })
  })

  test('systemd-analyze security: an exposure of at most 3.0', ({ skip }) => {
    if (missingTools('systemd-analyze').length > 0) skip('not installed: systemd-analyze')
    const line = ['security', '--offline=true', '--threshold=30', '--no-pager', unit]
    const { status, stdout } = spawnSync('systemd-analyze', line, { encoding: 'utf8' })
    expect(stdout).toContain('Overall exposure level')
    expect(status).toBe(0)
  })

  test('is part of the package', () => {
    expect(JSON.parse(readText('package.json')).files).toContain('packaging')
  })
})

describe('a running engine', () => {
  requireHost('netns', 'afPacket')
  requireTools('ip', 'nsenter', 'nginx', 'curl', 'python3')

  test('tells its service manager when it is ready, that it lives, and when it ends', async () => {
    await using lab = await Laboratory.create({ topology: 'two-arm', servers: 1 })
    const socket = join(lab.folder, 'notify')
    const manager = await lab.spawn('python3', [
      '-uc',
      `import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind('${socket}')
print('listens')
while True: print(s.recv(4096).decode().replace('\\n', ' '))`,
    ])
    await manager.waitForOutput(/listens/)
    const config = { ports: lab.ports() }
    const env = { ...process.env, NOTIFY_SOCKET: socket, WATCHDOG_USEC: '200000' } as const
    const engine = await SluiceProcess.start(lab, config, [], {
      spawn: (command, args) => lab.spawn(command, args, env),
    })
    await manager.waitForOutput(new RegExp(`READY=1 MAINPID=${engine.process.pid}`))
    await manager.waitForOutput(/WATCHDOG=1[\s\S]*WATCHDOG=1/)
    await engine.stop()
    await manager.waitForOutput(/STOPPING=1/)
  })

  test('whose policy never returns ends by SIGTERM all the same, and the device is as before', async () => {
    await using site = await Site.start({
      topology: 'two-arm',
      servers: 1,
      virtualServers: (family, lab) => ({
        stuck: `listen: '${listen(lab, family, 80)}', policy: () => { console.log('goes round'); for (;;); }`,
        plain: `listen: '${listen(lab, family, 81)}', pool: 'web${family}'`,
      }),
    })
    const { lab, client, engine } = site
    const clients = await SocketClients.start(client)
    const live = await clients.connect({ host: lab.virtualAddress(4), port: 81 })
    await live.request()
    clients.open({ host: lab.virtualAddress(4), port: 80 })
    await until('the policy is stuck', () => engine.process.output().includes('goes round'))
    engine.process.signal('SIGTERM')
    // Known flows go on until the end (law 8).
    expect(await live.request()).toMatch(/^srv1/)
    expect(await engine.process.exited).toMatchObject({ code: 143, signal: null })
    expect(engine.process.output()).toContain('JavaScript never returns')
    const again = await SluiceProcess.start(lab, {
      ports: lab.ports(),
      pools: { web: { nodes: JSON.parse(nodes(lab, 4, 80)) } },
      virtualServers: { web: { listen: listen(lab, 4, 80), pool: 'web' } },
    })
    const fetched = await curl(client, `http://${lab.virtualAddress(4)}/`)
    expect(fetched.status).toBe(200)
    await again.stop()
  })
})
