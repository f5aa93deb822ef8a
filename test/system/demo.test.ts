/** `sluice demo`: what a newcomer sees first must work, and leave nothing behind. */
import { existsSync, readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { tryRun } from '../../src/laboratory/lab-process.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { program, sluice, startSluice } from '../helpers/sluice-command.js'

/** Network namespaces that the process has left: a laboratory's carry its owner's number. */
const leftBy = (pid: number) =>
  existsSync('/run/netns')
    ? readdirSync('/run/netns').filter((name) => name.startsWith(`slab-${pid}-`))
    : []

describe.each([['packet'], ['tap']])('sluice demo over %s ports', (kind) => {
  requireHost('netns')
  if (kind === 'tap') requireHost('tun')

  test('LB-01 CS-10 ARCH-03 who answered whom, equal hashes, and balanced books', async () => {
    const args = kind === 'tap' ? ['--tap'] : []
    const command = await startSluice('demo', '--json', ...args)
    expect(await command.exited, command.output()).toMatchObject({ code: 0 })
    const result = JSON.parse(command.output())
    expect(result).toMatchObject({ ok: true, ports: kind })
    const thirds = { srv1: 30, srv2: 30, srv3: 30 }
    const canary = { srv1: 45, srv2: 45, srv3: 10 }
    const beta = { srv3: 50 }
    expect(result.requests.map(({ answered }: { answered: object }) => answered)).toEqual([
      ...[thirds, canary, beta],
      ...[thirds, canary, beta],
    ])
    expect(result.downloads.map(({ equal }: { equal: boolean }) => equal)).toEqual([true, true])
    const { received, forwarded, delivered, dropped, waiting } = result.packets
    expect(received).toBe(forwarded + delivered + dropped + waiting)
    expect(leftBy(command.pid)).toEqual([])
  })
})

describe('sluice demo', () => {
  requireHost('netns')

  test('--keep stays up until SIGINT, and its engine can be asked', async () => {
    const command = await startSluice('demo', '--keep', '--no-color')
    const [, socket = ''] = await command.waitForOutput(/--socket (\S+)[\s\S]*Ctrl-C/, 60_000)
    expect((await sluice('status', '--json', '--socket', socket)).code).toBe(0)
    expect(await command.stop('SIGINT')).toMatchObject({ code: 0 })
    expect(leftBy(command.pid)).toEqual([])
  })
})

describe('sluice demo as a plain user', () => {
  requireHost('userNamespaces')
  requireTools('setpriv', 'unshare')

  test('enters a user namespace by itself', async ({ skip }) => {
    if (process.env.SLUICE_USER_NAMESPACE) skip('these tests run in a user namespace already')
    if (process.getuid?.() !== 0) skip('the other tests of this file ran as a plain user')
    // 65534 is nobody everywhere.
    const asNobody = ['--reuid', '65534', '--regid', '65534', '--clear-groups', '--'] as const
    const { code: readable } = await tryRun(['setpriv', ...asNobody, 'test', '-r', program])
    if (readable !== 0) skip(`a plain user may not read ${program}`)
    const command = ['setpriv', ...asNobody, process.execPath, program, 'demo', '--json'] as const
    const { code, stdout, stderr } = await tryRun([...command], { cwd: '/tmp' })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, ports: 'packet' })
  })
})
