import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { exitCodeFor } from '../../src/cli/exit-code.js'
import { main } from '../../src/cli/main.js'

/** What `main` wrote to each stream. */
function capture(env: NodeJS.ProcessEnv = {}) {
  const written = { stdout: '', stderr: '' }
  const sink = (name: keyof typeof written) => ({
    write: (text: string) => {
      written[name] += text
    },
  })
  return { written, environment: { stdout: sink('stdout'), stderr: sink('stderr'), env } }
}

const status = vi.hoisted(() => vi.fn())
vi.mock('../../src/cli/status.js', () => ({ status }))

beforeEach(() => void status.mockReset().mockResolvedValue(0))
afterEach(() => void vi.restoreAllMocks())

describe('exit codes', () => {
  test.each([
    ['ERR_SLUICE_UNREACHABLE', 3],
    ['ERR_SLUICE_CONFIG', 4],
    ['ERR_SLUICE_PERMISSION', 5],
    ['ERR_SLUICE_DEVICE', 5],
    ['ERR_SLUICE_LAB_PRIVILEGE', 5],
    ['ERR_SLUICE_ADDON', 1],
    ['EPIPE', 1],
  ])('%s ends a command with %d', (code, exitCode) => {
    expect(exitCodeFor(Object.assign(new Error('no'), { code }))).toBe(exitCode)
  })

  test.each([[new Error('plain')], [null], [undefined], ['text']])('%s ends it with 1', (error) => {
    expect(exitCodeFor(error)).toBe(1)
  })
})

describe('the command line', () => {
  test.each(['run site.ts', 'status', 'flows'])(
    '%s --socket with nothing is a usage error',
    async (line) => {
      const { written, environment } = capture()
      expect(await main([...line.split(' '), '--socket', ''], environment)).toBe(2)
      expect(written.stderr).toContain('give the path of a socket')
      expect(status).not.toHaveBeenCalled()
    },
  )

  test('SLUICE_LOG with no level is a usage error that names them', async () => {
    const { written, environment } = capture({ SLUICE_LOG: 'verbose' })
    expect(await main(['run', 'site.ts'], environment)).toBe(2)
    expect(written.stderr).toBe(
      "error: SLUICE_LOG is 'verbose'; take one of trace, debug, info, warn, error, fatal, silent\n",
    )
  })

  test.each([
    [['statsu'], /Did you mean status\?/],
    [['dran'], /Did you mean drain\?/],
    [['run', 'site.ts', '--wacth'], /Did you mean --watch\?/],
    [['run', 'site.ts', '--log-level', 'loud'], /Allowed choices are trace, debug/],
    [['capture'], /-w, --write/],
    [['capture', '-w', '-', '--count', '0'], /whole number from 1/],
  ])('%j is a usage error that tells what was meant', async (args, sentence) => {
    const { written, environment } = capture()
    expect(await main(args, environment)).toBe(2)
    expect(written).toMatchObject({ stdout: '', stderr: expect.stringMatching(sentence) })
  })

  test.each([[['--help']], [['run', '--help']], [['--version']]])(
    '%s prints to stdout and exits 0',
    async (args) => {
      const { written, environment } = capture()
      expect(await main(args, environment)).toBe(0)
      expect(written.stdout).not.toBe('')
      expect(written.stderr).toBe('')
    },
  )

  test.each([
    [[]],
    [['fly']],
    [['run']],
    [['check', 'a.ts', 'b.ts']],
    [['status', '--jsonn']],
    [['status', '--socket']],
  ])('%j is a usage error: exit 2, all on stderr', async (args) => {
    const { written, environment } = capture()
    expect(await main(args, environment)).toBe(2)
    expect(written.stdout).toBe('')
    expect(written.stderr).not.toBe('')
  })

  test('a misspelt command brings a suggestion', async () => {
    const { written, environment } = capture()
    await main(['statsu'], environment)
    expect(written.stderr).toContain('status')
  })

  test('hands options to the command, and its exit code back', async () => {
    status.mockResolvedValue(1)
    const { environment } = capture()
    expect(await main(['status', '--json', '--socket', '/x'], environment)).toBe(1)
    expect(status.mock.calls[0]?.[0]).toEqual({ json: true, socket: '/x' })
  })

  test('--no-color is taken before and after the command', async () => {
    for (const args of [
      ['--no-color', 'status'],
      ['status', '--no-color'],
    ]) {
      const { environment } = capture({ FORCE_COLOR: '1' })
      expect(await main(args, environment)).toBe(0)
      expect(status.mock.lastCall?.[1].terminal.colour).toBe(false)
    }
  })
})

describe('errors', () => {
  const known = Object.assign(new Error('The device eth9 is missing.'), {
    code: 'ERR_SLUICE_DEVICE',
    remedy: 'Name one that exists.',
    issues: [],
  })
  const invalid = Object.assign(new Error('site.ts has a problem: pools.web is empty.'), {
    code: 'ERR_SLUICE_CONFIG',
    remedy: 'pools.web: add a node',
    issues: [{ key: 'pools.web', problem: 'is empty', remedy: 'add a node' }],
  })

  test('one sentence, the code, the remedy, and no stack', async () => {
    status.mockRejectedValue(known)
    const { written, environment } = capture()
    expect(await main(['status'], environment)).toBe(5)
    expect(written.stderr).toBe(
      'error: The device eth9 is missing. (ERR_SLUICE_DEVICE)\n  Name one that exists.\n',
    )
    expect(written.stdout).toBe('')
  })

  test('each issue of a configuration with its key and its remedy', async () => {
    status.mockRejectedValue(invalid)
    const { written, environment } = capture()
    expect(await main(['status'], environment)).toBe(4)
    expect(written.stderr).toBe(
      'error: The configuration has 1 problem. (ERR_SLUICE_CONFIG)\n' +
        '  pools.web is empty\n    add a node\n',
    )
  })

  test('with --json the error is one object on stderr', async () => {
    status.mockRejectedValue(invalid)
    const { written, environment } = capture()
    await main(['status', '--json'], environment)
    expect(JSON.parse(written.stderr)).toEqual({
      error: {
        code: 'ERR_SLUICE_CONFIG',
        message: invalid.message,
        remedy: invalid.remedy,
        issues: invalid.issues,
      },
    })
  })

  test('DEBUG brings the stack, with that of the cause', async () => {
    status.mockRejectedValue(new Error('outer', { cause: new Error('inner') }))
    const { written, environment } = capture({ DEBUG: '1' })
    expect(await main(['status'], environment)).toBe(1)
    expect(written.stderr).toMatch(/Error: outer\n\s+at [\s\S]*caused by Error: inner/)
  })

  test.each([[new Error('odd')], ['odd']])('%s is reported as a defect', async (thrown) => {
    status.mockRejectedValue(thrown)
    const { written, environment } = capture()
    expect(await main(['status'], environment)).toBe(1)
    expect(written.stderr).toContain('ERR_UNEXPECTED')
    expect(written.stderr).toContain('odd')
  })
})
