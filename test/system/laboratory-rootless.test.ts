import { expect, test } from 'vitest'
import { tryRun } from '../../src/laboratory/lab-process.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { nodeCommand } from '../helpers/typescript-process.js'

requireHost('userNamespaces')
requireTools('ip', 'nsenter', 'unshare', 'setpriv', 'ping')

const LAY = `
  import { ensurePrivileges, Laboratory } from './src/laboratory/index.js'
  await ensurePrivileges()
  await using lab = await Laboratory.create({ topology: 'two-arm', servers: 1 })
  await lab.kernelRouter()
  for (const address of [lab.servers[0].address(4), lab.servers[0].address(6)]) {
    await lab.client.namespace.exec('ping', ['-c', '1', '-W', '5', address])
  }
  console.log('reached as', process.getuid())
  process.exitCode = 7
`

/** Ends root's rights where the tests have them; 65534 is nobody everywhere. */
const AS_NOBODY = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'] as const

test('a plain user lays a laboratory in a user namespace, and the exit code comes back', async ({
  skip,
}) => {
  if (process.env.SLUICE_USER_NAMESPACE) skip('these tests run in a user namespace already')
  const node = await nodeCommand(LAY)
  const result = await tryRun(process.getuid?.() === 0 ? [...AS_NOBODY, ...node] : node, {
    cwd: '/tmp',
  })
  expect(result).toMatchObject({ stdout: 'reached as 0\n', stderr: '', code: 7 })
})
