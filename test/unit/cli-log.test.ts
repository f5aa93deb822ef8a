import { describe, expect, test } from 'vitest'
import { openLog } from '../../src/cli/log.js'
import { Terminal } from '../../src/cli/terminal.js'
import { eventNames } from '../../src/logger.js'
import { readText } from '../helpers/repository.js'

function textLog(options: Parameters<typeof openLog>[0], env: NodeJS.ProcessEnv = {}) {
  const lines: string[] = []
  const sink = { write: (text: unknown) => void lines.push(String(text)) }
  const log = openLog({ logFormat: 'text', ...options }, new Terminal(sink, sink, false), env)
  return { lines, log }
}

const down = { event: 'node', code: 'ERR_SLUICE_NODE_DOWN', pool: 'web' } as const

describe('a log in text', () => {
  test('has a line for each event, with its name and what it tells', () => {
    const { lines, log } = textLog({})
    log.warn({ ...down, reason: 'connection refused', err: new Error('no "route"') }, 'a node')
    expect(lines).toHaveLength(1)
    const [time, rest] = [lines[0]?.slice(0, 24) ?? '', lines[0]?.slice(24)]
    expect(new Date(time).toISOString()).toBe(time)
    expect(rest).toBe(
      ' warn  node: a node  code=ERR_SLUICE_NODE_DOWN  pool=web  ' +
        'reason="connection refused"  err="no \\"route\\""\n',
    )
  })

  test('whatever a policy answers fits on a line', () => {
    const { lines, log } = textLog({})
    const round: Record<string, unknown> = {}
    round.self = round
    for (const answer of [round, 1n, undefined, () => 1, { a: ['b'] }])
      log.warn({ ...down, answer }, '')
    expect(lines.every((line) => line.trimEnd().split('\n').length === 1)).toBe(true)
    expect(lines.at(-1)).toContain('answer={"a":["b"]}')
  })

  test.each([
    [{}, {}, ['warn']],
    [{ logLevel: 'info' }, {}, ['info', 'warn']],
    [{ logLevel: 'silent' }, { SLUICE_LOG: 'debug' }, []],
    [{}, { SLUICE_LOG: 'debug' }, ['debug', 'info', 'warn']],
  ] as const)('%j and %j let pass %j', (options, env, passed) => {
    const { lines, log } = textLog(options, env)
    log.debug({ event: 'refusals' }, '')
    log.info({ event: 'ready' }, '')
    log.warn(down, '')
    expect(lines.map((line) => line.split(/\s+/)[1])).toEqual(passed)
  })
})

test('docs/operation.md has every event', () => {
  const page = readText('docs/operation.md')
  expect(eventNames.filter((name) => !page.includes(`| \`${name}\` |`))).toEqual([])
})
