import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { main } from '../../src/cli/main.js'
import { StopRequest } from '../../src/cli/stop-request.js'
import { SluiceError } from '../../src/errors.js'

const engine = vi.hoisted(() => ({ start: vi.fn(), stop: vi.fn() }))

vi.mock('../../src/index.js', async (actual) => ({
  ...(await actual<object>()),
  Engine: { start: engine.start },
}))

/** What `run` asks of an engine. */
const running = {
  status: () => ({
    ready: true,
    policyRevision: 'abc',
    ports: [
      {
        name: 'outside',
        kind: 'packet',
        device: 'eth0',
        addresses: ['192.0.2.1/24'],
        counters: {},
      },
    ],
    virtualServers: [{ name: 'site', listen: 'tcp://192.0.2.100:80', connections: 0 }],
  }),
  flows: async () => [],
  stop: engine.stop,
}

let folder: string
let file: string
let socket: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-run-'))
  file = join(folder, 'site.ts')
  socket = join(folder, 'sluice.sock')
  await writeFile(
    file,
    `export default { ports: { outside: { kind: 'packet', device: 'eth0', address: '192.0.2.1/24' } } }`,
  )
  engine.start.mockReset().mockResolvedValue(running)
  engine.stop.mockReset().mockResolvedValue(undefined)
})

afterEach(() => rm(folder, { recursive: true, force: true }))

/** Runs a command line; `onReady` happens once the first line is out. */
async function sluice(args: string[], onReady = () => void process.emit('SIGTERM', 'SIGTERM')) {
  const written = { stdout: '', stderr: '' }
  const stdout = {
    write: (text: string) => {
      if (written.stdout === '') setImmediate(onReady)
      written.stdout += text
    },
  }
  const stderr = {
    write: (text: string) => {
      written.stderr += text
    },
  }
  return { code: await main(args, { stdout, stderr, env: { SLUICE_LOG: 'silent' } }), ...written }
}

describe('sluice run', () => {
  test('one line `ready`; SIGTERM stops the engine, removes the socket, and is no failure', async () => {
    let listening = false
    const { code, stdout } = await sluice(['run', file, '--socket', socket], () => {
      listening = existsSync(socket)
      process.emit('SIGTERM', 'SIGTERM')
    })
    expect({ code, listening }).toEqual({ code: 0, listening: true })
    expect(stdout).toBe(`ready: 1 port, 1 virtual server, administration on ${socket}\n`)
    expect(engine.stop).toHaveBeenCalledOnce()
    expect(existsSync(socket)).toBe(false)
  })

  test('--json: one object per line', async () => {
    const { stdout } = await sluice(['run', file, '--json', '--socket', socket])
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([
      {
        event: 'ready',
        pid: process.pid,
        socket,
        policyRevision: 'abc',
        ports: [{ name: 'outside', kind: 'packet', device: 'eth0', addresses: ['192.0.2.1/24'] }],
        virtualServers: [{ name: 'site', listen: 'tcp://192.0.2.100:80' }],
      },
      { event: 'stopping', signal: 'SIGTERM' },
    ])
  })

  test('--no-admin listens nowhere', async () => {
    const { code, stdout } = await sluice(['run', file, '--no-admin'])
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'ready: 1 port, 1 virtual server\n' })
  })

  test('the engine gets the revision of the file', async () => {
    await sluice(['run', file, '--no-admin'])
    expect(engine.start.mock.calls[0]?.[1].policyRevision).toMatch(/^[0-9a-f]+$/)
  })

  test('an engine that does not start: its exit code, and no socket', async () => {
    engine.start.mockRejectedValue(new SluiceError('ERR_SLUICE_PERMISSION', 'No.', 'Be root.'))
    const { code, stdout } = await sluice(['run', file, '--socket', socket])
    expect({ code, stdout }).toEqual({ code: 5, stdout: '' })
    expect(existsSync(socket)).toBe(false)
  })

  test('a socket that cannot be had is found before anything starts', async () => {
    await writeFile(socket, 'no socket')
    const { code } = await sluice(['run', file, '--socket', socket])
    expect(code).toBe(1)
    expect(engine.start).not.toHaveBeenCalled()
  })

  test('a socket that is lost in between stops the engine', async () => {
    engine.start.mockImplementation(async () => {
      await writeFile(socket, 'no socket')
      return running
    })
    const { code } = await sluice(['run', file, '--socket', socket])
    expect(code).toBe(1)
    expect(engine.stop).toHaveBeenCalledOnce()
  })

  test('no handler of a signal stays behind', async () => {
    const before = process.listenerCount('SIGTERM')
    await sluice(['run', file, '--no-admin'])
    expect(process.listenerCount('SIGTERM')).toBe(before)
  })
})

describe('a request to stop', () => {
  test('SIGINT, twice within a moment as npm does it, asks once', async () => {
    const exit = vi.spyOn(process, 'exit').mockReturnValue(undefined as never)
    const stop = new StopRequest()
    process.emit('SIGINT', 'SIGINT')
    process.emit('SIGINT', 'SIGINT')
    expect(await stop.requested).toBe('SIGINT')
    expect(exit).not.toHaveBeenCalled()
    stop.forget()
    exit.mockRestore()
  })

  test.each([
    ['SIGINT' as const, 130],
    ['SIGTERM' as const, 143],
  ])('a second signal %s ends the process at once with %d', (signal, code) => {
    const exit = vi.spyOn(process, 'exit').mockReturnValue(undefined as never)
    const clock = vi.spyOn(performance, 'now')
    const stop = new StopRequest()
    clock.mockReturnValue(1000)
    process.emit(signal, signal)
    clock.mockReturnValue(2000)
    process.emit(signal, signal)
    expect(exit).toHaveBeenCalledExactlyOnceWith(code)
    stop.forget()
    vi.restoreAllMocks()
  })
})
