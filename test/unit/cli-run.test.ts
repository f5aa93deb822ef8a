import { existsSync, renameSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { main } from '../../src/cli/main.js'
import { StopRequest } from '../../src/cli/stop-request.js'
import { SluiceError } from '../../src/errors.js'

const engine = vi.hoisted(() => ({
  start: vi.fn(),
  stop: vi.fn(),
  reload: vi.fn(),
  drain: vi.fn(),
  dropCapabilities: vi.fn(),
}))

vi.mock('../../src/index.js', async (actual) => ({
  ...(await actual<object>()),
  Engine: { start: engine.start },
  dropCapabilities: engine.dropCapabilities,
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
  eachFlow: async () => [],
  drain: engine.drain,
  capabilitiesToStop: ['CAP_NET_ADMIN'],
  connections: 0,
  [Symbol.asyncDispose]: engine.stop,
  reload: engine.reload,
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
  engine.reload.mockReset()
  engine.stop.mockReset().mockResolvedValue(undefined)
})

afterEach(() => rm(folder, { recursive: true, force: true }))

const terminate = () => void process.emit('SIGTERM', 'SIGTERM')

/** Runs a command line; `react` gets each line of either stream, after it is out. */
async function sluice(
  args: string[],
  react: (line: string) => void = (line) => line.includes('ready') && terminate(),
) {
  const written = { stdout: '', stderr: '' }
  const sink = (name: keyof typeof written) => ({
    write: (text: string) => {
      written[name] += text
      setImmediate(react, text)
    },
  })
  const [stdout, stderr] = [sink('stdout'), sink('stderr')]
  return { code: await main(args, { stdout, stderr, env: { SLUICE_LOG: 'silent' } }), ...written }
}

describe('sluice run', () => {
  test('one line `ready`; SIGTERM stops the engine, removes the socket, and is no failure', async () => {
    let listening = false
    const { code, stdout } = await sluice(['run', file, '--socket', socket], (line) => {
      if (!line.startsWith('ready')) return
      listening = existsSync(socket)
      terminate()
    })
    expect({ code, listening }).toEqual({ code: 0, listening: true })
    expect(stdout).toBe(`ready: 1 port, 1 virtual server, administration on ${socket}\n`)
    expect(engine.dropCapabilities).toHaveBeenCalledWith(['CAP_NET_ADMIN'])
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

  test('certificates that are not there are found before anything starts', async () => {
    await writeFile(
      file,
      `export default {
        ports: { outside: { kind: 'packet', device: 'eth0', address: '192.0.2.1/24' } },
        admin: { listen: '127.0.0.1:9443', key: 'no.key', cert: 'no.pem', ca: 'no-ca.pem' },
      }`,
    )
    const { code, stderr } = await sluice(['run', file, '--socket', socket])
    expect(code).toBe(4)
    expect(stderr).toContain('ERR_SLUICE_ADMIN_CERTIFICATE')
    expect(engine.start).not.toHaveBeenCalled()
    expect((await sluice(['run', file, '--no-admin'])).code).toBe(0)
  })

  test('SIGTERM while the file still waits for something: a clean end, and no engine', async () => {
    await writeFile(
      file,
      `process.emit('SIGTERM', 'SIGTERM')
       await new Promise((resolve) => process.once('testIsOver', resolve))`,
    )
    onTestFinished(() => void process.emit('testIsOver' as never))
    const { code, stdout, stderr } = await sluice(['run', file, '--socket', socket])
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '', stderr: 'SIGTERM: stopping\n' })
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

  test('no handler of a signal or of an error stays behind', async () => {
    const counts = () =>
      ['SIGTERM', 'uncaughtException', 'unhandledRejection'].map((event) =>
        process.listenerCount(event),
      )
    const before = counts()
    let running: number[] = []
    await sluice(['run', file, '--no-admin'], (line) => {
      if (!line.startsWith('ready')) return
      running = counts()
      terminate()
    })
    expect(running).toEqual(before.map((count) => count + 1))
    expect(counts()).toEqual(before)
  })
})

describe('changing the file of a running engine', () => {
  const changed = `export default { ports: {
    outside: { kind: 'packet', device: 'eth0', address: '192.0.2.2/24' } } }`

  /** Runs the engine, does something once it is ready, and stops it after the next line. */
  const afterReady = (args: string[], act: () => void) =>
    sluice(['run', file, '--no-admin', ...args], (line) => {
      if (line.startsWith('ready') || line.includes('"ready"')) act()
      else if (/reloaded|reloadRefused|stays in force/.test(line)) terminate()
    })

  test('SIGHUP takes it over, with its revision', async () => {
    const { code, stderr } = await afterReady([], () => {
      writeFileSync(file, changed)
      process.emit('SIGHUP', 'SIGHUP')
    })
    expect(code).toBe(0)
    const [config, options] = engine.reload.mock.calls[0] ?? []
    expect(config.ports[0].addresses[0].address).toBe('192.0.2.2')
    expect(stderr).toContain(`reloaded: policy revision ${options.policyRevision}`)
    expect(process.listenerCount('SIGHUP')).toBe(0)
  })

  test.each([
    ['written in place', () => writeFileSync(file, changed)],
    [
      'replaced, as editors do',
      () => {
        writeFileSync(`${file}.new`, changed)
        renameSync(`${file}.new`, file)
      },
    ],
  ])('--watch takes it over when it is %s', async (_, change) => {
    const { stdout } = await afterReady(['--watch', '--json'], change)
    const events = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(events.map(({ event }) => event)).toEqual(['ready', 'reloaded', 'stopping'])
    expect(engine.reload).toHaveBeenCalledOnce()
  })

  test('a file that is wrong changes nothing, and says why', async () => {
    const { code, stderr, stdout } = await afterReady(['--watch', '--json'], () =>
      writeFileSync(file, 'export default { ports: 7 }'),
    )
    expect(code).toBe(0)
    expect(engine.reload).not.toHaveBeenCalled()
    expect(JSON.parse(stderr).error.code).toBe('ERR_SLUICE_CONFIG')
    expect(stdout).toContain('{"event":"reloadRefused"}')
  })

  test('what a running engine cannot take over changes nothing, and says why', async () => {
    engine.reload.mockImplementation(() => {
      throw new SluiceError('ERR_SLUICE_RESTART', 'Not these: ports.', 'Start anew.')
    })
    const { stderr } = await afterReady([], () => {
      writeFileSync(file, changed)
      process.emit('SIGHUP', 'SIGHUP')
    })
    expect(stderr).toContain('ERR_SLUICE_RESTART')
    expect(stderr).toContain('The old configuration stays in force.')
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
