/** What a user without root's rights gets: the same, in a user namespace. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { tryRun } from '../../src/laboratory/lab-process.js'
import { root } from '../helpers/repository.js'
import { requireHost, requireTools } from '../helpers/skip.js'

requireHost('userNamespaces')
requireTools('ip', 'nsenter', 'unshare', 'setpriv')

beforeEach(({ skip }) => {
  if (process.env.SLUICE_USER_NAMESPACE) skip('these tests run in a user namespace already')
})

test('ARCH-03 the demo runs as a plain user, and ends well', async () => {
  const home = await mkdtemp(join(tmpdir(), 'sluice-home-'))
  onTestFinished(() => rm(home, { recursive: true, force: true }))
  const demo = [process.execPath, join(root, 'bin/sluice.js'), 'demo', '--json'] as const
  // 65534 is nobody everywhere.
  const asNobody = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'] as const
  const { code, stdout, stderr } = await tryRun(
    process.getuid?.() === 0 ? [...asNobody, ...demo] : demo,
    { cwd: '/tmp', env: { HOME: home, XDG_RUNTIME_DIR: '' } },
  )
  expect(stderr).toBe('')
  expect(code).toBe(0)
  const { ok, packets, downloads } = JSON.parse(stdout)
  expect(ok).toBe(true)
  expect(downloads.map(({ equal }: { equal: boolean }) => equal)).toEqual([true, true])
  const { received, forwarded, delivered, dropped, waiting } = packets
  expect(received).toBe(forwarded + delivered + dropped + waiting)
})
