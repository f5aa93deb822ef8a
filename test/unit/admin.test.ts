import { chmod, link, lstat, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createAdminApp } from '../../src/admin/app.js'
import { AdminServer } from '../../src/admin/server.js'
import { claimSocketPath, defaultSocketPath } from '../../src/admin/socket.js'
import type { AdminSource } from '../../src/admin/source.js'
import { askEngine } from '../../src/cli/admin-client.js'
import { firstPresent, unitSocketPath } from '../../src/cli/engine-at.js'
import { exampleFlow, exampleStatus } from '../helpers/example-status.js'
import { readText } from '../helpers/repository.js'

/** An engine as far as the administration knows one. */
function engine(ready = true): AdminSource {
  return {
    status: () => ({ ...exampleStatus, ready, state: ready ? 'ready' : 'starting' }),
    eachFlow: async () => [exampleFlow],
    setNode: vi.fn(),
    setVirtualServer: vi.fn(),
  }
}

let folder: string
let path: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-admin-'))
  path = join(folder, 'sluice.sock')
})

afterEach(() => rm(folder, { recursive: true, force: true }))

describe('what is answered', () => {
  const ask = async (target: string, source = engine()) => {
    const response = await createAdminApp(source, { write: true }).request(target)
    return { status: response.status, body: await response.text() }
  }

  test('/healthz says that the process is alive', async () => {
    expect(await ask('/healthz', engine(false))).toEqual({ status: 200, body: 'ok\n' })
  })

  test.each([
    ['ready', engine(true), 200],
    ['not ready', engine(false), 503],
  ])('/readyz of an engine that is %s', async (_, source, status) => {
    expect((await ask('/readyz', source)).status).toBe(status)
  })

  test("the status is the engine's", async () => {
    expect(JSON.parse((await ask('/api/v1/status')).body)).toEqual(exampleStatus)
  })

  test('the flows are an array', async () => {
    expect(JSON.parse((await ask('/api/v1/flows')).body)).toEqual([exampleFlow])
  })

  test('an unknown address is 404, a failing engine 500, both with a code', async () => {
    const broken = { ...engine(), eachFlow: () => Promise.reject(new Error('gone')) }
    const [unknown, failed] = [await ask('/nothing'), await ask('/api/v1/flows', broken)]
    expect(unknown.status).toBe(404)
    expect(JSON.parse(unknown.body).error.code).toBe('ERR_SLUICE_ADMIN_NOT_FOUND')
    expect(failed.status).toBe(500)
    expect(JSON.parse(failed.body).error).toMatchObject({
      code: 'ERR_SLUICE_ADMIN_INTERNAL',
      message: 'gone',
    })
  })
})

describe('the socket', () => {
  test('only owner and group may open it, and it is gone after close', async () => {
    const admin = await AdminServer.listen(engine(), path)
    expect((await stat(path)).mode & 0o777).toBe(0o660)
    expect(await askEngine(path, '/api/v1/flows')).toEqual([exampleFlow])
    await admin.close()
    await admin.close()
    await expect(lstat(path)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('a socket that a dead process left is replaced', async () => {
    await abandonSocket(path)
    const admin = await AdminServer.listen(engine(), path)
    expect(await askEngine(path, '/api/v1/status')).toMatchObject({ ready: true })
    await admin.close()
  })

  test('a socket that answers is left alone', async () => {
    const first = await AdminServer.listen(engine(), path)
    await expect(AdminServer.listen(engine(), path)).rejects.toMatchObject({
      code: 'ERR_SLUICE_SOCKET',
      message: expect.stringContaining('Another engine'),
    })
    expect(await askEngine(path, '/api/v1/flows')).toEqual([exampleFlow])
    await first.close()
  })

  test('a file that is no socket is left alone', async () => {
    await writeFile(path, 'precious')
    await expect(claimSocketPath(path)).rejects.toMatchObject({ code: 'ERR_SLUICE_SOCKET' })
    expect((await stat(path)).size).toBe(8)
  })

  test.each([
    ['too long for Linux', `/tmp/${'x'.repeat(120)}`],
    ['in a directory that does not exist', '/nonexistent/sluice.sock'],
  ])('a path %s is refused with a remedy', async (_, bad) => {
    await expect(AdminServer.listen(engine(), bad)).rejects.toMatchObject({
      code: 'ERR_SLUICE_SOCKET',
      remedy: expect.stringContaining('--socket'),
    })
  })

  test.each([
    [{}, 0, '/run/sluice.sock'],
    [{ XDG_RUNTIME_DIR: '/run/user/1000' }, 0, '/run/sluice.sock'],
    [{ XDG_RUNTIME_DIR: '/run/user/1000' }, 1000, '/run/user/1000/sluice.sock'],
    [{}, 1000, '/tmp/sluice-1000.sock'],
  ])('by default, with %j and user %d, it is %s', (env, uid, expected) => {
    expect(defaultSocketPath(env, uid)).toBe(expected)
  })

  test('a command asks at the first path at which there is one, else names the first', async () => {
    const [usual, ofUnit] = [path, join(folder, 'unit.sock')] as const
    const asked = () => firstPresent([usual, ofUnit])
    expect(await asked()).toBe(usual)
    await using _unit = await AdminServer.listen(engine(), ofUnit)
    expect(await asked()).toBe(ofUnit)
    await using _usual = await AdminServer.listen(engine(), usual)
    expect(await asked()).toBe(usual)
  })

  test("the unit's path is the one that commands know", () => {
    const unit = readText('packaging/sluice.service')
    expect(unit.match(/^ExecStart=.*/m)?.[0]).toContain(`--socket ${unitSocketPath} `)
  })
})

describe('asking', () => {
  test('no socket and a dead socket are an engine that cannot be reached', async () => {
    await expect(askEngine(path, '/api/v1/status')).rejects.toMatchObject({
      code: 'ERR_SLUICE_UNREACHABLE',
      remedy: expect.stringContaining('sluice run'),
    })
    await abandonSocket(path)
    await expect(askEngine(path, '/x')).rejects.toMatchObject({ code: 'ERR_SLUICE_UNREACHABLE' })
  })

  test("an engine's error is thrown here as it was there", async () => {
    const admin = await AdminServer.listen(engine(), path)
    await expect(askEngine(path, '/nothing')).rejects.toMatchObject({
      code: 'ERR_SLUICE_ADMIN_NOT_FOUND',
    })
    await admin.close()
  })

  test('a socket without permission names the remedy', async ({ skip }) => {
    if (process.geteuid?.() === 0) skip('root may open every socket')
    const admin = await AdminServer.listen(engine(), path)
    await chmod(path, 0)
    await expect(askEngine(path, '/x')).rejects.toMatchObject({ code: 'ERR_SLUICE_PERMISSION' })
    await admin.close()
  })
})

/** Leaves a socket file behind that nobody listens on. */
async function abandonSocket(at: string): Promise<void> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(`${at}.live`, resolve))
  await link(`${at}.live`, at)
  await new Promise((resolve) => server.close(resolve))
}
