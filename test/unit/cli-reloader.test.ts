/** A configuration's file under a running engine: what is run again, what is refused, what is watched. */
import {
  type FSWatcher,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { Reloader } from '../../src/cli/reloader.js'
import { loadConfigFile } from '../../src/config/load.js'
import { SluiceError } from '../../src/errors.js'

const fs = vi.hoisted(() => ({ watch: vi.fn() }))
const actual = await vi.importActual<typeof import('node:fs')>('node:fs')
vi.mock('node:fs', async (actual) => ({ ...(await actual<object>()), ...fs }))

const text = (address: string, more = '') => `${more}
  export default { ports: { outside: { kind: 'packet', device: 'eth0', address: '${address}/24' } } }`
const [first, second, third] = [text('192.0.2.1'), text('192.0.2.2'), text('192.0.2.3')]
const broken = 'export default {'

let folder: string
let file: string
let watchers: FSWatcher[]

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'sluice-reloader-')))
  file = join(folder, 'site.ts')
  writeFileSync(file, first)
  watchers = []
  fs.watch.mockReset().mockImplementation((...given: Parameters<typeof actual.watch>) => {
    const watcher = actual.watch(...given)
    watchers.push(watcher)
    return watcher
  })
  return () => rmSync(folder, { recursive: true })
})

/** What takes over the file, with the administration over the network beside it. */
async function reloaderOf(file: string, apply: () => boolean = () => false) {
  const engine = { reload: vi.fn() }
  const network = { prepare: vi.fn().mockResolvedValue(apply) }
  const [outcome, told] = outcomes()
  const reloader = new Reloader(engine, file, await loadConfigFile(file), outcome, network)
  onTestFinished(() => reloader[Symbol.dispose]())
  return { reloader, engine, outcome, network, told }
}

/** Outcomes, and a promise of the next one. */
function outcomes() {
  let told = () => {}
  const outcome = {
    reloaded: vi.fn(() => told()),
    refused: vi.fn((_: unknown) => told()),
    unwatched: vi.fn(),
  }
  const next = () =>
    new Promise<void>((resolve) => {
      told = resolve
    })
  return [outcome, next] as const
}

describe('the same content', () => {
  test('is no change', async () => {
    const { reloader, engine, outcome } = await reloaderOf(file)
    expect(await reloader.reload()).toMatchObject({ changed: false })
    expect([engine.reload, outcome.reloaded, outcome.refused].map((one) => one.mock.calls)).toEqual(
      [[], [], []],
    )
  })

  test('with other certificates is one, and none of the engine', async () => {
    const { reloader, engine, outcome } = await reloaderOf(file, () => true)
    expect(await reloader.reload()).toMatchObject({ changed: true })
    expect(engine.reload).not.toHaveBeenCalled()
    expect(outcome.reloaded).toHaveBeenCalledOnce()
  })

  test('is not run again, and its certificates are read again; other content is run once', async () => {
    const admin = `{ listen: '127.0.0.1:9443', key: 'a.key', cert: 'a.pem', ca: 'ca.pem' }`
    const counting = (n: number) => `process.emit('ran', ${n})
      export default { ports: { a: { kind: 'memory', address: '192.0.2.1/24' } }, admin: ${admin} }`
    const ran = vi.fn()
    process.on('ran', ran)
    onTestFinished(() => void process.off('ran', ran))
    writeFileSync(file, counting(1))
    const { reloader, network } = await reloaderOf(file)
    await reloader.reload()
    writeFileSync(file, counting(2))
    await reloader.reload()
    await reloader.reload()
    expect(ran.mock.calls).toEqual([[1], [2]])
    expect(network.prepare.mock.calls.map(([settings]) => settings.key)).toEqual(
      new Array(3).fill('a.key'),
    )
  })
})

describe('what is refused', () => {
  test('certificates that are wrong change nothing, whatever else the file says', async () => {
    const { reloader, engine, outcome, network } = await reloaderOf(file, () => true)
    writeFileSync(file, second)
    network.prepare.mockRejectedValue(new SluiceError('ERR_SLUICE_ADMIN_CERTIFICATE', 'No.', 'Do.'))
    await expect(reloader.reload()).rejects.toThrow('No.')
    expect(engine.reload).not.toHaveBeenCalled()
    expect(outcome.refused).toHaveBeenCalledOnce()
  })

  test('an engine that takes nothing over leaves the administration as it was', async () => {
    const apply = vi.fn().mockReturnValue(true)
    const { reloader, engine } = await reloaderOf(file, apply)
    writeFileSync(file, second)
    engine.reload.mockRejectedValue(new SluiceError('ERR_SLUICE_RESTART', 'No.', 'Do.'))
    await expect(reloader.reload()).rejects.toThrow('No.')
    expect(apply).not.toHaveBeenCalled()
  })

  test('a file that waits for ever is, and holds up none that comes after it', async () => {
    const { reloader, engine } = await reloaderOf(file)
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const running = new Promise((resolve) => process.once('runs', resolve))
    writeFileSync(file, text('192.0.2.2', `process.emit('runs'); await new Promise(() => {})`))
    const late = reloader.reload()
    const refusal = expect(late).rejects.toMatchObject({ code: 'ERR_SLUICE_CONFIG' })
    await running
    writeFileSync(file, third)
    const next = reloader.reload()
    vi.advanceTimersByTime(10_000)
    await refusal
    expect(await next).toMatchObject({ changed: true })
    expect(engine.reload).toHaveBeenCalledOnce()
  })
})

describe('--watch', () => {
  /** A folder with a file in it, made ready beside the one in force. */
  const prepare = (name: string, content: string) => {
    mkdirSync(join(folder, name))
    writeFileSync(join(folder, name, 'site.ts'), content)
  }

  /** Changes something, and waits for what comes of it. */
  async function change(act: () => void, told: () => Promise<void>) {
    const next = told()
    act()
    await next
  }

  test('a folder above that is replaced, and then a file in the new one', async () => {
    mkdirSync(join(folder, 'conf/inner'), { recursive: true })
    writeFileSync(join(folder, 'conf/inner/site.ts'), first)
    mkdirSync(join(folder, 'new/inner'), { recursive: true })
    writeFileSync(join(folder, 'new/inner/site.ts'), broken)
    const path = join(folder, 'conf/inner/site.ts')
    const { reloader, engine, outcome, told } = await reloaderOf(path)
    reloader.watch()
    renameSync(join(folder, 'conf'), join(folder, 'old'))
    await change(() => renameSync(join(folder, 'new'), join(folder, 'conf')), told)
    expect(String(outcome.refused.mock.lastCall)).toContain('compile')
    await change(() => writeFileSync(path, second), told)
    expect(engine.reload.mock.lastCall?.[0].ports[0].addresses[0].address).toBe('192.0.2.2')
  })

  test('a link on the way that is moved, and then a file behind it', async () => {
    prepare('one', first)
    prepare('two', second)
    const link = join(folder, 'current')
    symlinkSync('one', link)
    const { reloader, engine, outcome, told } = await reloaderOf(join(link, 'site.ts'))
    reloader.watch()
    symlinkSync('two', `${link}.new`)
    await change(() => renameSync(`${link}.new`, link), told)
    await change(() => writeFileSync(join(folder, 'two/site.ts'), third), told)
    expect(engine.reload.mock.calls.map(([{ ports }]) => ports[0].addresses[0].address)).toEqual([
      '192.0.2.2',
      '192.0.2.3',
    ])
    expect(outcome.refused).not.toHaveBeenCalled()
  })

  test('folders that are no longer named are not watched any more', async () => {
    mkdirSync(join(folder, 'lib'))
    writeFileSync(join(folder, 'lib/part.ts'), `export const part = 1`)
    writeFileSync(file, text('192.0.2.1', `import './lib/part.js'`))
    const { reloader } = await reloaderOf(file)
    reloader.watch()
    const watched = () => fs.watch.mock.calls.map(([path]) => path)
    expect(watched()).toContain(join(folder, 'lib'))
    writeFileSync(file, second)
    await reloader.reload()
    const last = watched().slice(watched().lastIndexOf(folder))
    expect(last).toContain(dirname(folder))
    expect(last).not.toContain(join(folder, 'lib'))
  })

  test('where nothing can be watched the reload stands, and a warning tells', async () => {
    const { reloader, outcome } = await reloaderOf(file)
    reloader.watch()
    const problem = Object.assign(new Error('no'), { code: 'ENOSPC' })
    fs.watch.mockImplementation(() => {
      throw problem
    })
    writeFileSync(file, second)
    expect(await reloader.reload()).toMatchObject({ changed: true })
    expect(outcome.reloaded).toHaveBeenCalledOnce()
    expect(outcome.refused).not.toHaveBeenCalled()
    expect(outcome.unwatched).toHaveBeenCalledWith(problem)
  })

  test('a watch that breaks off is a warning', async () => {
    const { reloader, outcome } = await reloaderOf(file)
    reloader.watch()
    const problem = new Error('gone')
    watchers[0]?.emit('error', problem)
    expect(outcome.unwatched).toHaveBeenCalledWith(problem)
  })
})
