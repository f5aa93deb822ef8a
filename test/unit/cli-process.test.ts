import { Console } from 'node:console'
import { EventEmitter } from 'node:events'
import { Writable } from 'node:stream'
import { expect, test, vi } from 'vitest'
import { consoleToStderr } from '../../src/cli/console-to-stderr.js'
import { leave } from '../../src/cli/leave.js'
import { StrayErrors } from '../../src/cli/stray-errors.js'

/** A stream that is slow to write, or fails. */
function slowStream(failure: Error | null = null) {
  const written: string[] = []
  const stream = new Writable({
    write(chunk, _encoding, done) {
      setImmediate(() => {
        written.push(String(chunk))
        done(failure)
      })
    },
  })
  stream.on('error', () => {})
  return { stream, written }
}

test('the process exits when both streams are written, whatever is still alive', async () => {
  const [out, err] = [slowStream(), slowStream()]
  out.stream.write('data\n')
  err.stream.write('message\n')
  const exit = vi.fn(() =>
    expect([out.written[0], err.written[0]]).toEqual(['data\n', 'message\n']),
  )
  await leave(4, { stdout: out.stream, stderr: err.stream, exit })
  expect(exit).toHaveBeenCalledExactlyOnceWith(4)
})

test('a reader that has gone does not keep the process', async () => {
  const [out, err] = [slowStream(new Error('EPIPE')), slowStream()]
  out.stream.write('data\n')
  const exit = vi.fn()
  await leave(0, { stdout: out.stream, stderr: err.stream, exit })
  expect(exit).toHaveBeenCalledExactlyOnceWith(0)
})

test('the console of a configuration goes to stderr', async () => {
  const [out, err] = [slowStream(), slowStream()]
  const console = new Console(out.stream, out.stream)
  consoleToStderr(console, err.stream)
  const { log } = console
  log('one')
  console.info('two')
  console.debug('three')
  console.dir('four')
  await new Promise((done) => err.stream.write('', done))
  expect(err.written.join('')).toBe("one\ntwo\nthree\n'four'\n")
  expect(out.written).toEqual([])
})

test('stray errors are counted, logged and survived, from `catch` until disposal', () => {
  const process = new EventEmitter()
  const error = vi.fn()
  const log = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error }
  const thrown = new Error('in a timer')
  {
    using strayErrors = new StrayErrors(log, process)
    expect(process.listenerCount('uncaughtException')).toBe(0)
    strayErrors.catch()
    process.emit('uncaughtException', thrown)
    for (let i = 0; i < 6; i++) process.emit('unhandledRejection', thrown)
  }
  expect(error.mock.calls.map(([details]) => details)).toEqual(
    [1, 2, 4].map((strayErrors) => ({
      ...{ event: 'strayError', code: 'ERR_SLUICE_STRAY' },
      ...{ err: thrown, strayErrors },
    })),
  )
  expect(process.eventNames()).toEqual([])
})
